/** The audit finds what it is for: each planted wrong is named, and what is right is not. */
import { describe, expect, test } from 'vitest';
import { OUTCOMES, type Outcome } from '#webpush';
import { audit, type Findings } from './audit.js';
import type { Endpoint, Sent } from './ledger.js';
import type { Logged } from './log-reader.js';
import type { Arrival } from './push-client.js';

interface World {
  readonly endpoint: Endpoint;
  readonly sent: Map<number, Sent>;
  readonly logged: Map<string, Logged>;
  readonly acks: Map<string, number>;
  connections: Arrival[][];
  lostIds: number;
  losesView: boolean;
  drift: Map<Outcome, number>;
  /** What the services count otherwise than the log. */
  miscounted: { accepted: number; pending: number; outcomes: Partial<Record<Outcome, number>> };
}

/** Notifications 1 to 4 to device 0, all accepted, delivered on one connection, acked and told. */
function world(): World {
  const endpoint: Endpoint = {
    ...{ client: 0, channelID: 'channel', isKeyed: false, url: '', state: 'live' },
  };
  const all: World = {
    ...{ endpoint, sent: new Map(), logged: new Map(), acks: new Map() },
    ...{ connections: [[]], lostIds: 0, losesView: false, drift: new Map() },
    miscounted: { accepted: 0, pending: 0, outcomes: {} },
  };
  for (const number of [1, 2, 3, 4]) {
    const id = `id-${number}`;
    const after = all.sent.get(number - 1);
    all.sent.set(number, {
      ...{ number, bytes: 30, kind: 'plain', endpoint, topic: undefined, startedAt: 0, after },
      ...{ answeredAt: 1, status: 201, id },
    });
    const place = { partition: 0, offset: 10 * number };
    all.logged.set(id, { id, number, ...place, told: ['delivered'], cancels: 0 });
    all.acks.set(id, 100);
    all.connections[0]!.push({ id, number, bytes: 30, at: 2 });
  }
  return all;
}

function audited(all: World): Findings {
  const { sent, logged, connections, acks, lostIds, losesView, drift, miscounted } = all;
  const told = new Map<Outcome, number>();
  for (const { told: names } of logged.values()) {
    if (names[0]) told.set(names[0], (told.get(names[0]) ?? 0) + 1);
  }
  const outcomes = Object.fromEntries(
    OUTCOMES.map((name) => [name, (told.get(name) ?? 0) + (miscounted.outcomes[name] ?? 0)]),
  );
  const accepted = logged.size + miscounted.accepted;
  const { pending } = miscounted;
  const byNumber = new Map([...logged.values()].map((one) => [one.number, one]));
  return audit({
    ...{ losesView, drift },
    ledger: { sent, complaints: [] },
    log: { logged, byNumber, outcomes: told, notifications: logged.size, complaints: [] },
    clients: [{ number: 0, connections, acks, complaints: [], lostIds }],
    accounts: { accepted, pending, outcomes, unaccounted: 0 },
  });
}

const one = (all: World, number: number): { sent: Sent; logged: Logged } => ({
  sent: all.sent.get(number)!,
  logged: all.logged.get(`id-${number}`)!,
});

/** It has not arrived. */
function withhold(all: World, number: number): void {
  all.connections = all.connections.map((arrivals) =>
    arrivals.filter((arrival) => arrival.number !== number),
  );
  all.acks.delete(`id-${number}`);
}

describe('the audit', () => {
  test('finds nothing where nothing is wrong', () => {
    expect(audited(world())).toMatchObject({
      ...{ complaints: [], lost: 0, doubles: 0, disorder: 0, pending: 0, again: 0, late: 0 },
      outcomes: { delivered: 4 },
    });
  });

  type Plant = (all: World) => void;
  const PLANTED: readonly (readonly [string, Plant, Partial<Findings>])[] = [
    [
      'a notification without an outcome',
      (all) => {
        withhold(all, 2);
        one(all, 2).logged.told.length = 0;
      },
      { pending: 1, lost: 1 },
    ],
    [
      'a 201 for what is not in the log',
      (all) => {
        withhold(all, 4);
        all.logged.delete('id-4');
      },
      { lost: 1 },
    ],
    [
      'an outcome that this one may not have',
      (all) => {
        withhold(all, 2);
        one(all, 2).logged.told[0] = 'expired';
      },
      { lost: 1 },
    ],
    [
      'a replacement without a successor',
      (all) => {
        withhold(all, 4);
        Object.assign(one(all, 4).sent, { kind: 'topic', topic: 'topic' });
        one(all, 4).logged.told[0] = 'replaced';
      },
      { lost: 1 },
    ],
    ['a delivery that nobody acknowledged', (all) => all.acks.delete('id-1'), {}],
    ['another code than the device sent', (all) => all.acks.set('id-1', 101), {}],
    [
      'a double on one connection',
      ({ connections }) => connections[0]!.push(connections[0]![3]!),
      { doubles: 1 },
    ],
    [
      'disorder on one connection',
      ({ connections }) => connections[0]!.splice(2, 0, connections[0]!.pop()!),
      { disorder: 1 },
    ],
    [
      'a place in the log before an older one',
      (all) => {
        Object.assign(one(all, 4).logged, { offset: 5 });
        all.connections[0]!.unshift(all.connections[0]!.pop()!);
      },
      {},
    ],
    ['a frame for another device', (all) => Object.assign(all.endpoint, { client: 1 }), {}],
    [
      'a body that was cut',
      ({ connections: [arrivals] }) => (arrivals![0] = { ...arrivals![0]!, bytes: 29 }),
      {},
    ],
    ['two outcomes of one', (all) => one(all, 1).logged.told.push('gone'), { toldOtherwise: 1 }],
    ['services that count one more', (all) => (all.miscounted.accepted = 1), {}],
    ['services that count one pending', (all) => (all.miscounted.pending = 1), {}],
    [
      'services that count another outcome',
      (all) => (all.miscounted.outcomes = { delivered: -1, gone: 1 }),
      {},
    ],
    ['an id that was lost', (all) => (all.lostIds = 1), { lostIds: 1 }],
  ];
  test.each(PLANTED)('names %s', (_, plant, expected) => {
    const all = world();
    plant(all);
    const findings = audited(all);
    expect(findings).toMatchObject(expected);
    expect(findings.complaints).not.toEqual([]);
  });

  const ALLOWED: readonly (readonly [string, Plant, Partial<Findings>])[] = [
    [
      'a redelivery on the next connection',
      ({ connections }) => connections.push([connections[0]!.at(-1)!]),
      { again: 1 },
    ],
    [
      'a POST without an answer that is in the log all the same',
      (all) => Object.assign(one(all, 2).sent, { status: 0, id: undefined }),
      { unanswered: 1 },
    ],
    [
      'a POST without an answer that is not in the log',
      (all) => {
        withhold(all, 4);
        Object.assign(one(all, 4).sent, { status: 0, id: undefined });
        all.logged.delete('id-4');
      },
      { unanswered: 0 },
    ],
    [
      'that one was gone whose endpoint was given up',
      (all) => {
        withhold(all, 3);
        all.endpoint.state = 'gone';
        one(all, 3).logged.told[0] = 'gone';
      },
      {},
    ],
    [
      'that one was deleted whose sender asked for it',
      (all) => {
        withhold(all, 3);
        one(all, 3).sent.isCancelled = true;
        one(all, 3).logged.cancels = 1;
        one(all, 3).logged.told[0] = 'deleted';
      },
      {},
    ],
    [
      'that an outcome is told again',
      (all) => one(all, 1).logged.told.push('delivered'),
      { toldAgain: 1 },
    ],
    [
      'that it is told otherwise when the view was lost',
      (all) => {
        all.losesView = true;
        one(all, 1).logged.told.push('gone');
        all.miscounted.outcomes = { delivered: -1, gone: 1 };
      },
      { toldOtherwise: 1 },
    ],
    [
      'that the counts of before differ by what the view lost then',
      (all) => {
        all.drift = new Map([['delivered', -1] as const, ['gone', 1] as const]);
        all.miscounted.outcomes = { delivered: -1, gone: 1 };
      },
      {},
    ],
  ];
  test.each(ALLOWED)('allows %s', (_, plant, expected) => {
    const all = world();
    plant(all);
    expect(audited(all)).toMatchObject({ ...expected, complaints: [] });
  });
});
