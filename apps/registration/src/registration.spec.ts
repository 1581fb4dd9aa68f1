/** The REST door end to end: a Nest application on Fastify with the keeper on its stream, embedded adapters. */
import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Module, type DynamicModule, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { generate } from 'selfsigned';
import { afterEach, describe, expect, test } from 'vitest';
import { EnvReader, Health, Log, Metrics, NestLog, StartRefused } from '#runtime';
import { StreamCatalog, StreamProducer, StreamTransport } from '#streams';
import { Registrar } from '#subscriptions';
import { PartitionView, SubscriptionLookup, SubscriptionsView } from '#view';
import { EmbeddedSubscriptionLookup } from '#view.embedded';
import { deviceIdOf, fingerprintOf } from '#webpush';
import { Field } from '../../../test/support/field.js';
import { registrarOn } from '../../../test/support/hand-driven-keeper.js';
import { vapidKeys } from '../../../test/support/sender.js';
import {
  RegistrationModule,
  registrationConfig,
  restAdapter,
  serveDocs,
} from './registration.module.js';

@Module({})
class PortsOnField {}

interface Door {
  readonly url: string;
  readonly field: Field;
  readonly app: INestApplication;
  readonly health: Health;
  readonly metrics: Metrics;
  readonly said: Record<string, unknown>[];
}

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

interface DoorOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly registrar?: (field: Field) => Registrar;
  /** The keeper does not read: the view stays as it is. */
  readonly isKeeperAway?: boolean;
}

async function open({ env = {}, registrar = registrarOn, isKeeperAway }: DoorOptions = {}) {
  const field = await Field.open();
  const reader = new EnvReader({
    ...{ HOST: '127.0.0.1', REGISTRATION_PORT: '0', NOTICE_SECONDS: '0' },
    ...env,
  });
  const config = registrationConfig(reader);
  reader.finish();
  const said: Record<string, unknown>[] = [];
  const log = Log.into((line) => said.push(line));
  const [health, metrics] = [new Health(), new Metrics()];
  health.serving();
  const provided = [
    { provide: SubscriptionsView, useValue: field.subscriptions },
    { provide: SubscriptionLookup, useValue: new EmbeddedSubscriptionLookup(field.store) },
    { provide: PartitionView, useValue: field.view },
    { provide: StreamProducer, useValue: field.producer },
    { provide: StreamCatalog, useValue: field.catalog },
    { provide: Registrar, useValue: registrar(field) },
    { provide: Log, useValue: log },
    { provide: Health, useValue: health },
    { provide: Metrics, useValue: metrics },
  ];
  const exported = provided.map(({ provide }) => provide);
  const ports: DynamicModule = { module: PortsOnField, providers: provided, exports: exported };
  const app = await NestFactory.create(
    RegistrationModule.forRoot(config, ports),
    restAdapter(config),
    { logger: new NestLog(log) },
  );
  closing.push(async () => {
    await app.close();
    await field.close();
  });
  serveDocs(app);
  if (!isKeeperAway) app.connectMicroservice({ strategy: new StreamTransport(field.consumer) });
  await app.startAllMicroservices();
  await app.listen(config.port, config.door.host);
  const door: Door = { url: await app.getUrl(), field, app, health, metrics, said };
  while (!isKeeperAway && !(await health.report('ready')).ok) await pause(1);
  return door;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

async function ask(method: string, url: string, with_: { body?: unknown; device?: string } = {}) {
  const answer = await fetch(url, {
    method,
    headers: {
      ...(with_.body !== undefined && { 'content-type': 'application/json' }),
      ...(with_.device !== undefined && { authorization: `Bearer ${with_.device}` }),
    },
    body: typeof with_.body === 'string' ? with_.body : JSON.stringify(with_.body),
  });
  const text = await answer.text();
  const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
  return { status: answer.status, headers: answer.headers, body } satisfies Answer;
}

const register = (door: Door, body: unknown): Promise<Answer> =>
  ask('POST', `${door.url}/v1/registrations`, { body });
const site = 'https://stocks.example';
const fieldsOf = ({ body }: Answer) => (body['fields'] as { field: string }[]).map((f) => f.field);

describe('POST /v1/registrations', () => {
  test('creates a device with a subscription, which the view knows when it is answered', async () => {
    const door = await open();
    const { publicKey } = vapidKeys();
    const answer = await register(door, { site, applicationServerKey: publicKey });
    expect(answer.status).toBe(201);
    expect(Object.keys(answer.body).sort()).toEqual([
      'device',
      'endpoint',
      'receiver',
      'subscription',
    ]);
    const { device, endpoint, receiver, subscription } = answer.body as Record<string, string>;
    expect(device).toMatch(/^[0-9a-f]{32}$/);
    expect(subscription).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(endpoint).toBe(`https://push.example/wpush/v2/${receiver}`);
    expect(answer.headers.get('cache-control')).toBe('no-store');
    const lookup = door.app.get(SubscriptionLookup, { strict: false });
    expect((await lookup.list(deviceIdOf(device!))).subscriptions).toEqual([
      {
        subscription: subscription!.replaceAll('-', ''),
        site,
        fingerprint: fingerprintOf(publicKey),
      },
    ]);
  });

  test('adds a subscription to a device that shows its secret', async () => {
    const door = await open();
    const { device } = (await register(door, { site })).body as { device: string };
    const second = await register(door, { site: 'http://news.example/push?x=1', device });
    expect([second.status, second.body['device']]).toEqual([201, device]);
    const listed = await ask('GET', `${door.url}/v1/registrations`, { device });
    expect(listed.body['registrations']).toHaveLength(2);
  });

  test('knows no device that never registered', async () => {
    const door = await open();
    const device = randomBytes(16).toString('hex');
    expect((await register(door, { site, device })).status).toBe(404);
  });

  test.each<[string, unknown, string[]]>([
    ['nothing', {}, ['site']],
    ['a list', [], ['']],
    ['a site that is no URL', { site: 'stocks' }, ['site']],
    ['a site of another kind', { site: 'ftp://stocks.example' }, ['site']],
    ['a site with a password', { site: 'https://a:b@stocks.example' }, ['site']],
    ['a site that is no text', { site: 7 }, ['site']],
    ['a site too long', { site: `https://stocks.example/${'a'.repeat(2_000)}` }, ['site']],
    ['a key that is none', { site, applicationServerKey: 'AAAA' }, ['applicationServerKey']],
    ['a device that is none', { site, device: 'ABC' }, ['device']],
    ['a misspelt key', { site, applicationServerkey: 'x' }, ['applicationServerkey']],
    [
      'all of it',
      { site: '', applicationServerKey: 1, device: null },
      ['applicationServerKey', 'device', 'site'],
    ],
  ])('names the fields that are wrong: %s', async (_, body, fields) => {
    const door = await open();
    const answer = await register(door, body);
    expect(answer.status).toBe(400);
    expect([...new Set(fieldsOf(answer))].sort()).toEqual(fields);
    for (const field of fields) expect(answer.body['message']).toContain(field);
    expect(await door.field.catalog.end('subscriptions', 0)).toBe(0);
  });

  test.each([
    ['no JSON', '{', 400],
    ['too much', `{"site":"${'a'.repeat(20_000)}"}`, 413],
  ])('refuses a body that is %s in the same shape', async (_, body, status) => {
    const door = await open();
    const answer = await register(door, body);
    expect([answer.status, answer.body['code']]).toEqual([status, status]);
    expect(answer.body['message']).toEqual(expect.any(String));
    const text = await fetch(`${door.url}/v1/registrations`, { method: 'POST', body: 'site=x' });
    expect(text.status).toBe(400);
  });

  test('makes as many new devices per address and hour as it may, and not one more', async () => {
    const env = { REGISTRATIONS_PER_ADDRESS_MAX: '2', TRUSTED_PROXIES: '127.0.0.1' };
    const door = await open({ env });
    const from = (address: string) =>
      fetch(`${door.url}/v1/registrations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-forwarded-for': address },
        body: JSON.stringify({ site }),
      });
    expect((await from('203.0.113.1')).status).toBe(201);
    const second = await from('203.0.113.1');
    const { device } = (await second.json()) as { device: string };
    const third = await from('203.0.113.1');
    expect([third.status, third.headers.get('retry-after')]).toEqual([429, '600']);
    expect((await from('203.0.113.2')).status).toBe(201);
    expect((await register(door, { site, device })).status).toBe(201);
  });

  test('does not believe an address that a stranger claims', async () => {
    const door = await open({ env: { REGISTRATIONS_PER_ADDRESS_MAX: '1' } });
    const statuses: number[] = [];
    for (const address of ['203.0.113.1', '203.0.113.2']) {
      const headers = { 'content-type': 'application/json', 'x-forwarded-for': address };
      const body = JSON.stringify({ site });
      const answer = await fetch(`${door.url}/v1/registrations`, { method: 'POST', headers, body });
      statuses.push(answer.status);
    }
    expect(statuses).toEqual([201, 429]);
  });

  test('is 409 for one subscription more than a device may have', async () => {
    const registrar = (field: Field) => {
      const limited = registrarOn(field);
      Object.assign(limited['options'], { subscriptionsPerDeviceMax: 1 });
      return limited;
    };
    const door = await open({ registrar });
    const { device } = (await register(door, { site })).body as { device: string };
    expect((await register(door, { site, device })).status).toBe(409);
  });
});

describe('a device and what it has', () => {
  test('is listed, given up one by one, and removed', async () => {
    const door = await open();
    const { publicKey } = vapidKeys();
    const first = (await register(door, { site, applicationServerKey: publicKey })).body;
    const { device, subscription } = first as { device: string; subscription: string };
    const listing = `${door.url}/v1/registrations`;
    expect(await ask('GET', listing, { device })).toMatchObject({
      status: 200,
      body: { registrations: [{ subscription, site, isKeyed: true }] },
    });
    expect((await ask('DELETE', `${listing}/${subscription}`, { device })).status).toBe(204);
    expect((await ask('DELETE', `${listing}/${subscription}`, { device })).status).toBe(404);
    expect((await ask('GET', listing, { device })).body).toEqual({ registrations: [] });
    expect((await ask('DELETE', `${door.url}/v1/device`, { device })).status).toBe(204);
    expect((await ask('GET', listing, { device })).status).toBe(404);
    expect((await ask('DELETE', `${door.url}/v1/device`, { device })).status).toBe(404);
  });

  test('needs its secret: 401 without one, 404 for another', async () => {
    const door = await open();
    const { subscription } = (await register(door, { site })).body as { subscription: string };
    const routes: [string, string][] = [
      ['GET', `${door.url}/v1/registrations`],
      ['DELETE', `${door.url}/v1/registrations/${subscription}`],
      ['DELETE', `${door.url}/v1/device`],
    ];
    for (const [method, url] of routes) {
      const without = await ask(method, url);
      expect([without.status, without.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
      expect((await ask(method, url, { device: 'short' })).status).toBe(401);
      const stranger = randomBytes(16).toString('hex');
      expect((await ask(method, url, { device: stranger })).status).toBe(404);
    }
  });

  test('gives up no subscription of another device, and none that is no name', async () => {
    const door = await open();
    const mine = (await register(door, { site })).body as { device: string };
    const theirs = (await register(door, { site })).body as { subscription: string };
    const remove = async (name: string) =>
      ask('DELETE', `${door.url}/v1/registrations/${name}`, { device: mine.device });
    for (const name of [theirs.subscription, 'x', '%00', 'a'.repeat(5_000)]) {
      expect(await remove(name)).toMatchObject({ status: 404, body: { code: 404 } });
    }
  });

  test('is unknown only where the view is ready: before that 503', async () => {
    const door = await open({ isKeeperAway: true });
    const device = randomBytes(16).toString('hex');
    const answer = await ask('GET', `${door.url}/v1/registrations`, { device });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect((await register(door, { site, device })).status).toBe(503);
    const known = (await register(door, { site })).body as { device: string };
    const listed = await ask('GET', `${door.url}/v1/registrations`, { device: known.device });
    expect(listed.status).toBe(200);
  });
});

describe('the door', () => {
  test('is 503 while the log is away, and says so once', async () => {
    const registrar = (field: Field) => {
      const broken = registrarOn(field);
      broken.register = () => Promise.reject(new Error('database or disk is full'));
      return broken;
    };
    const door = await open({ registrar });
    for (let i = 0; i < 3; i++) expect((await register(door, { site })).status).toBe(503);
    const lines = door.said.filter((line) => line['class'] === 'registration');
    expect(JSON.stringify(lines)).toContain('disk is full');
    expect(lines).toHaveLength(1);
  });

  test('answers unknown paths in its own shape', async () => {
    const door = await open();
    expect(await ask('GET', `${door.url}/v1/nothing`)).toMatchObject({
      status: 404,
      body: { code: 404, error: 'Not Found' },
    });
  });

  test('writes no device and no receiver into its log', async () => {
    const door = await open();
    const { device, receiver } = (await register(door, { site })).body as Record<string, string>;
    await ask('GET', `${door.url}/v1/registrations`, { device });
    await ask('DELETE', `${door.url}/v1/registrations/${device}`, { device });
    await ask('DELETE', `${door.url}/v1/nothing/${device}`, { device });
    const text = JSON.stringify(door.said);
    expect(text).not.toContain(device);
    expect(text).not.toContain(receiver);
  });

  test('describes itself for programs and for people, without anything from elsewhere', async () => {
    const door = await open();
    const { body } = await ask('GET', `${door.url}/openapi.json`);
    const paths = body['paths'] as Record<string, Record<string, { responses: object }>>;
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    expect(routes.sort()).toEqual([
      'delete /v1/device',
      'delete /v1/registrations/{subscription}',
      'get /v1/registrations',
      'post /v1/registrations',
    ]);
    const post = paths['/v1/registrations']?.['post'];
    expect(Object.keys(post?.responses ?? {})).toEqual(['201', '400', '404', '409', '429', '503']);
    expect(JSON.stringify(post)).toContain('"required":["site"]');
    const page = await fetch(`${door.url}/docs`);
    expect(page.headers.get('content-type')).toContain('text/html');
    const html = await page.text();
    for (const route of Object.keys(paths)) expect(html).toContain(route);
    expect(html).not.toMatch(/<script|src=|@import/);
  });

  test('keeps what it wrote itself: the keeper has applied it, and the view is ready', async () => {
    const door = await open();
    await register(door, { site });
    const end = await door.field.catalog.end('subscriptions', 0);
    while ((await door.field.subscriptions.mark(0))?.applied !== end) await pause(1);
    expect(await door.health.report('ready')).toMatchObject({ ok: true });
    const { text } = await door.metrics.scrape();
    expect(text).toContain('heliograph_keeper_partitions{state="ready"} 1');
    expect(text).toContain('heliograph_registration_answers_total{answer="registered"} 1');
  });

  test('speaks TLS with a certificate, and is refused with a sentence without a good one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'heliograph-tls-'));
    const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }]);
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
    try {
      const env = { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile };
      const door = await open({ env });
      const sent = httpsRequest(`${door.url}/docs`, { rejectUnauthorized: false, agent: false });
      sent.end();
      const [answer] = (await once(sent, 'response')) as [{ statusCode: number; resume(): void }];
      answer.resume();
      expect(answer.statusCode).toBe(200);
      await writeFile(certFile, 'no certificate');
      const reader = new EnvReader(env);
      expect(() => restAdapter(registrationConfig(reader))).toThrow(StartRefused);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('that is told to stop goes on until load balancers have seen that it is not ready', async () => {
    const door = await open({ env: { NOTICE_SECONDS: '1' } });
    const closed = door.app.close();
    await expect.poll(async () => (await door.health.report('ready')).ok).toBe(false);
    const asked = httpRequest(`${door.url}/openapi.json`, { agent: false }).end();
    const [answer] = (await once(asked, 'response')) as [{ statusCode: number; resume(): void }];
    answer.resume();
    expect(answer.statusCode).toBe(200);
    await closed;
    await expect(fetch(door.url)).rejects.toThrow();
  });
});
