import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { redisRights } from './rights.redis.js';

const LIBS = join(import.meta.dirname, '..', '..');
/** What is called by methods of the client, not by scripts. */
const CALLED_DIRECTLY = ['eval', 'evalsha', 'info', 'client|setname', 'get', 'pttl', 'hgetall'];

test('the rights are those that scripts and adapters use, no more and no less', () => {
  const sources = ['view', 'cluster'].flatMap((lib) => {
    const folder = join(LIBS, lib, 'src');
    const files = readdirSync(folder).filter((name) => name.endsWith('.redis.ts'));
    return files.map((name) => readFileSync(join(folder, name), 'utf8'));
  });
  const calls = sources.flatMap((text) => [...text.matchAll(/redis\.call\('([A-Z]+)'/g)]);
  const called = new Set([...CALLED_DIRECTLY, ...calls.map(([, name = '']) => name.toLowerCase())]);
  const [keys, channels, nothing, ...rights] = redisRights();
  expect([keys, channels, nothing]).toEqual(['~hg:*', 'resetchannels', '-@all']);
  expect(rights.toSorted()).toEqual([...called].map((name) => `+${name}`).toSorted());
  expect(redisRights({ isCluster: true })).toEqual([
    ...redisRights(),
    '+cluster|slots',
    '+cluster|info',
  ]);
});
