import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import {
  Module,
  type DynamicModule,
  type INestApplicationContext,
  type Type,
} from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EnvReader, Health, Log, Metrics } from '#runtime';
import { StreamCatalog, StreamConsumer, StreamProducer } from '#streams';
import { Registrar } from '#subscriptions';
import { Leases, Mailbox, PartitionView, Presence, SubscriptionLookup } from '#view';
import { EmbeddedSubscriptionLookup } from '#view.embedded';
import { KeyRing } from '#webpush';
import { Device, payloadOf } from '../../../test/support/device.js';
import { Field, subscriptionId } from '../../../test/support/field.js';
import { newDevice } from '../../../test/support/hand-driven-gateway.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { freePorts } from '../../../test/support/standalone.js';
import { GatewayModule, SocketServer, gatewayConfig } from './gateway.module.js';

const { secret, device } = newDevice();
const subscription = subscriptionId();
let field: Field;
let router: HandDrivenRouter;
let app: INestApplicationContext | undefined;
const health = new Health();
const metrics = new Metrics();

beforeEach(async () => {
  field = await Field.open();
  await field.subscribed({ device, subscription });
  router = new HandDrivenRouter(field);
  await router.own();
});
afterEach(async () => {
  await app?.close();
  app = undefined;
  await field.close();
});

@Module({})
class Ports {
  static over({ producer, consumer, catalog, presence, mailbox, ...views }: Field): DynamicModule {
    const lookup = new EmbeddedSubscriptionLookup(views.store);
    const options = {
      keyRing: KeyRing.parse(randomBytes(32).toString('base64url')),
      publicEndpointUrl: 'https://push.example',
      partitions: 1,
      subscriptionsPerDeviceMax: 10,
      deadlineMs: 900,
    };
    const registrar = new Registrar({ producer, view: views.subscriptions, lookup }, options);
    const values: readonly [unknown, unknown][] = [
      [Log, Log.silent()],
      [Health, health],
      [Metrics, metrics],
      [StreamProducer, producer],
      [StreamConsumer, consumer],
      [StreamCatalog, catalog],
      [Presence, presence],
      [Mailbox, mailbox],
      [SubscriptionLookup, lookup],
      [PartitionView, views.view],
      [Leases, views.leases],
      [Registrar, registrar],
    ];
    const providers = values.map(([provide, useValue]) => ({ provide: provide as Type, useValue }));
    return { module: Ports, providers, exports: providers };
  }
}

test('a gateway starts, delivers, shows its work, and drains', async () => {
  const [port] = await freePorts(1);
  const url = `ws://127.0.0.1:${port}/`;
  const env = {
    HOST: '127.0.0.1',
    GATEWAY_PORT: `${port}`,
    GATEWAY_ID: 'g',
    PUBLIC_GATEWAY_URL: url,
    NOTICE_SECONDS: '1',
  };
  const config = gatewayConfig(new EnvReader(env), { partitions: 1 });
  const module = GatewayModule.forRoot(config, Ports.over(field));
  app = await NestFactory.createApplicationContext(module, { logger: false });
  expect(app.get(SocketServer)).toBeInstanceOf(SocketServer);
  expect(await field.leases.get('g')).toBeDefined();
  expect((await health.report('ready')).checks.lease).toBe('ok');

  await field.put({ device, subscription, payload: Buffer.from('stored') });
  await router.readOn();
  const phone = await Device.greeted(url, secret);
  expect(payloadOf(await phone.next('notification'))).toBe('stored');
  await field.put({ device, subscription, payload: Buffer.from('live') });
  await router.readOn();
  const live = await phone.next('notification');
  expect(payloadOf(live)).toBe('live');
  phone.ack(live);
  await expect.poll(() => field.mailbox.offsets(device)).toHaveLength(1);

  const { text } = await metrics.scrape();
  for (const line of [
    'heliograph_gateway_connections 1',
    'heliograph_gateway_notifications_out_total 2',
    'heliograph_gateway_acks_total{result="decided"} 1',
    'heliograph_gateway_latency_seconds_count 1',
    'heliograph_gateway_accept_to_frame_seconds_count 1',
    'heliograph_gateway_accept_to_ack_seconds_count 1',
    'heliograph_gateway_backlog_count 1',
    'heliograph_gateway_backlog_sum 1',
    'heliograph_gateway_buffered_bytes 0',
    'heliograph_gateway_draining 0',
    'heliograph_gateway_closes_total{reason="draining"} 0',
    'heliograph_gateway_closes_total{reason="device"} 0',
    'heliograph_gateway_nacks_total{code="303"} 0',
    'heliograph_gateway_memory_per_device_bytes ',
  ]) {
    expect(text).toContain(line);
  }

  // Whoever has not yet seen that it stops still sends devices here: they are served.
  health.serving();
  const closed = app.close();
  await expect.poll(async () => (await health.report('ready')).checks.service).toBe('draining');
  const late = await Device.greeted(url);
  expect((await late.register()).status).toBe(200);
  expect((await Promise.all([phone.closed, late.closed])).map(({ code }) => code)).toEqual([
    1001, 1001,
  ]);
  await closed;
  app = undefined;
  expect((await health.report('ready')).checks.service).toBe('draining');
  expect(await field.leases.get('g')).toBeUndefined();
  await expect(Device.open(url)).rejects.toThrow(/ECONNREFUSED/);
});
