import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CHECK_TIMEOUT_MS, Health } from './health.js';

let health: Health;
beforeEach(() => {
  health = new Health();
});
afterEach(() => vi.useRealTimers());

test('a service is ready between the end of its start and the beginning of its drain', async () => {
  expect(await health.report('ready')).toEqual({ ok: false, checks: { service: 'starting' } });
  health.serving();
  expect(await health.report('ready')).toEqual({ ok: true, checks: { service: 'ok' } });
  await health.draining();
  expect(await health.report('ready')).toEqual({ ok: false, checks: { service: 'draining' } });
});

test('it is live all the while', async () => {
  expect(await health.report('live')).toEqual({ ok: true, checks: {} });
  await health.draining();
  expect(await health.report('live')).toEqual({ ok: true, checks: {} });
});

test('whoever told it to stop is kept waiting until load balancers have seen that, once', async () => {
  vi.useFakeTimers();
  health.serving();
  const ends: string[] = [];
  void health.draining(5).then(() => ends.push('first'));
  expect(await health.report('ready')).toMatchObject({ ok: false });
  await vi.advanceTimersByTimeAsync(4_999);
  expect(ends).toEqual([]);
  await health.draining(5).then(() => ends.push('second'));
  expect(ends).toEqual(['second']);
  await vi.advanceTimersByTimeAsync(1);
  expect(ends).toEqual(['second', 'first']);
});

test('a check that answers, throws or rejects is named with its reason', async () => {
  health.serving();
  health.ready('view', () => undefined);
  health.ready('lease', () => 'lost 4 s ago');
  health.ready('log', () => Promise.reject(new Error('database is locked')));
  health.ready('keys', () => {
    throw new Error('no key');
  });
  expect(await health.report('ready')).toEqual({
    ok: false,
    checks: {
      service: 'ok',
      view: 'ok',
      lease: 'lost 4 s ago',
      log: 'database is locked',
      keys: 'no key',
    },
  });
});

test('a check of readiness says nothing about liveness', async () => {
  health.ready('log', () => 'down');
  health.live('loop', () => undefined);
  expect(await health.report('live')).toEqual({ ok: true, checks: { loop: 'ok' } });
});

test('a check that hangs is a reason after a while', async () => {
  vi.useFakeTimers();
  health.live('store', () => new Promise(() => {}));
  const report = health.report('live');
  await vi.advanceTimersByTimeAsync(CHECK_TIMEOUT_MS);
  expect((await report).checks).toEqual({ store: `no answer within ${CHECK_TIMEOUT_MS} ms` });
});
