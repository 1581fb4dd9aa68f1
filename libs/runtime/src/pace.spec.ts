import { describe, expect, test } from 'vitest';
import { CountPerKey, Pace, PacePerKey } from './pace.js';

/** How many of `count` calls at these times are let through. */
function admitted(pace: Pace, timesMs: readonly number[]): number {
  let state = 0;
  let admittedCount = 0;
  for (const nowMs of timesMs) {
    const next = pace.take(state, nowMs);
    if (next < 0) continue;
    state = next;
    admittedCount++;
  }
  return admittedCount;
}
const at = (nowMs: number, count: number): number[] => Array<number>(count).fill(nowMs);

describe('a pace', () => {
  test('admits a burst and not one more', () => {
    expect(admitted(new Pace(10, 5), at(1_000, 5))).toBe(5);
    expect(admitted(new Pace(10, 5), at(1_000, 50))).toBe(5);
    expect(admitted(new Pace(3, 7), at(1_000, 50))).toBe(7);
  });

  test('admits its rate for ever after', () => {
    const everyMs = Array.from({ length: 60_000 }, (_, ms) => 1_000 + ms);
    expect(admitted(new Pace(10, 5), everyMs)).toBe(600 + 4);
  });

  test('is full again after a pause and no fuller', () => {
    expect(admitted(new Pace(10, 5), [...at(1_000, 9), ...at(1_100, 9)])).toBe(5 + 1);
    expect(admitted(new Pace(10, 5), [...at(1_000, 9), ...at(1e9, 9)])).toBe(5 + 5);
  });

  test('is not moved by what it refuses', () => {
    expect(admitted(new Pace(1, 1), [...at(1_000, 100), 1_999, 2_000])).toBe(2);
  });
});

describe('a pace per key', () => {
  test('limits each key for itself', () => {
    const limiter = new PacePerKey(new Pace(1, 2));
    const takes = (key: string): boolean[] => [1, 2, 3].map(() => limiter.take(key, 5_000));
    expect(takes('a')).toEqual([true, true, false]);
    expect(takes('b')).toEqual([true, true, false]);
  });

  test('forgets keys whose bucket is full again', () => {
    const limiter = new PacePerKey(new Pace(1, 1));
    for (let i = 0; i < 1_000; i++) limiter.take(`early ${i}`, 1_000);
    for (let i = 0; i < 1_000; i++) limiter.take(`late ${i}`, 10_000);
    expect(limiter.size).toBeLessThanOrEqual(1_000);
  });

  test('never keeps more keys than its maximum, and the latest still count', () => {
    const limiter = new PacePerKey(new Pace(1, 1), 100);
    for (let i = 0; i < 10_000; i++) limiter.take(`key ${i}`, 1_000);
    expect(limiter.size).toBe(100);
    expect(limiter.take('key 9999', 1_000)).toBe(false);
  });
});

describe('a count per key', () => {
  test('admits as many as its maximum at the same time', () => {
    const limiter = new CountPerKey(2);
    expect([1, 2, 3].map(() => limiter.enter('a'))).toEqual([true, true, false]);
    expect(limiter.enter('b')).toBe(true);
    limiter.leave('a');
    expect(limiter.enter('a')).toBe(true);
    expect(limiter.enter('a')).toBe(false);
  });

  test('keeps nothing for a key without any', () => {
    const limiter = new CountPerKey(2);
    limiter.enter('a');
    limiter.leave('a');
    limiter.leave('a');
    expect(limiter.size).toBe(0);
  });
});
