/** What the services of a cluster tell each other through Redis: what they agree on, and which keys they hold. */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Agreement, RedisLiveServices, refuseEviction } from '#cluster.redis';
import { Log, StartRefused } from '#runtime';
import { KeyRing } from '#webpush';
import { requires } from '../support/machine.js';
import { startRedis } from '../support/redis.js';
import type { RedisServer } from '../support/redis.js';
import { whileStopped } from '../support/while-stopped.js';

const TTL_MS = 500;
const AT = 'redis.example:6379';
const STREAMS = { prefix: 'push.', partitions: 8, replicationFactor: 3, minInsyncReplicas: 2 };
const newKey = (): string => randomBytes(32).toString('base64url');

requires('redis').describe('services of one cluster', () => {
  let server: RedisServer;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis();
    redis = new Redis(server.url);
  });
  afterAll(async () => {
    redis.disconnect();
    await server.stop();
  });
  beforeEach(() => redis.flushall());

  describe('agree', () => {
    const agreement = (keys: string, streams = STREAMS): Agreement =>
      new Agreement(redis, AT, { layout: 7, streams, keyRing: KeyRing.parse(keys) });

    test('when they have the same partitions, prefix and keys, or other keys under other ids', async () => {
      const [key, other] = [newKey(), newKey()];
      await agreement(key).confirm();
      await agreement(key).confirm();
      await agreement(`${other},${key}`).confirm();
      expect(await redis.hgetall('hg:cluster')).toMatchObject({ partitions: '8', prefix: 'push.' });
    });

    test('not on another number of partitions', async () => {
      const key = newKey();
      await agreement(key).confirm();
      const other = agreement(key, { ...STREAMS, partitions: 16 }).confirm();
      await expect(other).rejects.toThrow(StartRefused);
      await expect(other).rejects.toThrow(
        `Redis at ${AT} belongs to a cluster with other settings: its services have the partitions 8, this one 16. ` +
          `Give this service the same PARTITIONS as the others, or another Redis.`,
      );
    });

    test('not on views of another layout, nor on those that do not say', async () => {
      const key = newKey();
      await agreement(key).confirm();
      for (const [there, set] of [
        ['99', () => redis.hset('hg:cluster', 'layout', 99)],
        ['1', () => redis.hdel('hg:cluster', 'layout')],
      ] as const) {
        await set();
        await expect(agreement(key).confirm()).rejects.toThrow(
          `Redis at ${AT} holds views in layout ${there}, this version writes layout 7: stop all services, ` +
            `empty that Redis (FLUSHALL), and start this version; the views are rebuilt from the log.`,
        );
      }
    });

    test('not on another prefix, and who is refused writes nothing', async () => {
      const [key, other] = [newKey(), newKey()];
      await agreement(key).confirm();
      const before = await redis.hgetall('hg:cluster');
      const refused = agreement(other, { ...STREAMS, prefix: 'other.' }).confirm();
      await expect(refused).rejects.toThrow(/have the prefix push\., this one other\./);
      expect(await redis.hgetall('hg:cluster')).toEqual(before);
    });

    test('not on another key under the same id, and the sentence shows neither', async () => {
      const key = newKey();
      const { id } = KeyRing.parse(key).sealing;
      await agreement(key).confirm();
      await redis.hset('hg:cluster', `key ${id}`, 'f'.repeat(64));
      const refused = await agreement(key).confirm().catch(String);
      expect(refused).toContain(`hold another endpoint key under the id ${id} than this one`);
      expect(refused).not.toMatch(/[0-9a-f]{9}/);
    });
  });

  describe('hold keys', () => {
    const entered: RedisLiveServices[] = [];
    afterEach(async () => {
      for (const one of entered.splice(0)) await one.leave();
    });
    const service = (instance: string, keys: string): RedisLiveServices => {
      const service = new RedisLiveServices({
        ...{ redis, role: 'ingest', instance, keyRing: KeyRing.parse(keys), ttlMs: TTL_MS },
        log: Log.silent(),
        confirm: () => Promise.resolve(),
        end: (reason) => {
          throw reason;
        },
      });
      entered.push(service);
      return service;
    };
    const idOf = (key: string): string => KeyRing.parse(key).sealingKeyId;

    test('that the others learn of within a renewal', async () => {
      const [old, next] = [newKey(), newKey()];
      const first = service('a', old);
      await first.enter();
      expect(first.hold(idOf(next))).toBe(false);
      await service('b', `${old},${next}`).enter();
      await until(() => first.hold(idOf(next)));
    });

    test('as long as they live: who left or died holds none', async () => {
      const [old, next] = [newKey(), newKey()];
      const first = service('a', old);
      await first.enter();
      const second = service('b', `${old},${next}`);
      await second.enter();
      await until(() => first.hold(idOf(next)));
      await second.leave();
      await until(() => !first.hold(idOf(next)));
    });

    test('and one who would seal with a key that another lacks does not start', async () => {
      const [old, next] = [newKey(), newKey()];
      await service('a', old).enter();
      const refused = service('b', `${next},${old}`).enter();
      await expect(refused).rejects.toThrow(
        `The live service ingest/a lacks the endpoint key ${idOf(next)} that this one would seal with.`,
      );
      expect((await redis.zrange('hg:{services}', '0', '-1')).length).toBe(1);
    });

    test('and one who waits for a dead entry to end starts after it', async () => {
      const [old, next] = [newKey(), newKey()];
      const [seconds] = await redis.time();
      await redis.zadd('hg:{services}', Number(seconds) * 1000 + 1500, `router/dead ${idOf(old)}`);
      await service('b', next).enter();
      expect(await redis.zrange('hg:{services}', '0', '-1')).toEqual([`ingest/b ${idOf(next)}`]);
    });

    test('in the three steps of a rotation, in a cluster that runs', async () => {
      const [old, next] = [newKey(), newKey()];
      let live = [service('a', old), service('b', old)];
      for (const one of live) await one.enter();
      for (const keys of [`${old},${next}`, `${next},${old}`, next]) {
        const renewed: RedisLiveServices[] = [];
        for (const before of live) {
          await before.leave();
          const after = service(`${keys}-${renewed.length}`.slice(-20), keys);
          await after.enter();
          renewed.push(after);
        }
        live = renewed;
      }
      await until(() => live[0]?.hold(idOf(old)) === false);
    });

    test('is true of every key while the registry does not answer', async () => {
      const first = service('a', newKey());
      await first.enter();
      expect(first.hold('01234567')).toBe(false);
      await whileStopped(server, () => until(() => first.hold('01234567')));
      await until(() => !first.hold('01234567'));
    });

    test('and enter again by themselves when Redis has lost them', async () => {
      const [old, next] = [newKey(), newKey()];
      const first = service('a', old);
      await first.enter();
      await service('b', `${old},${next}`).enter();
      await until(() => first.hold(idOf(next)));
      await redis.flushall();
      for (const from = Date.now(); Date.now() - from < TTL_MS; await pause(20)) {
        expect(first.hold(idOf(next))).toBe(true);
      }
      expect((await redis.zrange('hg:{services}', '0', '-1')).length).toBe(2);
    });
  });

  test('refuse a Redis that evicts', async () => {
    await refuseEviction(redis, AT);
    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await expect(refuseEviction(redis, AT)).rejects.toThrow(
      `Redis at ${AT} has maxmemory-policy allkeys-lru and would forget notifications: set it to noeviction.`,
    );
    await redis.config('SET', 'maxmemory-policy', 'noeviction');
  });
});

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error('it has not come about');
    await pause(10);
  }
}
