import { expect, test } from 'vitest';
import { Beat } from './beat.js';
import { Lane } from './lane.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('lanes of one beat work in one turn of the event loop', async () => {
  const beat = new Beat(30);
  const turns: number[] = [];
  let now = 0;
  const clock = setInterval(() => now++, 1);
  const lanes = [1, 2, 3].map(() => new Lane(async () => void turns.push(now), 10, beat));
  const done: Promise<void>[] = [];
  for (const lane of lanes) {
    done.push(lane.push('a'), lane.push('b'));
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  expect(turns).toEqual([]);
  await Promise.all(done);
  clearInterval(clock);
  expect(turns).toHaveLength(3);
  expect(new Set(turns).size).toBe(1);
});

test('what comes while a batch is under way waits for it, and for a beat', async () => {
  const batches: (readonly string[])[] = [];
  let letGo = (): void => undefined;
  const beat = new Beat(0);
  const lane = new Lane<string>(
    async (items) => {
      batches.push(items);
      if (batches.length === 1) await new Promise<void>((resolve) => (letGo = resolve));
    },
    2,
    beat,
  );
  const first = lane.push('a');
  await turn();
  const others = ['b', 'c', 'd'].map((item) => lane.push(item));
  await turn();
  expect(batches).toEqual([['a']]);
  expect([...lane.items()]).toEqual(['a', 'b', 'c', 'd']);
  letGo();
  await first;
  await Promise.all(others);
  expect(batches).toEqual([['a'], ['b', 'c'], ['d']]);
  expect(lane.size).toBe(0);
  expect(lane.last()).toBeUndefined();
});

test('a lane in a hurry waits for no beat, nor does what it has behind the batch under way', async () => {
  const batches: (readonly string[])[] = [];
  let letGo = (): void => undefined;
  const beat = new Beat(60_000);
  const lane = new Lane<string>(
    async (items) => {
      batches.push(items);
      await new Promise<void>((resolve) => (letGo = resolve));
    },
    10,
    beat,
  );
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
  const beat = new Beat(20);
  let count = 0;
  beat.next(() => count++);
  beat.now();
  expect(count).toBe(1);
  await new Promise((resolve) => setTimeout(resolve, 40));
  expect(count).toBe(1);
});
