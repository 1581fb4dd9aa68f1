import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { Log, type Fields } from '#runtime';
import { redisOfVersion } from '../../../test/support/old-stores.js';
import { refuseVersion } from './version.redis.js';

/** What is said of a Redis of this version: the refusal, or what goes to the log. */
async function saidOf(version: string): Promise<readonly unknown[]> {
  const store = await redisOfVersion(version);
  const redis = new Redis(`redis://${store.at}`, { enableReadyCheck: false });
  const said: Fields[] = [];
  try {
    await refuseVersion(redis, { address: 'r:6379', log: Log.into((line) => said.push(line)) });
    return said.map(({ level, msg, at, version: told, supported }) => {
      return { level, msg, at, told, supported };
    });
  } catch (error) {
    return [(error as Error).message];
  } finally {
    redis.disconnect();
    await store.close();
  }
}

test.each(['5.0.14', '6.0.16', '6.1.240'])('%s is refused, with what is supported', async (old) => {
  expect(await saidOf(old)).toEqual([
    `Redis at r:6379 is of version ${old}: Heliograph needs 6.2 to 8.x.`,
  ]);
});

test.each(['6.2.0', '7.0.15', '7.10.1', '8.9.9'])('%s is taken without a word', async (version) => {
  expect(await saidOf(version)).toEqual([]);
});

test('one that was not there yet is taken, and that is said', async () => {
  const msg = 'this version of Redis was not there yet when this was written';
  expect(await saidOf('9.0.1')).toEqual([
    { level: 'warn', msg, at: 'r:6379', told: '9.0.1', supported: '6.2 to 8.x' },
  ]);
});
