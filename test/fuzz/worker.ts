/** Feeds one target, and looks from time to time whether something stays in memory. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import { Dice } from './dice.js';
import { FUZZ_TARGETS } from './targets.js';

/** No input is being fed. */
export const BETWEEN = -1;

export interface Assignment {
  readonly name: string;
  readonly seed: number;
  readonly inputs: number;
  /** The number of the input that is being fed, for whoever watches. */
  readonly current: Float64Array;
}

export interface Done {
  readonly seconds: number;
  /** What was in use after each round. */
  readonly heapMb: readonly number[];
}

const ROUNDS = 10;
const GROWTH_MB_MAX = 8;

if (parentPort !== null) parentPort.postMessage(fed(workerData as Assignment));

function fed({ name, seed, inputs, current }: Assignment): Done {
  const target = FUZZ_TARGETS.find((one) => one.name === name);
  if (target === undefined) throw new Error(`no target is called ${name}`);
  const feed = target.open();
  const dice = new Dice(seed);
  const heapMb: number[] = [];
  const began = performance.now();
  for (let round = 0; round < ROUNDS; round++) {
    const to = Math.floor((inputs * (round + 1)) / ROUNDS);
    for (let input = Math.floor((inputs * round) / ROUNDS); input < to; input++) {
      current[0] = input;
      dice.turnTo(seed, input);
      feed(dice);
    }
    current[0] = BETWEEN;
    heapMb.push(inUseMb());
  }
  // The first round fills caches.
  const grown = Math.min(...heapMb.slice(-3)) - Math.max(...heapMb.slice(0, 3));
  if (grown > GROWTH_MB_MAX) throw new Error(`memory grew to ${heapMb.map(Math.round)} MB`);
  return { seconds: (performance.now() - began) / 1_000, heapMb };
}

function inUseMb(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 1_048_576;
}
