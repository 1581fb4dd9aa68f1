/**
 * The view's contract on a real Redis (`TEST_REDIS_URL`, or a `redis-server` of the machine), and on three of them that
 * share the slots as a Redis Cluster.
 */
import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll } from 'vitest';
import { viewContract } from '#view.contract';
import type { OpenStore, StoreSettings, ViewClient } from '#view.contract';
import {
  RedisLeases,
  RedisMailbox,
  RedisPartitionView,
  RedisPresence,
  RedisScripts,
  RedisSubscriptionLookup,
  RedisSubscriptionsView,
} from '#view.redis';
import type { RedisClient } from '#view.redis';
import { requires } from '../support/machine.js';
import { startRedis, startRedisCluster } from '../support/redis.js';
import type { RedisServer, RedisShards } from '../support/redis.js';

requires('redis').describe('real Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  viewContract('Redis', (settings) => openStore(() => new Redis(server.url), settings));
});

requires('redis').describe('a real Redis Cluster', () => {
  let shards: RedisShards;
  beforeAll(async () => {
    shards = await startRedisCluster();
  });
  afterAll(() => shards.stop());

  viewContract('three shards', (settings) =>
    openStore(() => new Cluster([...shards.urls]), settings),
  );
});

async function openStore(open: () => RedisClient, settings: StoreSettings): Promise<OpenStore> {
  const connections = [open(), open(), open()];
  const [admin] = connections as [RedisClient, RedisClient, RedisClient];
  const lose = async (): Promise<void> => {
    await admin.ping(); // a Cluster knows its shards from then on
    const masters = admin instanceof Cluster ? admin.nodes('master') : [admin];
    await Promise.all(masters.map((one) => one.flushall()));
  };
  await lose();
  return {
    clients: connections.map((redis) => clientOn(redis, settings)),
    now: async () => {
      const [seconds, micros] = await admin.time();
      return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
    },
    advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    lose,
    close: async () => void (await Promise.all(connections.map((one) => one.quit()))),
  };
}

function clientOn(redis: RedisClient, settings: StoreSettings): ViewClient {
  const scripts = new RedisScripts({ redis, ...settings });
  return {
    presence: new RedisPresence(scripts),
    mailbox: new RedisMailbox(scripts),
    view: new RedisPartitionView(scripts),
    lookup: new RedisSubscriptionLookup(scripts),
    subscriptions: new RedisSubscriptionsView(scripts),
    leases: new RedisLeases(scripts),
  };
}
