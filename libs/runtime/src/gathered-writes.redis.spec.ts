import { Writable } from 'node:stream';
import { setImmediate, setTimeout } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { gatherWrites } from './gathered-writes.redis.js';

/** Remembers what each system call would be given. */
function recording(everyMs?: number): { readonly stream: Writable; readonly calls: string[] } {
  const calls: string[] = [];
  const stream = new Writable({
    write: (chunk, _, done) => {
      calls.push(String(chunk));
      done();
    },
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }) => String(chunk)).join(''));
      done();
    },
  });
  gatherWrites(stream, everyMs);
  return { stream, calls };
}

test('what is written in one turn of the event loop leaves in one call, in order', async () => {
  const { stream, calls } = recording();
  stream.write('a');
  stream.write('b');
  await Promise.resolve();
  stream.write('c');
  expect(calls).toEqual([]);
  await setImmediate();
  expect(calls).toEqual(['abc']);
  stream.write('d');
  await setImmediate();
  expect(calls).toEqual(['abc', 'd']);
});

test('calls are so far apart as is asked for, but the first after a while of quiet is made at once', async () => {
  const everyMs = 50;
  const { stream, calls } = recording(everyMs);
  const began = performance.now();
  stream.write('a');
  await setImmediate();
  expect(calls).toEqual(['a']);
  stream.write('b');
  await setImmediate();
  stream.write('c');
  expect(calls).toEqual(['a']);
  await expect.poll(() => calls, { interval: 1 }).toEqual(['a', 'bc']);
  expect(performance.now() - began).toBeGreaterThanOrEqual(everyMs - 1);
  await setTimeout(everyMs + 1);
  stream.write('d');
  await setImmediate();
  expect(calls).toEqual(['a', 'bc', 'd']);
});

test('a stream that ends in the same turn still says what was written', async () => {
  const { stream, calls } = recording();
  stream.write('a');
  stream.end('b');
  await setImmediate();
  expect(calls.join('')).toBe('ab');
});

test('a stream that was destroyed meanwhile takes no harm', async () => {
  const { stream, calls } = recording();
  stream.write('a');
  stream.destroy();
  await setImmediate();
  expect(calls).toEqual([]);
});
