/**
 * How services of a cluster start, wait, refuse and answer while a store is away: each a process on a real Kafka and a
 * real Redis.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { Device, payloadOf } from './support/device.js';
import { requires } from './support/machine.js';
import { startRedisCluster } from './support/redis.js';
import { accepted, post } from './support/sender.js';
import type { ServiceProcess } from './support/service-process.js';
import { whileStopped } from './support/while-stopped.js';

const ONE_OF_EACH = { gateways: 1, ingests: 1, routers: 1, registrations: 1 };
const APPEND_DEADLINE_MS = '1000';

requires('kafka', 'redis').describe('a service of a cluster', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    const env = { APPEND_DEADLINE_MS };
    cluster = await startCluster({ ...ONE_OF_EACH, gateways: 2, isAsleep: true, env });
  }, 120_000);
  afterAll(() => cluster.dispose());

  /** Runs to its end, which must be a refusal; resolves with the sentence. */
  const refusalOf = async (
    service: ServiceProcess,
    env: Record<string, string>,
  ): Promise<string> => {
    expect(await service.runToEnd(env)).toBe(1);
    const lines = service.output.trimEnd().split('\n');
    return lines.filter((line) => !line.startsWith('{')).join('\n');
  };

  describe('before its stores are there', () => {
    beforeAll(async () => {
      await Promise.all([cluster.kafka.end('SIGTERM'), cluster.redis.end()]);
      for (const service of cluster.services) service.spawn();
    });

    test('waits, lives, and says on its ops port and in its log what for', async () => {
      for (const service of cluster.services) {
        await expect.poll(() => service.report(), { timeout: 20_000 }).toBeDefined();
        expect((await fetch(`${service.opsUrl}/health/live`)).status).toBe(200);
        const report = await service.report();
        expect(report?.ok).toBe(false);
        expect(report?.checks['redis (quick)']).toMatch(/^Redis at .* is away: .*ECONNREFUSED/);
        expect(report?.checks.kafka).toMatch(/^Kafka at .* has not answered yet/);
        await expect.poll(() => service.output, { timeout: 20_000 }).toContain('Redis cannot be');
      }
    });

    test('ends with 0 when it is told to, for nothing is open yet', async () => {
      const [first] = cluster.routers;
      expect(await first!.stop(5_000)).toBe(0);
      first!.spawn();
    });

    test('becomes ready when they come, whatever their order', async () => {
      await cluster.redis.start();
      await pause(1_000);
      expect(await Promise.all(cluster.services.map((one) => one.isReady()))).not.toContain(true);
      await cluster.kafka.start();
      await cluster.ready();
      const device = await Device.greeted(cluster.gatewayUrl(0));
      await accepted((await device.register()).endpoint, 'hello');
      expect(payloadOf(await device.next('notification'))).toBe('hello');
      await device.leave();
    }, 60_000);
  });

  describe('is refused with a sentence', () => {
    test('by a Kafka without the streams, and without changing anything', async () => {
      const prefix = `none-${randomBytes(3).toString('hex')}.`;
      expect(await refusalOf(another('router'), { STREAM_PREFIX: prefix })).toBe(
        `${prefix}notifications is missing: run npm run streams\n` +
          `${prefix}subscriptions is missing: run npm run streams`,
      );
    });

    test('when the streams have another number of partitions', async () => {
      const { STREAM_PREFIX: prefix } = cluster.env;
      expect(await refusalOf(another('ingest'), { PARTITIONS: '8' })).toBe(
        `${prefix}notifications has 6 partitions, PARTITIONS says 8\n` +
          `${prefix}subscriptions has 6 partitions, PARTITIONS says 8`,
      );
    });

    test('when Kafka has fewer brokers than copies are wanted', async () => {
      expect(await refusalOf(another('gateway'), { REPLICATION_FACTOR: '3' })).toBe(
        'Kafka has 1 brokers, REPLICATION_FACTOR says 3: start more brokers or lower it.',
      );
    });

    test('by a Redis that another Heliograph uses', async () => {
      const prefix = `other-${randomBytes(3).toString('hex')}.`;
      await cluster.createStreams({ STREAM_PREFIX: prefix });
      expect(await refusalOf(another('registration'), { STREAM_PREFIX: prefix })).toBe(
        `Redis at ${new URL(cluster.redis.url).host} belongs to a cluster with other settings: its services have the ` +
          `prefix ${cluster.env.STREAM_PREFIX}, this one ${prefix}. Give this service the same STREAM_PREFIX as the ` +
          'others, or another Redis.',
      );
    });

    test('by a Redis that evicts', async () => {
      const redis = new Redis(cluster.redis.url);
      await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
      const refusal = await refusalOf(another('router'), {});
      await redis.config('SET', 'maxmemory-policy', 'noeviction');
      redis.disconnect();
      expect(refusal).toMatch(/has maxmemory-policy allkeys-lru and would forget notifications/);
    });

    test('when a live service lacks the key that it would seal with', async () => {
      const key = randomBytes(32).toString('base64url');
      const keys = { ENDPOINT_KEYS: `${key},${cluster.env.ENDPOINT_KEYS}` };
      expect(await refusalOf(another('ingest'), keys)).toMatch(
        /^The live service \w+\/.* lacks the endpoint key [0-9a-f]{8} that this one would seal with\./,
      );
    });

    test('when a gateway with its name lives', async () => {
      const twin = another('gateway');
      expect(await refusalOf(twin, { GATEWAY_ID: 'gateway-0', GATEWAY_PORT: '0' })).toBe(
        'Another gateway named gateway-0 is alive: it renews its lease. Give each gateway its own GATEWAY_ID.',
      );
      expect(await cluster.gateways[0]!.isReady()).toBe(true);
    }, 40_000);

    test('when settings are wrong: all of them in one message', async () => {
      const wrong = { KAFKA_BROKERS: '', REDIS_URL: 'http://x', PARTITIONS: 'many' };
      const refusal = await refusalOf(another('router'), { ...wrong, ENDPOINT_KEYS: 'short' });
      expect(refusal.split('\n')).toEqual([
        '4 settings are wrong:',
        expect.stringContaining('KAFKA_BROKERS is required') as string,
        expect.stringContaining('REDIS_URL: its value must be') as string,
        expect.stringContaining('PARTITIONS: "many" must be') as string,
        expect.stringContaining('ENDPOINT_KEYS: its value must be') as string,
      ]);
    });

    const another = (role: 'gateway' | 'ingest' | 'router' | 'registration'): ServiceProcess =>
      cluster.service(role, { name: `another ${role}`, opsPort: 0, env: NO_PORTS });
  });

  describe('npm run streams', () => {
    test('finds what it has created, and changes nothing', async () => {
      const said = await cluster.createStreams();
      expect(said.match(/found as it must be/g)).toHaveLength(2);
      expect(said).not.toContain('created');
    });

    test('refuses what differs, and says all that does', async () => {
      const { STREAM_PREFIX: prefix } = cluster.env;
      const refused = cluster.createStreams({ PARTITIONS: '12', TTL_SECONDS_MAX: '3600' });
      await expect(refused).rejects.toThrow(
        `${prefix}notifications has 6 partitions, PARTITIONS says 12`,
      );
      await expect(refused).rejects.toThrow(`${prefix}notifications has retention.ms`);
    });
  });

  describe('while a store is away', () => {
    let device: Device;
    let endpoint: string;
    beforeAll(async () => {
      device = await Device.greeted(cluster.gatewayUrl(0));
      ({ endpoint } = await device.register());
    });
    afterAll(() => device.leave());

    /** All are told within the second: senders 503, devices 1013 and 500. */
    const answersInTime = async (): Promise<void> => {
      const [posted, registered, greeted] = await Promise.all([
        timed(post(endpoint, 'x')),
        timed(device.register()),
        timed(refusedHello(cluster.gatewayUrl(1), device.uaid)),
      ]);
      expect(posted.value.status).toBe(503);
      expect(posted.value.headers.get('retry-after')).toBeTruthy();
      expect(registered.value.status).toBe(500);
      expect(greeted.value).toBe(1013);
      for (const { ms } of [posted, registered, greeted]) expect(ms).toBeLessThan(1_000);
    };

    const isBack = async (): Promise<void> => {
      await cluster.ready();
      await expect
        .poll(async () => (await post(endpoint, 'back')).status, { timeout: 15_000 })
        .toBe(201);
      const frame = await device.next('notification', 15_000);
      device.ack(frame);
      // An ack whose script has no answer when the next store goes may be lost with it.
      await device.register(); // read after the ack
      await expect.poll(() => acksUnderWay(cluster)).toBe(0);
    };

    test('answers within the second when Redis does not answer, and goes on when it does', async () => {
      await whileStopped(cluster.redis, async () => {
        await answersInTime();
        await pause(2_500);
        await answersInTime();
        const report = await cluster.ingests[0]!.report();
        expect(report?.checks['redis (quick)']).toMatch(/is away/);
      });
      await isBack();
    }, 60_000);

    test('shows its metrics, with gaps where the store would have been asked', async () => {
      const url = `${cluster.routers[0]!.opsUrl}/metrics`;
      const { value: answer, ms } = await whileStopped(cluster.redis, () => timed(fetch(url)));
      expect([answer.status, ms < 5_000]).toEqual([200, true]);
      const text = await answer.text();
      expect(text).toMatch(/^heliograph_router_records_total \d+$/m);
      expect(text).not.toMatch(/^heliograph_pending\{/m);
      await isBack();
      const again = await (await fetch(url)).text();
      expect(again).toMatch(/^heliograph_pending\{/m);
      expect(again).toMatch(/^heliograph_scrape_gaps_total [1-9]\d*$/m);
    }, 60_000);

    test('answers within the second when Redis is not there', async () => {
      await cluster.redis.end();
      await answersInTime();
      await cluster.redis.start();
      await isBack();
    }, 60_000);

    test('tells senders by its deadline when Kafka does not answer', async () => {
      await whileStopped(cluster.kafka, async () => {
        const posted = await timed(post(endpoint, 'x'));
        expect(posted.value.status).toBe(503);
        expect(posted.ms).toBeLessThan(Number(APPEND_DEADLINE_MS) + 500);
        const registered = await timed(device.register());
        expect(registered.value.status).toBe(500);
        expect(registered.ms).toBeLessThan(1_000);
      });
      await isBack();
    }, 60_000);
  });

  describe('in a rotation of the endpoint keys', () => {
    test('never says that an endpoint is dead, whoever has which keys by now', async () => {
      const old = cluster.env.ENDPOINT_KEYS ?? '';
      const next = randomBytes(32).toString('base64url');
      const device = await Device.greeted(cluster.gatewayUrl(0));
      const endpoints = [(await device.register()).endpoint];
      await device.leave();
      const statuses = new Map<number, number>();
      let isOver = false;
      const sending = (async () => {
        for (let i = 0; !isOver; i++) {
          const answer = await post(endpoints[i % endpoints.length]!, 'x').catch(() => undefined);
          const status = answer?.status ?? 0;
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
          await pause(10);
        }
      })();
      for (const keys of [`${old},${next}`, `${next},${old}`]) {
        for (const service of cluster.services) {
          expect(await service.stop()).toBe(0);
          await service.start({ ENDPOINT_KEYS: keys });
        }
        const again = await Device.greeted(cluster.gatewayUrl(1), device.uaid);
        endpoints.push((await again.register()).endpoint);
        await again.leave();
      }
      isOver = true;
      await sending;
      expect([...statuses.keys()].filter((status) => ![0, 201, 503].includes(status))).toEqual([]);
      expect(statuses.get(201)).toBeGreaterThan(10);
      // An ingest that has not got the new key yet: others hold it, so the endpoint is not dead.
      const [ingest] = cluster.ingests;
      await ingest!.stop();
      await ingest!.start({ ENDPOINT_KEYS: old });
      expect((await post(endpoints[0]!)).status).toBe(201);
      expect((await post(endpoints[2]!)).status).toBe(503);
    }, 120_000);
  });
});

requires('kafka', 'redis').describe('a cluster on three shards of a Redis Cluster', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({ ...ONE_OF_EACH, redis: await startRedisCluster() });
  }, 120_000);
  afterAll(() => cluster.dispose());

  test('delivers, live and stored, to devices of every partition', async () => {
    const devices = await Promise.all(
      Array.from({ length: 20 }, () => Device.greeted(cluster.gatewayUrl(0))),
    );
    for (const device of devices) {
      const { endpoint } = await device.register();
      await accepted(endpoint, 'live');
      const frame = await device.next('notification');
      expect(payloadOf(frame)).toBe('live');
      device.ack(frame);
      await device.leave();
      await accepted(endpoint, 'stored');
      const again = await Device.greeted(cluster.gatewayUrl(0), device.uaid);
      const stored = await again.next('notification');
      expect(payloadOf(stored)).toBe('stored');
      again.ack(stored);
      await again.leave();
    }
    expect((await cluster.settled()).outcomes.delivered).toBe(40);
  }, 60_000);
});

const NO_PORTS = {
  GATEWAY_PORT: '0',
  INGEST_PORT: '0',
  REGISTRATION_PORT: '0',
  GATEWAY_ID: 'other',
};

async function acksUnderWay({ gateways }: Cluster): Promise<number> {
  const all = await Promise.all(gateways.map((gateway) => gateway.metrics()));
  return all.reduce((sum, of) => sum + (of.get('heliograph_gateway_acks_under_way') ?? 0), 0);
}

async function timed<T>(work: Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const began = performance.now();
  const value = await work;
  return { value, ms: performance.now() - began };
}

/** The code that a hello is refused with. */
async function refusedHello(url: string, uaid: string): Promise<number> {
  const device = await Device.open(url);
  device.send({ messageType: 'hello', use_webpush: true, uaid });
  return (await device.closed).code;
}
