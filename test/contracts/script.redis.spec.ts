/** Scripts on a real Redis and a real Redis Cluster that forget them, are started again, or say nothing. */
import { setTimeout as pause } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Script } from '#view.redis';
import type { Argument } from '#view.redis';
import { requires } from '../support/machine.js';
import { startRedis, startRedisCluster } from '../support/redis.js';
import type { RedisServer, RedisShards } from '../support/redis.js';
import { whileStopped } from '../support/while-stopped.js';

const COMMAND_MS = 400;
/** A Cluster opens its connections in the time of the first commands. */
const CLUSTER_COMMAND_MS = 3_000;
const ECHO = new Script('return {KEYS[1], unpack(ARGV)}', 1);
const COUNT = new Script(`return redis.call('INCR', KEYS[1])`, 1);

requires('redis').describe('a script on Redis', () => {
  let server: RedisServer;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    redis = new Redis(server.url, { commandTimeout: COMMAND_MS, retryStrategy: () => 20 });
    redis.on('error', () => undefined);
    await redis.flushall();
  });
  afterEach(() => redis.disconnect());
  const count = (key = 'n'): Promise<unknown> => COUNT.run(redis, 'text', [key]);
  const callsOf = async (...names: readonly string[]): Promise<readonly number[]> => {
    const said = await redis.info('commandstats');
    return names.map((name) => Number(RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(said)?.[1] ?? 0));
  };

  test.each<readonly [string, readonly Argument[]]>([
    ['nothing', []],
    ['text', ['one', 'two words', '']],
    ['text of several bytes a letter', ['grüße', '木', '😀']],
    ['numbers', [0, -1, 1.5, 1_700_000_000_000]],
    ['bytes', [Buffer.from([0, 255, 13, 10, 36]), Buffer.alloc(0), Buffer.alloc(70_000, 7)]],
    ['all of them', ['p', 12, Buffer.from('é'), 'é', Buffer.alloc(3, 200), '', 0]],
  ])('is given %s as it is', async (_, args) => {
    const wanted = ['schlüssel', ...args].map((arg) =>
      Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg)),
    );
    for (let i = 0; i < 2; i++) {
      expect(await ECHO.run(redis, 'bytes', ['schlüssel', ...args])).toEqual(wanted);
      const text = await ECHO.run(redis, 'text', ['schlüssel', ...args]);
      expect(text).toEqual(wanted.map(String));
    }
  });

  test('goes out whole once on a connection, then by its hash', async () => {
    await redis.config('RESETSTAT');
    expect(await Promise.all([count(), count(), count()])).toEqual([1, 2, 3]);
    expect(await callsOf('eval', 'evalsha')).toEqual([1, 2]);
    const other = redis.duplicate();
    expect(await COUNT.run(other, 'text', ['n'])).toBe(4);
    other.disconnect();
    expect(await callsOf('eval', 'evalsha')).toEqual([2, 2]);
  });

  test('is sent again, once each, when the server has forgotten it', async () => {
    await count();
    await redis.script('FLUSH');
    const answers = await Promise.all(Array.from({ length: 100 }, () => count()));
    expect(new Set(answers).size).toBe(100);
    expect(await redis.get('n')).toBe('101');
    await redis.config('RESETSTAT');
    await count();
    expect(await callsOf('eval', 'evalsha')).toEqual([0, 1]);
  });

  test('runs on a server that was started again', async () => {
    await count();
    await server.end();
    await server.start();
    await expect.poll(() => redis.status).toBe('ready');
    expect(await Promise.all([count(), count()])).toEqual([1, 2]);
  });

  test('fails with what the server says of it', async () => {
    const wrong = new Script(`return redis.call('INCR', KEYS[1], 'too', 'much')`, 1);
    for (let i = 0; i < 2; i++) {
      await expect(wrong.run(redis, 'text', ['n'])).rejects.toThrow(/Wrong number of args/);
    }
    await redis.set('n', 'no number');
    await expect(count()).rejects.toThrow(/not an integer/);
  });

  test('fails when its time is over, and is not sent again after that', async () => {
    await count();
    await whileStopped(server, async () => {
      const began = performance.now();
      const forgets = redis.script('FLUSH').catch(String);
      await expect(count()).rejects.toThrow('Command timed out');
      expect(performance.now() - began).toBeLessThan(COMMAND_MS + 200);
      await forgets;
    });
    await redis.ping();
    await pause(50);
    expect(await redis.get('n')).toBe('1');
  });

  test('fails at once where no command can be sent', async () => {
    const never = new Redis(server.url, { enableOfflineQueue: false, lazyConnect: true });
    await expect(COUNT.run(never, 'text', ['n'])).rejects.toThrow(/Stream isn't writeable/);
    never.disconnect();
    await expect(COUNT.run(never, 'text', ['n'])).rejects.toThrow(/closed|writeable/);
  });
});

requires('redis').describe('a script on a Redis Cluster', () => {
  let shards: RedisShards;
  let cluster: Cluster;
  const keys = Array.from({ length: 40 }, (_, i) => `{${i}}:n`);
  const countAll = (): Promise<readonly unknown[]> =>
    Promise.all(keys.map((key) => COUNT.run(cluster, 'text', [key])));
  beforeAll(async () => {
    shards = await startRedisCluster();
  });
  afterAll(() => shards.stop());
  beforeEach(async () => {
    await shards.flush();
    cluster = new Cluster([...shards.urls], {
      redisOptions: { commandTimeout: CLUSTER_COMMAND_MS },
    });
  });
  afterEach(() => cluster.disconnect());

  test('runs on the shard of its key, also after all have forgotten it', async () => {
    expect(await countAll()).toEqual(keys.map(() => 1));
    await Promise.all(cluster.nodes('master').map((node) => node.script('FLUSH')));
    expect(await countAll()).toEqual(keys.map(() => 2));
    expect(await countAll()).toEqual(keys.map(() => 3));
  });

  test('follows its key to another shard, whether that knows it or not', async () => {
    await countAll();
    // As if all slots had moved since the client last asked.
    const misled = (): void => {
      const nodes = cluster.nodes('master').map(({ options }) => `${options.host}:${options.port}`);
      cluster.slots.forEach((owners, slot) => {
        const next = nodes[(nodes.indexOf(owners[0] ?? '') + 1) % nodes.length];
        if (next !== undefined) cluster.slots[slot] = [next];
      });
    };
    misled();
    expect(await countAll()).toEqual(keys.map(() => 2));
    await Promise.all(cluster.nodes('master').map((node) => node.script('FLUSH')));
    misled();
    expect(await countAll()).toEqual(keys.map(() => 3));
  });

  test('fails when its time is over, and leaves the other shards alone', async () => {
    await countAll();
    await whileStopped(shards.servers[0]!, async () => {
      const all = await Promise.allSettled(keys.map((key) => COUNT.run(cluster, 'text', [key])));
      const failures = all.filter((one) => one.status === 'rejected');
      expect(failures.length).toBeGreaterThan(5);
      expect(failures.length).toBeLessThan(35);
      expect(failures.every(({ reason }) => /timed out/.test(String(reason)))).toBe(true);
    });
  });
});
