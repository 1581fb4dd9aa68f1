/** The site over HTTP, with a push service of a few lines on the other side. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import webpush from 'web-push';
import { ConfigError, EnvReader, Log, NestLog } from '#runtime';
import { demoConfig } from './config.js';
import { verdictOn } from './courier.js';
import { DemoModule } from './demo.module.js';
import type { Report } from './reports.js';

interface Posted {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: number;
}

let folder: string;
let service: Server;
let servicePort = 0;
let posted: Posted[];
/** What the push service answers next; then 201. */
let answers: { status: number; headers?: Record<string, string> }[];
let app: NestFastifyApplication;
let site: string;

async function openService(): Promise<void> {
  service = createServer((request, response) => {
    void request.toArray().then((chunks) => {
      const { url: path = '', headers } = request;
      posted.push({ path, headers, bytes: Buffer.concat(chunks as Buffer[]).length });
      const { status, headers: more } = answers.shift() ?? { status: 201 };
      response.writeHead(status, { location: 'http://push/m/1', ttl: '60', ...more }).end();
    });
  });
  await new Promise<void>((resolve) => service.listen(servicePort, '127.0.0.1', resolve));
  servicePort = (service.address() as AddressInfo).port;
}

async function closeService(): Promise<void> {
  service.closeAllConnections();
  await new Promise((resolve) => service.close(resolve));
}

async function openSite(more: Record<string, string> = {}): Promise<void> {
  const env = { DATA_DIR: folder, INGEST_PORT: String(servicePort), QUOTE_INTERVAL_MS: '3600000' };
  const config = demoConfig(new EnvReader({ ...env, ...more }), folder);
  const options = { logger: new NestLog(Log.silent()), forceCloseConnections: true };
  const module = DemoModule.forRoot(config, Log.silent());
  app = await NestFactory.create<NestFastifyApplication>(module, new FastifyAdapter(), options);
  await app.listen(0, '127.0.0.1');
  site = await app.getUrl();
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'heliograph-demo-'));
  for (const name of ['index.html', 'page.js']) writeFileSync(join(folder, name), name);
  [posted, answers] = [[], []];
  await openService();
  await openSite();
});
afterEach(async () => {
  await app.close();
  await closeService();
  rmSync(folder, { recursive: true });
});

const { publicKey: p256dh } = webpush.generateVAPIDKeys();
const keys = { p256dh, auth: 'A'.repeat(22) };
const endpoint = (name = 'one'): string => `http://127.0.0.1:${servicePort}/wpush/v2/${name}`;

async function post(
  path: string,
  body: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const answer = await fetch(`${site}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

async function subscribe(): Promise<string> {
  const { status, body } = await post('/api/subscriptions', { endpoint: endpoint(), keys });
  expect(status).toBe(201);
  return String(body['id']);
}

/** The reports of a subscriber, from the latest past on. */
async function* reportsOf(id: string): AsyncGenerator<Report> {
  const answer = await fetch(`${site}/api/subscriptions/${id}/reports`);
  expect(answer.headers.get('content-type')).toContain('text/event-stream');
  let text = '';
  for await (const chunk of answer.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString();
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (data) yield JSON.parse(data) as Report;
    }
  }
}

async function nextReport(reports: AsyncGenerator<Report>): Promise<Report> {
  return (await reports.next()).value as Report;
}

describe('the site', () => {
  test('tells its page what it must know', async () => {
    const told = (await (await fetch(`${site}/api/site`)).json()) as Record<string, unknown>;
    expect(told).toMatchObject({
      name: 'Meridian',
      endpointOrigin: `http://127.0.0.1:${servicePort}`,
      gatewayUrl: 'ws://127.0.0.1:8080/',
      applicationServerKey: expect.stringMatching(/^B[\w-]{86}$/) as string,
    });
  });

  test('serves the files of its page, and no others', async () => {
    const index = await fetch(site);
    expect(index.headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(index.headers.get('content-security-policy')).toContain("default-src 'none'");
    expect(index.headers.get('content-security-policy')).toContain(
      "connect-src 'self' ws://127.0.0.1:8080",
    );
    expect(await (await fetch(`${site}/page.js`)).text()).toBe('page.js');
    for (const path of ['/demo', '/subscribers.json', '/..%2fpage.js', '/demo/vapid.json']) {
      expect((await fetch(`${site}${path}`)).status).toBe(404);
    }
  });

  test('takes an endpoint of its own service, also after a restart, and refuses all others by name', async () => {
    const id = await subscribe();
    await app.close();
    await openSite();
    expect((await post(`/api/subscriptions/${id}/quotes`, {})).status).toBe(202);
    const foreign = 'https://updates.push.services.mozilla.com/wpush/v2/x';
    const refused = await post('/api/subscriptions', { endpoint: foreign, keys });
    expect(refused.status).toBe(422);
    expect(refused.body['message']).toContain("Mozilla's push service");
    expect(refused.body['message']).toContain('npm run firefox');
  });

  test.each([
    [{}, 'endpoint'],
    [{ endpoint: 'no url', keys }, 'endpoint'],
    [{ endpoint: 'http://127.0.0.1/wpush/v2/x' }, 'keys'],
    [{ endpoint: 'http://127.0.0.1/wpush/v2/x', keys: { ...keys, auth: 'AA' } }, 'keys.auth'],
    [{ endpoint: 'http://127.0.0.1/wpush/v2/x', keys: { ...keys, p256dh: '' } }, 'keys.p256dh'],
    [[], 'body'],
  ])('refuses %j and names %s', async (body, field) => {
    const refused = await post('/api/subscriptions', body);
    expect(refused.status).toBe(400);
    expect(refused.body['message']).toContain(field);
  });

  test('has a limit of subscribers', async () => {
    await app.close();
    await openSite({ DEMO_SUBSCRIBERS_MAX: '1' });
    await subscribe();
    expect((await post('/api/subscriptions', { endpoint: endpoint('two'), keys })).status).toBe(
      503,
    );
  });

  test('knows no subscriber that it was not given', async () => {
    expect((await post('/api/subscriptions/unknown/quotes', {})).status).toBe(404);
    expect((await fetch(`${site}/api/subscriptions/unknown/reports`)).status).toBe(404);
  });

  test('is not to be asked in haste', async () => {
    const id = await subscribe();
    const asking = Array.from({ length: 12 }, () => post(`/api/subscriptions/${id}/quotes`, {}));
    const statuses = (await Promise.all(asking)).map(({ status }) => status);
    expect(statuses.filter((status) => status === 202).length).toBeGreaterThanOrEqual(10);
    expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(1);
  });

  test('says all that is wrong with its settings at once', () => {
    const env = new EnvReader({
      DEMO_PORT: '-1',
      QUOTE_INTERVAL_MS: '1',
      PUBLIC_GATEWAY_URL: 'http://x',
    });
    demoConfig(env);
    expect(() => env.finish()).toThrow(ConfigError);
    expect(() => env.finish()).toThrow(
      /DEMO_PORT[\s\S]*PUBLIC_GATEWAY_URL[\s\S]*QUOTE_INTERVAL_MS/,
    );
  });
});

describe('a quote', () => {
  test('that was asked for is sealed, signed, and waits an hour at the service', async () => {
    const id = await subscribe();
    await post(`/api/subscriptions/${id}/quotes`, {});
    const { quote, exchange, ...report } = await nextReport(reportsOf(id));
    expect(report).toMatchObject({ outcome: 'sent', attempt: 1, number: 1 });
    expect(quote).toMatchObject({ symbol: 'MRRW', isAsked: true });
    const [{ headers, path, bytes } = { headers: {}, path: '', bytes: 0 }] = posted;
    expect(path).toBe('/wpush/v2/one');
    expect(bytes).toBeGreaterThan(100);
    expect(headers).toMatchObject({
      ttl: '3600',
      urgency: 'high',
      'content-encoding': 'aes128gcm',
    });
    expect(headers.authorization).toMatch(/^vapid t=[\w.-]+, k=B/);
    expect(exchange?.answer).toMatchObject({
      status: 201,
      headers: { location: 'http://push/m/1' },
    });
    // The token is good for a day, so the page is not told it.
    expect(exchange?.headers['Authorization']).toMatch(/^vapid t=\(ES256 token\), k=B/);
  });

  test('of the clock waits a minute and replaces the one before', async () => {
    await app.close();
    await openSite({ QUOTE_INTERVAL_MS: '200' });
    const id = await subscribe();
    const { quote } = await nextReport(reportsOf(id));
    expect(quote?.isAsked).toBe(false);
    expect(posted[0]?.headers).toMatchObject({
      ttl: '60',
      topic: quote?.symbol,
      urgency: 'normal',
    });
  });

  test('may be without payload', async () => {
    const id = await subscribe();
    await post(`/api/subscriptions/${id}/quotes`, { isEmpty: true });
    const report = await nextReport(reportsOf(id));
    expect(report).not.toHaveProperty('quote');
    expect(posted[0]?.bytes).toBe(0);
    expect(posted[0]?.headers).not.toHaveProperty('content-encoding');
  });

  test.each([404, 410])(
    'that is answered %i makes the site forget the endpoint',
    async (status) => {
      const id = await subscribe();
      answers.push({ status });
      await post(`/api/subscriptions/${id}/quotes`, {});
      const reports = reportsOf(id);
      expect(await nextReport(reports)).toMatchObject({
        outcome: 'removed',
        exchange: { answer: { status } },
      });
      expect((await reports.next()).done).toBe(true);
      await vi.waitFor(async () => {
        expect((await post(`/api/subscriptions/${id}/quotes`, {})).status).toBe(404);
      });
    },
  );

  test('arrives later when the service was away', async () => {
    const id = await subscribe();
    await closeService();
    await post(`/api/subscriptions/${id}/quotes`, {});
    const reports = reportsOf(id);
    const first = await nextReport(reports);
    expect(first).toMatchObject({
      outcome: 'waiting',
      exchange: { failure: 'connection refused' },
    });
    await openService();
    let last = first;
    while (last.outcome === 'waiting') last = await nextReport(reports);
    expect(last).toMatchObject({ outcome: 'sent', number: first.number });
    expect(last.quote).toEqual(first.quote);
    expect(posted).toHaveLength(1);
  });

  test('is given up when the service says that it is no good', async () => {
    const id = await subscribe();
    answers.push({ status: 413 });
    await post(`/api/subscriptions/${id}/quotes`, {});
    expect(await nextReport(reportsOf(id))).toMatchObject({ outcome: 'refused' });
    expect((await post(`/api/subscriptions/${id}/quotes`, {})).status).toBe(202);
  });
});

describe('trying again', () => {
  const answered = (status: number, headers: Record<string, string> = {}) =>
    verdictOn({ answer: { status, headers, body: '' } }, 0);

  test('comes later each time, up to four seconds', () => {
    const waits = [0, 1, 2, 3, 4, 5, 6].map((failures) => verdictOn({}, failures).retryInMs);
    expect(waits).toEqual([500, 1000, 2000, 4000, 4000, 4000, 4000]);
  });

  test('waits as long as the service asks, up to a minute', () => {
    expect(answered(503, { 'retry-after': '30' }).retryInMs).toBe(30_000);
    expect(answered(429, { 'retry-after': '3600' }).retryInMs).toBe(60_000);
    expect(answered(503, { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }).retryInMs).toBe(500);
  });

  test.each([400, 401, 403, 413])('is not for %i', (status) => {
    expect(answered(status)).toEqual({ outcome: 'refused' });
  });
});
