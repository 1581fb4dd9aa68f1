/**
 * The same services as processes of a cluster, on a real Kafka and a real Redis: 2 ingests, 2 routers, 3 gateways and 1
 * registration. What a device receives and what a sender is told, while parts of it are ended.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { deliveryConformance } from './conformance/delivery.js';
import { deviceSideConformance } from './conformance/device-side.js';
import { senderSideConformance } from './conformance/sender-side.js';
import type { Target } from './conformance/target.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { Crowd } from './support/crowd.js';
import type { Load } from './support/crowd.js';
import { Device, payloadOf } from './support/device.js';
import { requires } from './support/machine.js';
import { accepted, post } from './support/sender.js';
import { storesOfThisMachine } from './support/stores.js';

const DEVICES = 60;
const PER_SECOND = 100;

const stores = storesOfThisMachine();
/** Stores that somebody else runs must not be ended: those tests are not there then. */
const endsStores = stores.kind === 'named' ? (): void => undefined : test;

requires(...stores.needs).describe(`a cluster on ${stores.kind}`, () => {
  let cluster: Cluster;
  beforeAll(async () => {
    const counts = { gateways: 3, ingests: 2, routers: 2, registrations: 1 };
    cluster = await startCluster({ ...counts, ...(await stores.start()) });
  }, 180_000);
  afterAll(() => cluster?.dispose(), 60_000);

  describe('conforms', () => {
    const target = (): Target => ({
      gatewayUrl: cluster.gatewayUrl(0),
      endpointUrl: cluster.ingestUrl(0),
      accounts: () => cluster.accounts(),
    });
    describe('towards devices', () => deviceSideConformance(target));
    describe('towards senders', () => senderSideConformance(target));
    describe('in delivery', () => deliveryConformance(target));
  });

  describe('across gateways', () => {
    test('a device that subscribed at one gets its backlog and what follows at another', async () => {
      const first = await Device.greeted(cluster.gatewayUrl(0));
      const { endpoint } = await first.register();
      await first.leave();
      for (const i of [1, 2, 3]) await accepted(cluster.at(i % 2, endpoint), `stored ${i}`);
      const second = await Device.greeted(cluster.gatewayUrl(1), first.uaid);
      expect(second.uaid).toBe(first.uaid);
      await accepted(endpoint, 'live');
      const frames = await second.notifications(4);
      expect(frames.map(payloadOf)).toEqual(['stored 1', 'stored 2', 'stored 3', 'live']);
      await second.leave();
    });

    test('a device that connects elsewhere leaves no ghost: the older connection is closed', async () => {
      const older = await Device.greeted(cluster.gatewayUrl(0));
      const { endpoint } = await older.register();
      const newer = await Device.greeted(cluster.gatewayUrl(2), older.uaid);
      await accepted(endpoint, 'for the newer');
      expect(payloadOf(await newer.next('notification'))).toBe('for the newer');
      await older.closed;
      expect(older.frames.filter(({ messageType }) => messageType === 'notification')).toEqual([]);
      await newer.leave();
    });

    test('of many connections of one device at once one stays, and it gets everything', async () => {
      const origin = await Device.greeted(cluster.gatewayUrl(0));
      const { endpoint } = await origin.register();
      await origin.leave();
      const rivals = await Promise.all(
        Array.from({ length: 9 }, (_, i) =>
          Device.greeted(cluster.gatewayUrl(i % 3), origin.uaid).catch(() => undefined),
        ),
      );
      await accepted(endpoint, 'who is it?');
      const open = rivals.filter((one) => one !== undefined);
      await expect
        .poll(() => open.filter(({ socket }) => socket.readyState === 1).length, { timeout: 8000 })
        .toBe(1);
      const last = open.find(({ socket }) => socket.readyState === 1)!;
      expect(payloadOf(await last.next('notification'))).toBe('who is it?');
      await last.leave();
    });

    test('what is acknowledged here while it is sent there as well is delivered once', async () => {
      const before = await cluster.accounts();
      const here = await Device.greeted(cluster.gatewayUrl(0));
      const { endpoint } = await here.register();
      await accepted(endpoint, 'twice on its way');
      const frame = await here.next('notification');
      const there = await Device.greeted(cluster.gatewayUrl(1), here.uaid);
      const double = await there.next('notification');
      expect(double.version).toBe(frame.version);
      here.ack(frame);
      there.ack(double);
      const { outcomes } = await cluster.settled(before.pending);
      expect(outcomes.delivered).toBe((before.outcomes.delivered ?? 0) + 1);
      const again = await Device.greeted(cluster.gatewayUrl(2), here.uaid);
      expect(await again.notificationsUntilAnswer()).toEqual([]);
      await again.leave();
    });

    test('a POST in the millisecond after register is accepted by any ingest', async () => {
      for (let i = 0; i < 30; i++) {
        const device = await Device.greeted(cluster.gatewayUrl(i % 3));
        const { endpoint } = await device.register();
        const answer = await post(cluster.at(1, endpoint), 'at once');
        expect(answer.status).toBe(201);
        expect(payloadOf(await device.next('notification'))).toBe('at once');
        device.ack(device.frames.at(-1)!);
        await device.leave();
      }
    });

    test('what unregister took away is gone for every ingest', async () => {
      const device = await Device.greeted(cluster.gatewayUrl(0));
      const { endpoint, channelID } = await device.register();
      expect(await device.unregister(channelID)).toBe(200);
      for (const ingest of [0, 1])
        expect((await post(cluster.at(ingest, endpoint))).status).toBe(410);
      await device.leave();
    });

    test('a device that registered by REST connects anywhere', async () => {
      const answer = await fetch(`${cluster.registrationUrl(0)}/v1/registrations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ site: 'https://stocks.example' }),
      });
      expect(answer.status).toBe(201);
      const registered = (await answer.json()) as { device: string; endpoint: string };
      await accepted(cluster.at(1, registered.endpoint), 'first');
      const device = await Device.greeted(cluster.gatewayUrl(2), registered.device);
      expect(device.uaid).toBe(registered.device);
      expect(payloadOf(await device.next('notification'))).toBe('first');
      await device.leave();
    });
  });

  test('while a gateway, a router and the registration are dead, senders notice nothing', async () => {
    const device = await Device.greeted(cluster.gatewayUrl(0));
    const { endpoint } = await device.register();
    const dead = [cluster.gateways[1]!, cluster.routers[0]!, cluster.registrations[0]!];
    await Promise.all(dead.map((service) => service.kill()));
    const texts = Array.from({ length: 40 }, (_, i) => `meanwhile ${i}`);
    for (const [i, text] of texts.entries()) {
      expect((await post(cluster.at(i % 2, endpoint), text)).status).toBe(201);
    }
    await Promise.all(dead.map((service) => service.start()));
    for (const text of texts) {
      const frame = await device.next('notification', 30_000);
      expect(payloadOf(frame)).toBe(text);
      device.ack(frame);
    }
    await device.leave();
  }, 60_000);

  describe('under load loses nothing and keeps its accounts', () => {
    let crowd: Crowd;
    let load: Load;
    /** What the tests before have left unacknowledged. */
    let pending: number;
    beforeAll(async () => {
      ({ pending } = await cluster.accounts());
      crowd = await Crowd.gather(cluster, { devices: DEVICES, isRestless: true });
    });
    afterAll(() => crowd.leave());
    afterEach(async () => {
      await load.stop();
    });

    /** Half a second of load before, some after. */
    const through = async (fault: () => Promise<unknown>): Promise<void> => {
      load = crowd.send({ perSecond: PER_SECOND });
      await pause(500);
      await fault();
      await pause(1_000);
      await load.stop();
      await crowd.satisfied();
      expect(crowd.complaints()).toEqual([]);
      await cluster.settled(pending);
    };

    test(
      'when a gateway is killed',
      () =>
        through(async () => {
          await cluster.gateways[1]!.kill();
          await pause(500);
          await cluster.gateways[1]!.start();
        }),
      90_000,
    );

    test(
      'when a router is killed',
      () =>
        through(async () => {
          await cluster.routers[0]!.kill();
          await pause(500);
          await cluster.routers[0]!.start();
        }),
      90_000,
    );

    test(
      'when an ingest is killed',
      () =>
        through(async () => {
          await cluster.ingests[1]!.kill();
          await pause(500);
          await cluster.ingests[1]!.start();
        }),
      90_000,
    );

    test(
      'when all are restarted one after the other, and each ends with 0',
      () =>
        through(async () => {
          for (const service of cluster.services) {
            expect([service.name, await service.stop()]).toEqual([service.name, 0]);
            await service.start();
          }
        }),
      120_000,
    );

    endsStores(
      'when Redis loses everything',
      () =>
        through(async () => {
          await cluster.redis.flush();
          await cluster.ready();
        }),
      90_000,
    );

    endsStores(
      'when Redis is restarted empty',
      () =>
        through(async () => {
          await cluster.redis.end();
          await pause(2_000);
          await cluster.redis.start();
          await cluster.ready();
        }),
      90_000,
    );

    endsStores(
      'when Kafka is restarted',
      () =>
        through(async () => {
          await cluster.kafka.end('SIGTERM');
          await pause(1_000);
          await cluster.kafka.start();
          await cluster.ready();
        }),
      90_000,
    );
  });
});
