import { afterEach, expect, test, vi } from 'vitest';
import { Beat } from './beat.js';
import { Lane } from './lane.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

afterEach(() => vi.useRealTimers());

/** A lane that notes its batches; each is under way until it is let go. */
function heldLane(beat: Beat, batchMax: number) {
  const batches: (readonly string[])[] = [];
  const held: (() => void)[] = [];
  const work = (items: readonly string[]): Promise<void> => {
    batches.push(items);
    return new Promise((resolve) => held.push(resolve));
  };
  const letGo = (): void => held.shift()?.();
  return { lane: new Lane(work, batchMax, beat), batches, letGo };
}

test('lanes of one beat work in one turn of the event loop', async () => {
  vi.useFakeTimers();
  const beat = new Beat(30);
  const begun = Date.now();
  const turns: number[] = [];
  const note = async (): Promise<void> => void turns.push(Date.now() - begun);
  const lanes = [1, 2, 3].map(() => new Lane(note, 10, beat));
  const done: Promise<void>[] = [];
  for (const lane of lanes) {
    done.push(lane.push('a'), lane.push('b'));
    await vi.advanceTimersByTimeAsync(5);
  }
  await vi.advanceTimersByTimeAsync(14);
  expect(turns).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  await Promise.all(done);
  expect(turns).toEqual([30, 30, 30]);
});

test('what comes while a batch is under way waits for it, and for a beat', async () => {
  const { lane, batches, letGo } = heldLane(new Beat(0), 2);
  const first = lane.push('a');
  await turn();
  const others = ['b', 'c', 'd'].map((item) => lane.push(item));
  await turn();
  expect(batches).toEqual([['a']]);
  expect([...lane.items()]).toEqual(['a', 'b', 'c', 'd']);
  letGo();
  await first;
  await turn();
  expect(batches).toEqual([['a'], ['b', 'c']]);
  letGo();
  await others[0];
  await turn();
  letGo();
  await Promise.all(others);
  expect(batches).toEqual([['a'], ['b', 'c'], ['d']]);
  expect(lane.size).toBe(0);
  expect(lane.last()).toBeUndefined();
});

test('a lane in a hurry waits for no beat, nor does what it has behind the batch under way', async () => {
  const { lane, batches, letGo } = heldLane(new Beat(60_000), 10);
  const first = lane.push('a');
  lane.hurry();
  expect(batches).toEqual([['a']]);
  const second = lane.push('b');
  lane.hurry();
  letGo();
  await first;
  await turn();
  expect(batches).toEqual([['a'], ['b']]);
  letGo();
  await second;
  void lane.push('c');
  await turn();
  expect(batches).toHaveLength(2);
});

test('a beat that is asked for now does what is due, once', async () => {
  vi.useFakeTimers();
  const beat = new Beat(20);
  let count = 0;
  beat.next(() => count++);
  beat.now();
  expect(count).toBe(1);
  await vi.advanceTimersByTimeAsync(40);
  expect(count).toBe(1);
});
