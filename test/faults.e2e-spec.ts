/**
 * The fault suite's shorter form: a few of its faults one after the other to one cluster, under a lower load, with one
 * account at the end. `npm run test:faults` does all of them, each with an account of its own.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Arena, type Row } from './faults/arena.js';
import { kafkaEnded, killed, routerKilledMidBurst, type Fault } from './faults/faults.js';
import { requires } from './support/machine.js';

const LOAD = { devices: 120, perSecond: 150, seed: 2, before: 1, after: 1 };

requires('kafka', 'redis').describe('a cluster under load', () => {
  const notes: string[] = [];
  let arena: Arena;
  beforeAll(async () => {
    arena = await Arena.open({ ...LOAD, say: (note) => void notes.push(note) });
    await arena.begin();
  }, 180_000);
  afterAll(() => arena?.close());

  const goesOn = (when: string, act: Fault['act'], more: Partial<Fault> = {}): void =>
    test(`goes on when ${when}`, () => arena.strike({ name: when, act, ...more }), 240_000);

  goesOn('routers are killed amid bursts', async (stage) => {
    await routerKilledMidBurst(stage);
    expect(notes.at(-1)).toMatch(/^3 kills left batches of [1-9]\d* partitions to deliver again$/);
  });
  goesOn('an ingest is killed', ({ cluster }) => killed(cluster.ingests[1]!), {
    endsIngest: true,
  });
  goesOn('Redis is flushed', ({ cluster }) => cluster.redis.flush(), { losesView: true });
  goesOn('Kafka and a gateway are killed', async (stage) => {
    // What is now or never has half a minute: it would hold up the account.
    stage.senders.sendsInstants = false;
    await Promise.all([killed(stage.cluster.gateways[1]!), kafkaEnded(stage, 'SIGKILL')]);
  });

  describe('has by then', () => {
    let row: Row;
    beforeAll(async () => {
      row = await arena.end('all of these');
    }, 240_000);

    test('delivered everything that did not end otherwise, in order, once, and accounts for all', () => {
      expect(row.complaints).toEqual([]);
      const { lost, lostIds, doubles, disorder, pending } = row;
      expect({ lost, lostIds, doubles, disorder, pending }).toEqual({
        ...{ lost: 0, lostIds: 0, doubles: 0, disorder: 0, pending: 0 },
      });
    });

    test('seen every outcome', () => {
      const { accepted, outcomes } = row;
      expect(accepted).toBeGreaterThan(500);
      expect(Object.entries(outcomes).filter(([, count]) => count === 0)).toEqual([]);
    });
  });
});
