import 'reflect-metadata';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { Module, type DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { expect, test } from 'vitest';
import { EnvReader, Health, Log, Metrics, NestLog } from '#runtime';
import { StreamProducer } from '#streams';
import { SubscriptionLookup } from '#view';
import { EmbeddedSubscriptionLookup } from '#view.embedded';
import { KeyRing } from '#webpush';
import { Field } from '../../../test/support/field.js';
import { keyText } from '../../../test/support/ingest-door.js';
import { post } from '../../../test/support/sender.js';
import { IngestModule, ingestConfig } from './ingest.module.js';

@Module({})
class PortsOnField {}

test('the module opens its port when the application is up, shows what it counts, and closes it', async () => {
  const field = await Field.open();
  const env = new EnvReader({
    HOST: '127.0.0.1',
    INGEST_PORT: '0',
    PUBLIC_ENDPOINT_URL: 'https://push.example',
    NOTICE_SECONDS: '1',
  });
  const config = ingestConfig(env, { partitions: 1 });
  env.finish();
  const said: Record<string, unknown>[] = [];
  const [log, metrics, health] = [Log.into((l) => said.push(l)), new Metrics(), new Health()];
  const providers = [
    { provide: StreamProducer, useValue: field.producer },
    { provide: SubscriptionLookup, useValue: new EmbeddedSubscriptionLookup(field.store) },
    { provide: KeyRing, useValue: KeyRing.parse(keyText()) },
    { provide: Log, useValue: log },
    { provide: Metrics, useValue: metrics },
    { provide: Health, useValue: health },
  ];
  const exported = providers.map(({ provide }) => provide);
  const ports: DynamicModule = { module: PortsOnField, providers, exports: exported };
  const root = IngestModule.forRoot(config, ports);
  const app = await NestFactory.createApplicationContext(root, { logger: new NestLog(log) });
  try {
    const listens = said.find((line) => line['msg'] === 'ingest listens');
    expect(listens).toMatchObject({ host: '127.0.0.1', tls: false });
    const origin = `http://127.0.0.1:${String(listens?.['port'])}`;
    expect((await post(`${origin}/wpush/v1/x`)).status).toBe(404);
    const { text } = await metrics.scrape();
    expect(text).toContain(
      'heliograph_ingest_refused_total{refusal="receiver_unknown",errno="102"} 1',
    );
    expect(text).toContain('heliograph_ingest_accepted_total 0');
    // Whoever has not yet seen that it stops still sends requests here: they are answered, and connections stay.
    const closed = app.close();
    await expect.poll(async () => (await health.report('ready')).checks.service).toBe('draining');
    const agent = new Agent({ keepAlive: true });
    const [late] = (await once(get(`${origin}/x`, { agent }), 'response')) as [IncomingMessage];
    late.resume();
    expect(late.statusCode).toBe(404);
    expect(late.headers.connection).not.toBe('close');
    agent.destroy();
    await closed;
    await expect(fetch(origin)).rejects.toThrow();
    expect((await health.report('ready')).ok).toBe(false);
  } finally {
    await field.close();
  }
});
