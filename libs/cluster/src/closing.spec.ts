import { expect, test, vi } from 'vitest';
import { Log } from '#runtime';
import type { Fields } from '#runtime';
import { Closing } from './closing.js';

test('what was opened last is closed first, and what fails or hangs holds up nothing', async () => {
  vi.useFakeTimers();
  const said: Fields[] = [];
  const closed: string[] = [];
  const closing = new Closing(Log.into((line) => void said.push(line)));
  closing.add('first', () => closed.push('first'));
  closing.add('failing', () => Promise.reject(new Error('away')));
  closing.add('hanging', () => new Promise(() => undefined));
  closing.add('last', () => closed.push('last'));
  const done = closing.run();
  await vi.advanceTimersByTimeAsync(6_000);
  await done;
  vi.useRealTimers();
  expect(closed).toEqual(['last', 'first']);
  expect(said.map(({ what, error }) => [what, (error as Error).message])).toEqual([
    ['hanging', 'not closed within 6000 ms'],
    ['failing', 'away'],
  ]);
  await closing.run();
  expect(closed).toHaveLength(2);
});
