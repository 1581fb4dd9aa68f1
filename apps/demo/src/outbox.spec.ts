import { describe, expect, test } from 'vitest';
import { Outbox, type Waiting } from './outbox.js';

function waiting(number: number, more: Partial<Waiting> & { topic?: string } = {}): Waiting {
  const { topic, ...rest } = more;
  const message = { ttlSeconds: 60, urgency: 'normal', ...(topic && { topic }) } as const;
  return { subscriberId: 'a', number, message, madeAt: 0, failures: 1, dueAt: number, ...rest };
}
const numbers = (entries: readonly Waiting[]): number[] => entries.map(({ number }) => number);

describe('an outbox', () => {
  test('gives out what is due, oldest first, and once', () => {
    const outbox = new Outbox();
    outbox.add(waiting(2));
    outbox.add(waiting(1));
    outbox.add(waiting(3));
    expect(outbox.nextDueAt()).toBe(1);
    expect(numbers(outbox.due(2))).toEqual([1, 2]);
    expect(numbers(outbox.due(2))).toEqual([]);
    expect(outbox.nextDueAt()).toBe(3);
  });

  test('keeps the newest of a topic, whichever comes last, and of each subscriber', () => {
    const outbox = new Outbox();
    expect(outbox.add(waiting(1, { topic: 'NOON' }))).toEqual([]);
    expect(outbox.add(waiting(2, { topic: 'NOON', subscriberId: 'b' }))).toEqual([]);
    expect(numbers(outbox.add(waiting(4, { topic: 'NOON' })))).toEqual([1]);
    expect(numbers(outbox.add(waiting(3, { topic: 'NOON' })))).toEqual([3]);
    outbox.add(waiting(5));
    outbox.add(waiting(6));
    expect(numbers(outbox.due(9))).toEqual([2, 4, 5, 6]);
  });

  test('is bounded: the oldest makes room', () => {
    const outbox = new Outbox(3);
    for (const number of [1, 2, 3]) expect(outbox.add(waiting(number))).toEqual([]);
    expect(numbers(outbox.add(waiting(4)))).toEqual([1]);
    // One that is older than all that wait is itself the one that goes.
    expect(numbers(outbox.add(waiting(0)))).toEqual([0]);
    expect(numbers(outbox.due(9))).toEqual([2, 3, 4]);
  });

  test('forgets a subscriber with all that waited for it', () => {
    const outbox = new Outbox();
    outbox.add(waiting(1));
    outbox.add(waiting(2, { subscriberId: 'b' }));
    outbox.forget('a');
    expect(numbers(outbox.due(9))).toEqual([2]);
    expect(outbox.nextDueAt()).toBeUndefined();
  });
});
