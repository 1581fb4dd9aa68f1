/**
 * The protocol under faults (design §5): the real services over embedded adapters, under a seeded scheduler. Any
 * other number of schedules, or a trace of one: `npm run simulate -- --seed 4711 --runs 1`.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { MUTATIONS } from './simulation/mutations.js';
import { play } from './simulation/schedule.js';

const MAIN = 'dist/test/simulation/main.js';
const RUNS = process.env.CI ? 10_000 : 1_500;

async function simulate(...args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.on('data', (bytes) => (said += String(bytes)));
  await once(child, 'close');
  return said;
}

test(`${RUNS} schedules break no rule`, async () => {
  const said = await simulate('--seed', '1', '--runs', String(RUNS));
  const [end = ''] = said.trimEnd().split('\n').slice(-1);
  if (end !== 'no rule was broken') throw new Error(said);
  console.log(said);
}, 600_000);

test('a seed plays the same schedule again', async () => {
  const [first, second] = [await play(4, { isTraced: true }), await play(4, { isTraced: true })];
  expect(first.trace.length).toBeGreaterThan(100);
  expect(second.trace).toEqual(first.trace);
});

/** Those that show soon; `npm run simulate -- --mutation … --runs …` plays any other. */
const SHOWN_WITHIN = [
  ['a-failed-append-is-repeated', 20],
  ['outbox-cleared-too-early', 20],
  ['no-write-through', 20],
  ['missing-is-a-fact', 20],
  ['a-cancel-has-its-messages-key', 20],
  ['a-failed-batch-is-done', 60],
  ['fold-replaces', 60],
  ['fold-bounds', 60],
  ['fold-notes-no-topics', 60],
  ['release-not-compared', 100],
  ['tombstones-go-at-once', 300],
  ['nobody-is-told', 150],
  ['displaces-whoever-is-there', 250],
  ['told-and-only-reads', 300],
  ['reclaim-always-wins', 300],
  ['acks-under-way-do-not-count', 350],
  ['routed-before-delivered', 400],
  ['level-without-an-empty-read', 1_500],
] as const;

test.each(SHOWN_WITHIN)(
  'without its clause, %s, a rule is broken within %i schedules',
  async (name, runs) => {
    const mutation = MUTATIONS.find((one) => one.name === name);
    expect(mutation).toBeDefined();
    for (let seed = 1; seed <= runs; seed++) {
      const { violation } = await play(seed, { mutation });
      if (violation) return;
    }
    throw new Error(`nothing was noticed in ${runs} schedules`);
  },
  120_000,
);
