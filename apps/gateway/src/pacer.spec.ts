import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Pacer } from './pacer.js';
import { Session } from './session.js';
import { SENT } from './socket.js';

const session = (connection: number): Session =>
  new Session(connection, {
    send: () => SENT.written,
    getBufferedAmount: () => 0,
    ping: () => SENT.written,
    cork: (sends) => sends(),
    end: () => undefined,
    close: () => undefined,
  });

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

describe('a pacer', () => {
  test('has so many under way and no more, and does each in its turn', async () => {
    const going: (() => void)[] = [];
    const done: number[] = [];
    const pacer = new Pacer(async ({ connection }) => {
      await new Promise<void>((resolve) => going.push(resolve));
      done.push(connection);
    }, 2);
    for (let i = 0; i < 5; i++) pacer.add(session(i));
    expect(going).toHaveLength(2);
    expect(pacer.pending).toBe(5);
    while (pacer.pending > 0) {
      for (const go of going.splice(0)) go();
      await turn();
      expect(going.length).toBeLessThanOrEqual(2);
    }
    expect(done).toEqual([0, 1, 2, 3, 4]);
  });

  test('does once what is asked for twice while it waits, and nothing for what is closed', async () => {
    const done: number[] = [];
    let go = (): void => undefined;
    const pacer = new Pacer(async ({ connection }) => {
      if (connection === 0) await new Promise<void>((resolve) => (go = resolve));
      done.push(connection);
    }, 1);
    const [first, second, gone] = [session(0), session(1), session(2)];
    pacer.add(first);
    pacer.add(second);
    pacer.add(gone);
    pacer.add(second);
    gone.phase = 'closed';
    go();
    await turn();
    expect(done).toEqual([0, 1]);
  });

  test('pauses when the work fails, and takes it up again', async () => {
    let isAway = true;
    const tried: number[] = [];
    const pacer = new Pacer(({ connection }) => {
      tried.push(connection);
      return isAway ? Promise.reject(new Error('away')) : Promise.resolve();
    }, 1);
    for (let i = 0; i < 3; i++) pacer.add(session(i));
    await turn();
    expect(tried).toEqual([0]);
    isAway = false;
    await vi.advanceTimersByTimeAsync(1_000);
    await turn();
    expect([...tried].sort()).toEqual([0, 0, 1, 2]);
    expect(pacer.pending).toBe(0);
  });
});
