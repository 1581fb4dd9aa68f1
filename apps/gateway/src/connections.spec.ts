import { describe, expect, test } from 'vitest';
import type { DeviceId } from '#webpush';
import { BUCKETS, Connections } from './connections.js';
import { Round } from './rounds.js';
import { Session } from './session.js';
import { SENT } from './socket.js';
import type { Socket } from './socket.js';

const wire: Socket = {
  send: () => SENT.written,
  getBufferedAmount: () => 0,
  ping: () => SENT.written,
  cork: (sends) => sends(),
  end: () => undefined,
  close: () => undefined,
};
const DEVICE = '0'.repeat(32) as DeviceId;

function opened(connections: Connections, device?: DeviceId): Session {
  const session = new Session(connections.number(), wire);
  session.device = device;
  connections.add(session);
  if (device !== undefined) connections.hold(device, session);
  return session;
}

describe('the number of a connection', () => {
  test('is never given twice and fits a double, also when the counter is used up', () => {
    const connections = new Connections(() => 0.5);
    const first = connections.number();
    Object.assign(connections, { counter: 2 ** 25 - 1 });
    const last = connections.number();
    Object.assign(connections, { dice: () => 0.999_999_999 });
    const next = connections.number();
    expect([first, last, next].every(Number.isSafeInteger)).toBe(true);
    expect(new Set([first, last, next]).size).toBe(3);
    expect(last - first).toBe(2 ** 25 - 1);
    expect(Math.floor(next / 2 ** 25)).not.toBe(Math.floor(first / 2 ** 25));
  });

  test('differs from boot to boot', () => {
    const numbers = Array.from({ length: 100 }, () => new Connections().number());
    expect(new Set(numbers).size).toBe(100);
  });
});

describe('connections', () => {
  test('are found by device and by number, and forgotten when they are removed', () => {
    const connections = new Connections();
    const session = opened(connections, DEVICE);
    expect(connections.of(DEVICE)).toBe(session);
    expect(connections.find(session.connection)).toBe(session);
    expect([connections.size, connections.devices]).toEqual([1, 1]);
    connections.remove(session);
    connections.remove(session);
    expect(connections.of(DEVICE)).toBeUndefined();
    expect(connections.find(session.connection)).toBeUndefined();
    expect([connections.size, connections.devices]).toEqual([0, 0]);
  });

  test('of one device: the newer takes the place, and the older’s end leaves it there', () => {
    const connections = new Connections();
    const ghost = opened(connections, DEVICE);
    const session = opened(connections);
    session.device = DEVICE;
    expect(connections.hold(DEVICE, session)).toBe(ghost);
    expect(connections.hold(DEVICE, session)).toBeUndefined();
    connections.remove(ghost);
    expect(connections.of(DEVICE)).toBe(session);
  });

  test('come and go by the thousand, and each that is left is visited once', () => {
    const connections = new Connections();
    const all = Array.from({ length: 5_000 }, () => opened(connections));
    for (const [i, session] of all.entries()) if (i % 3 !== 0) connections.remove(session);
    const seen: Session[] = [];
    connections.visitAll((session) => seen.push(session));
    expect(new Set(seen)).toEqual(new Set(all.filter((_, i) => i % 3 === 0)));
    expect(seen).toHaveLength(connections.size);
  });

  test('may be removed by their visitor, and others too', () => {
    const connections = new Connections();
    const all = Array.from({ length: 3 * BUCKETS }, () => opened(connections));
    let visits = 0;
    connections.visitAll((session) => {
      visits++;
      connections.remove(session);
      connections.remove(all[(all.indexOf(session) + BUCKETS) % all.length]!);
    });
    expect(connections.size).toBe(0);
    expect(visits).toBeLessThanOrEqual(all.length);
  });
});

describe('a round', () => {
  test('visits each connection once per interval, a crowd spread over it', () => {
    const connections = new Connections();
    for (let i = 0; i < 10 * BUCKETS; i++) opened(connections);
    const perTurn: number[] = [];
    let visits = 0;
    const round = new Round(connections, 300_000, () => visits++);
    for (let turn = 0; turn < BUCKETS; turn++) {
      const before = visits;
      round.turn();
      perTurn.push(visits - before);
    }
    expect(visits).toBe(10 * BUCKETS);
    expect(Math.max(...perTurn)).toBe(10);
  });

  test('of a short interval visits several buckets at once', () => {
    const connections = new Connections();
    for (let i = 0; i < BUCKETS; i++) opened(connections);
    let visits = 0;
    const round = new Round(connections, 1_000, () => visits++);
    for (let turn = 0; turn < 100; turn++) round.turn(); // 10 ms each
    expect(visits).toBeGreaterThanOrEqual(BUCKETS);
  });
});
