import { describe, expect, test } from 'vitest';
import { ExpiryHeap } from './expiry-heap.embedded.js';

describe('the expiry heap', () => {
  test('gives entries by time through thousands of additions and removals, and frees its room', () => {
    const heap = new ExpiryHeap<Entry>();
    let there: Entry[] = [];
    const random = randomFrom(7);
    for (let step = 0; step < 6_000; step++) {
      const isGrowing = step % 2_000 < 1_200;
      const kind = random(10);
      if (kind < (isGrowing ? 7 : 3)) {
        const entry = { slot: -1, time: random(500) };
        heap.add(entry, entry.time);
        there.push(entry);
      } else if (there.length > 0) {
        const first = heap.first();
        const entry = kind === 9 && first ? first : there[random(there.length)]!;
        heap.remove(entry);
        expect(entry.slot).toBe(-1);
        there = there.filter((other) => other !== entry);
      }
      expect(heap.size).toBe(there.length);
      const least = Math.min(...there.map(({ time }) => time));
      expect(heap.first()?.time ?? Infinity).toBe(least);
      if (step % 100 === 0) for (const entry of there) expect(heap.timeOf(entry)).toBe(entry.time);
    }
    const times: number[] = [];
    for (let first = heap.first(); first; first = heap.first()) {
      times.push(first.time);
      heap.remove(first);
    }
    expect(times).toEqual(there.map(({ time }) => time).sort((a, b) => a - b));
  });

  test('a snapshot has all that is there and does not follow what changes', () => {
    const heap = new ExpiryHeap<Entry>();
    const entries = [5, 3, 9].map((time) => ({ slot: -1, time }));
    for (const entry of entries) heap.add(entry, entry.time);
    const snapshot = heap.snapshot();
    heap.remove(entries[1]!);
    expect(new Set(snapshot)).toEqual(new Set(entries));
    expect(heap.size).toBe(2);
  });
});

interface Entry {
  slot: number;
  readonly time: number;
}

function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
