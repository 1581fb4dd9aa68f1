import 'reflect-metadata';
import { Module, type DynamicModule, type INestMicroservice, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EnvReader, Health, Log, Metrics } from '#runtime';
import { StreamCatalog, StreamProducer, StreamTransport } from '#streams';
import { Leases, PartitionView, SubscriptionsView } from '#view';
import { Field, Gate, deviceId, subscriptionId } from '../../../test/support/field.js';
import { RouterModule, routerConfig } from './router.module.js';

const device = deviceId();
const subscription = subscriptionId();
let field: Field;
let app: INestMicroservice | undefined;

beforeEach(async () => {
  field = await Field.open();
  await field.subscribed({ device, subscription });
  await field.held(device, { gateway: 'g1', epoch: 7, connection: 70 });
});
afterEach(async () => {
  await app?.close();
  await field.close();
});

@Module({})
class Ports {
  static of(view: PartitionView): DynamicModule {
    const values: readonly [unknown, unknown][] = [
      [Log, Log.silent()],
      [Health, new Health()],
      [Metrics, new Metrics()],
      [StreamProducer, field.producer],
      [StreamCatalog, field.catalog],
      [Leases, field.leases],
      [PartitionView, view],
      [SubscriptionsView, field.subscriptions],
    ];
    const providers = values.map(([provide, useValue]) => ({ provide: provide as Type, useValue }));
    return { module: Ports, providers, exports: providers };
  }
}

async function created(view: PartitionView = field.view): Promise<INestMicroservice> {
  const config = routerConfig(new EnvReader({}));
  app = await NestFactory.createMicroservice(RouterModule.forRoot(config, Ports.of(view)), {
    strategy: new StreamTransport(field.consumer),
    logger: false,
  });
  return app;
}
const readiness = async (of: INestMicroservice) =>
  (await of.get(Health).report('ready')).checks['notifications view'];

test('a router reads its stream through Nest, and is ready when its views are', async () => {
  const router = await created();
  expect(await readiness(router)).toBe('no partition was assigned yet');
  await router.listen();
  await expect.poll(() => readiness(router)).toBe('ok');
  const offset = await field.put({ device, subscription });
  await expect.poll(() => field.delivered('g1')).toEqual([offset]);
});

test('a router that stops finishes the batch in hand', async () => {
  const gate = new Gate('apply', 'after');
  const router = await created(gate.around(field.view));
  await router.listen();
  await field.put({ device, subscription });
  await gate.reached;
  let isClosed = false;
  const closed = router.close().then(() => (isClosed = true));
  await field.put({ device, subscription });
  expect(isClosed).toBe(false);
  gate.letGo();
  await closed;
  expect(await field.delivered('g1')).toHaveLength(1);
});
