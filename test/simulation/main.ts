/**
 * Plays schedules: `npm run simulate -- --seed 1 --runs 10000`. Prints what they met, and of the first that breaks a
 * rule its seed, the rule and a trace. `--seed 4711` alone (or with `--runs 1`) plays one and prints its trace.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads';
import { MUTATIONS } from './mutations.js';
import { FAULTS, type Fault } from './plan.js';
import type { Mutation } from './scene.js';
import { play, type Played } from './schedule.js';
import { Tally } from './tally.js';

/** Seeds are given out in slices: some schedules take longer than others. */
const SLICE = 25;
const PROGRESS_MS = 10_000;
/** Every so many schedules one is played in turns of its own, see World. */
const STRICT_EVERY = 20;

interface Settings {
  readonly seed: number;
  readonly runs: number;
  readonly workers: number;
  readonly mutation: string | undefined;
  readonly forced: readonly Fault[];
  /** Ends with the first that breaks a rule. */
  readonly stops: boolean;
}

interface Slice {
  readonly from: number;
  readonly to: number;
}

function settings(args: readonly string[]): Settings & { readonly isTraced: boolean } {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seed: { type: 'string', default: '1' },
      runs: { type: 'string' },
      workers: { type: 'string', default: String(availableParallelism()) },
      mutation: { type: 'string' },
      force: { type: 'string', default: '' },
      all: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
    },
  });
  const forced = values.force.split(',').filter(Boolean) as Fault[];
  for (const fault of forced) {
    if (!FAULTS.includes(fault)) throw new Error(`--force ${fault}: one of ${FAULTS.join(', ')}`);
  }
  const runs = numberOf('--runs', values.runs ?? '1');
  return {
    seed: numberOf('--seed', values.seed),
    runs,
    workers: Math.min(numberOf('--workers', values.workers), Math.ceil(runs / SLICE)),
    mutation: values.mutation === undefined ? undefined : mutationOf(values.mutation)?.name,
    forced,
    stops: !values.all,
    isTraced: values.trace || runs === 1,
  };
}

function numberOf(name: string, text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new Error(`${name} ${text}: a whole number above 0`);
}

function mutationOf(name: string | undefined): Mutation | undefined {
  if (name === undefined) return undefined;
  const found = MUTATIONS.find((mutation) => mutation.name === name);
  if (found) return found;
  const names = MUTATIONS.map((mutation) => mutation.name).join(', ');
  throw new Error(`--mutation ${name}: one of ${names}`);
}

function playOne(seed: number, given: Settings, isTraced = false): Promise<Played> {
  return play(seed, {
    mutation: mutationOf(given.mutation),
    forced: new Set(given.forced),
    isTraced,
    isStrict: seed % STRICT_EVERY === 0,
  });
}

/** In a worker: plays the slices that it is given. */
async function work(given: Settings): Promise<void> {
  for await (const slice of slices()) {
    const tally = new Tally();
    for (let seed = slice.from; seed < slice.to; seed++) {
      tally.add(await playOne(seed, given));
      if (given.stops && tally.broken.length > 0) break;
    }
    parentPort?.postMessage(tally);
  }
}

async function* slices(): AsyncGenerator<Slice> {
  const given: Slice[] = [];
  let wake: () => void = () => undefined;
  parentPort?.on('message', (slice: Slice) => {
    given.push(slice);
    wake();
  });
  parentPort?.postMessage('ready');
  for (;;) {
    const next = given.shift();
    if (next) yield next;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
}

async function playAll(given: Settings): Promise<Tally> {
  const all = new Tally();
  const progress = setInterval(() => {
    const seeds = all.broken.map(({ seed }) => seed).join(' ');
    console.error(
      `${all.played} of ${given.runs} schedules${seeds && `, a rule was broken by seeds ${seeds}`}`,
    );
  }, PROGRESS_MS);
  const end = given.seed + given.runs;
  let next = given.seed;
  const workers = Array.from({ length: given.workers }, () => {
    return new Worker(new URL(import.meta.url), { workerData: given });
  });
  const ends = workers.map(
    (worker) =>
      new Promise<void>((resolve, reject) => {
        worker.on('error', reject);
        worker.on('message', (told: Tally | 'ready') => {
          if (told !== 'ready') all.addAll(told);
          if (next >= end || (given.stops && all.broken.length > 0)) return resolve();
          const to = Math.min(end, next + SLICE);
          worker.postMessage({ from: next, to } satisfies Slice);
          next = to;
        });
      }),
  );
  await Promise.all(ends);
  clearInterval(progress);
  await Promise.all(workers.map((worker) => worker.terminate()));
  return all;
}

async function main(): Promise<void> {
  const given = settings(process.argv.slice(2));
  const began = performance.now();
  if (given.isTraced) {
    const played = await playOne(given.seed, given, true);
    console.log(played.trace.join('\n'));
    console.log(played.violation ? `seed ${given.seed}: ${played.violation.what}` : 'no violation');
    process.exitCode = played.violation ? 1 : 0;
    return;
  }
  const tally = await playAll(given);
  const [first] = tally.broken.toSorted((a, b) => a.seed - b.seed);
  if (first) {
    const { trace } = await playOne(first.seed, given, true);
    console.log(trace.join('\n'));
  }
  for (const line of tally.lines((performance.now() - began) / 1_000)) console.log(line);
  if (first) console.log(`again, with its trace: npm run simulate -- ${again(first.seed, given)}`);
  process.exitCode = first ? 1 : 0;
}

/** A fault that is forced and a mutation belong to what a seed makes. */
function again(seed: number, { mutation, forced }: Settings): string {
  const force = forced.length > 0 ? ` --force ${forced.join(',')}` : '';
  return `--seed ${seed} --runs 1${mutation === undefined ? '' : ` --mutation ${mutation}`}${force}`;
}

if (isMainThread) await main();
else await work(workerData as Settings);
