/** The rights that a user needs on a Redis Cluster: those of one server, and how its shards are found. */
import { Redis } from 'ioredis';
import { expect } from 'vitest';
import { redisRights, refuseMissingRights } from '#cluster.redis';
import { Log } from '#runtime';
import { RedisLink } from '#runtime.redis';
import { requires } from '../support/machine.js';
import { startRedisCluster } from '../support/redis.js';

requires('redis')(
  'a user of a Redis Cluster needs no more than its rights, and each of them',
  async () => {
    const shards = await startRedisCluster();
    const admins = shards.urls.map((url) => new Redis(url));
    const allow = async (...less: readonly string[]): Promise<void> => {
      const rules = ['reset', 'on', '>pw', ...redisRights({ isCluster: true }), ...less];
      for (const admin of admins) await admin.acl('SETUSER', 'ours', ...rules);
    };
    await allow();
    const urls = shards.urls.map((url) => url.replace('redis://', 'redis://ours:pw@'));
    const log = Log.into(() => undefined);
    const link = new RedisLink({ urls }, { name: 'test', log, commandTimeoutMs: 500 });
    try {
      await link.start();
      await refuseMissingRights(link.client, link);
      for (let i = 0; i < 20; i++) await link.client.set(`hg:{${i}}:x`, '1');
      for (const admin of admins) expect(await admin.acl('LOG')).toEqual([]);
      await allow('-zadd');
      await expect(refuseMissingRights(link.client, link)).rejects.toThrow(/SETUSER ours \+zadd$/);
    } finally {
      await link.stop();
      for (const admin of admins) admin.disconnect();
      await shards.stop();
    }
  },
);
