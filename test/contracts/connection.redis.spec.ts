/** The way to Redis on a real one that is late, killed, paused and brought back. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { Log } from '#runtime';
import type { Fields } from '#runtime';
import { RedisLink } from '#runtime.redis';
import { requires } from '../support/machine.js';
import { startRedis, startRedisCluster } from '../support/redis.js';
import { whileStopped } from '../support/while-stopped.js';

const COMMAND_MS = 400;

requires('redis').describe('the link to Redis', () => {
  const opened: { stop(): Promise<void> }[] = [];
  const said: Fields[] = [];
  afterEach(async () => {
    for (const one of opened.splice(0).reverse()) await one.stop();
    said.length = 0;
  });
  const server = async () => {
    const started = await startRedis();
    opened.push(started);
    return started;
  };
  const linkTo = (...urls: readonly string[]): RedisLink => {
    const log = Log.into((line) => void said.push(line));
    const link = new RedisLink({ urls }, { name: 'test', log, commandTimeoutMs: COMMAND_MS });
    opened.push(link);
    return link;
  };

  test('waits for a server that comes later, and says why', async () => {
    const redis = await server();
    await redis.end();
    const link = linkTo(redis.url);
    const started = link.start();
    await pause(100);
    expect(link.absence).toMatch(/^Redis at 127\.0\.0\.1:\d+ is away: .*ECONNREFUSED/);
    expect(said[0]).toMatchObject({ msg: 'Redis cannot be reached' });
    await redis.start();
    await started;
    expect(link.absence).toBeUndefined();
    expect(await link.client.ping()).toBe('PONG');
  });

  describe('to a server that was killed', () => {
    test('fails at once, and comes back by itself to one that was started again', async () => {
      const redis = await server();
      const link = linkTo(redis.url);
      await link.start();
      const underWay = failureOf(link.client.blpop('nothing', 0));
      await redis.end();
      expect((await underWay).ms).toBeLessThan(COMMAND_MS);
      await pause(50);
      const { ms } = await failureOf(link.client.set('a', '1'));
      expect(ms).toBeLessThan(50);
      expect(link.absence).toMatch(/is away/);
      await redis.start();
      await until(() => link.absence === undefined);
      expect(await link.client.get('a')).toBeNull();
      expect(said.at(-1)).toMatchObject({ msg: 'Redis is back' });
    });
  });

  describe('to a server that answers no more', () => {
    test('fails in its time, then at once, and comes back when the server does', async () => {
      const redis = await server();
      const link = linkTo(redis.url);
      await link.start();
      await whileStopped(redis, async () => {
        const first = await failureOf(link.client.incr('n'));
        expect(first.ms).toBeLessThan(COMMAND_MS + 200);
        await until(() => link.absence !== undefined);
        expect((await failureOf(link.client.incr('n'))).ms).toBeLessThan(50);
      });
      await until(() => link.absence === undefined);
      // What was refused at once was never sent; what ran out of time may have been executed.
      expect(Number(await link.client.get('n'))).toBeLessThanOrEqual(1);
    });
  });

  describe('to a Redis Cluster', () => {
    test('fails within the second for a shard that is away, and serves the others', async () => {
      const shards = await startRedisCluster();
      opened.push(shards);
      const link = linkTo(...shards.urls);
      await link.start();
      const keys = Array.from({ length: 30 }, (_, i) => `key-${i}`);
      await Promise.all(keys.map((key) => link.client.set(key, key)));
      await shards.servers[0]?.end();
      const answers = await Promise.all(keys.map((key) => timed(link.client.get(key))));
      expect(answers.filter(({ error }) => error === undefined).length).toBeGreaterThan(5);
      expect(answers.filter(({ error }) => error !== undefined).length).toBeGreaterThan(2);
      expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(1000);
      await shards.servers[0]?.start();
      await until(
        async () =>
          (await timed(Promise.all(keys.map((key) => link.client.get(key))))).error === undefined,
      );
    });

    test('is refused when one node is named, and when the named are none', async () => {
      const shards = await startRedisCluster();
      opened.push(shards);
      await expect(linkTo(shards.urls[0] ?? '').start()).rejects.toThrow(
        /^REDIS_URL names one node of a Redis Cluster, 127\.0\.0\.1:\d+: name several/,
      );
      const [one, other] = [await server(), await server()];
      await expect(linkTo(one.url, other.url).start()).rejects.toThrow(
        /^REDIS_URL names several servers, .*, but they are no Redis Cluster: name one server\.$/,
      );
    });
  });
});

async function timed(work: Promise<unknown>): Promise<{ ms: number; error?: Error }> {
  const began = performance.now();
  try {
    await work;
    return { ms: performance.now() - began };
  } catch (error) {
    return { ms: performance.now() - began, error: error as Error };
  }
}

async function failureOf(work: Promise<unknown>): Promise<{ ms: number; error: Error }> {
  const { ms, error } = await timed(work);
  if (error === undefined) throw new Error('it has not failed');
  return { ms, error };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 15_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error('it has not come about');
    await pause(20);
  }
}
