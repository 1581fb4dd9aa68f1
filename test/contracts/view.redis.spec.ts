/** The view's contract on a real Redis: `TEST_REDIS_URL`, or a `redis-server` of the machine. */
import { Redis } from 'ioredis';
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
import { requires } from '../support/machine.js';
import { startRedis } from '../support/redis.js';
import type { RedisServer } from '../support/redis.js';

requires('redis').describe('real Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server.stop());

  viewContract('Redis', async (settings) => {
    const connections = [0, 1, 2].map(() => new Redis(server.url));
    const [admin] = connections as [Redis, Redis, Redis];
    await admin.flushall();
    const store: OpenStore = {
      clients: connections.map((redis) => clientOn(redis, settings)),
      now: async () => {
        const [seconds, micros] = await admin.time();
        return Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
      },
      advance: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
      lose: async () => void (await admin.flushall()),
      close: async () => void (await Promise.all(connections.map((one) => one.quit()))),
    };
    return store;
  });
});

function clientOn(redis: Redis, settings: StoreSettings): ViewClient {
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
