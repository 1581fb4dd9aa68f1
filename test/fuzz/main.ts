/**
 * `npm run fuzz [-- --inputs 12000000 --seed 1 --only name --at input]`: feeds every target with its share of the
 * inputs (all in all some minutes), one worker per core. Prints the seed, every ten seconds how far it is and its
 * memory, and each target's memory over its ten rounds; ends with 1 at the first input that throws, that takes more
 * than a second, or when memory grows.
 * An input is a function of seed and number alone: `--only … --seed … --at …` repeats it.
 */
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Dice } from './dice.js';
import { FUZZ_TARGETS } from './targets.js';
import { BETWEEN, type Assignment, type Done } from './worker.js';

/** Of the process's CPU for each worker: on a machine that is busy with other things a second says nothing. */
const SLOW_MS = 1_000;
const LANES = availableParallelism();
const LOOK_MS = 100;
const PROGRESS_MS = 10_000;

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '12000000' },
    seed: { type: 'string', default: String(randomBytes(4).readUInt32BE() % 1_000_000) },
    only: { type: 'string', default: '' },
    at: { type: 'string' },
  },
});
const seed = Number(values.seed);
const targets = FUZZ_TARGETS.filter(({ name }) => name.includes(values.only));
const inputs = Math.ceil(Number(values.inputs) / targets.length);
if (!Number.isSafeInteger(seed) || !(inputs > 0)) fail('--inputs and --seed are whole numbers');
/** Of each target that was begun: the input that it has come to. */
const lasts: Float64Array[] = [];
if (values.at === undefined) await feedAll();
else repeat(Number(values.at));

async function feedAll(): Promise<void> {
  const names = targets.map(({ name }) => name);
  console.log(`seed ${seed}: ${names.length} targets, ${inputs} inputs each`);
  const began = performance.now();
  const progress = setInterval(() => tell(names.length * inputs, began), PROGRESS_MS);
  const waiting = [...names];
  const lanes = Array.from({ length: LANES }, async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await feed(name);
  });
  await Promise.all(lanes);
  clearInterval(progress);
  const seconds = (performance.now() - began) / 1_000;
  const all = names.length * inputs;
  console.log(
    `${all} inputs in ${seconds.toFixed(0)} s, ${Math.round(all / seconds)}/s: no finding`,
  );
}

function tell(all: number, began: number): void {
  const done = lasts.reduce((sum, last) => sum + Math.max(0, last[0] ?? 0), 0);
  const perSecond = Math.round((1_000 * done) / (performance.now() - began));
  const residentMb = Math.round(process.memoryUsage.rss() / 1_048_576);
  console.log(`… ${done} of ${all} inputs, ${perSecond}/s, ${residentMb} MB resident`);
}

/** A thread of its own: what hangs cannot look at the clock. */
function feed(name: string): Promise<void> {
  const current = new Float64Array(new SharedArrayBuffer(8)).fill(BETWEEN);
  const reached = new Float64Array(1);
  lasts.push(reached);
  const assignment: Assignment = { name, seed, inputs, current };
  const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData: assignment });
  let last = BETWEEN;
  let sinceMs = cpuMs();
  const looks = setInterval(() => {
    const now = current[0] ?? BETWEEN;
    reached[0] = Math.max(reached[0] ?? 0, now);
    if (now !== last || now === BETWEEN) [last, sinceMs] = [now, cpuMs()];
    else if (cpuMs() - sinceMs > SLOW_MS * LANES) found(name, now, `takes more than ${SLOW_MS} ms`);
  }, LOOK_MS);
  return new Promise((resolve) => {
    worker.once('message', ({ seconds, heapMb }: Done) => {
      clearInterval(looks);
      reached[0] = inputs;
      const perSecond = Math.round(inputs / seconds);
      console.log(
        `${name}: ${inputs} inputs, ${perSecond}/s, ${heapMb.map(Math.round).join(' ')} MB`,
      );
      resolve();
    });
    worker.once('error', (error) =>
      found(name, current[0] ?? BETWEEN, error.stack ?? String(error)),
    );
  });
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function repeat(input: number): void {
  for (const { name, open } of targets) {
    const dice = new Dice(0);
    dice.turnTo(seed, input);
    console.log(`${name}: ${open()(dice)}`);
  }
}

function found(name: string, input: number, what: string): never {
  const which = input === BETWEEN ? '' : ` --at ${input}`;
  return fail(
    `FOUND in ${name}: ${what}\nagain: npm run fuzz -- --seed ${seed} --only '${name}'${which}`,
  );
}

function fail(sentence: string): never {
  console.error(sentence);
  process.exit(1);
}
