/** Connections on which nothing more comes: every door closes them in time, and they hold nothing. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DemoSite } from '../support/demo-site.js';
import { payloadOf } from '../support/device.js';
import { Limited } from '../support/limited.js';
import { RawPeer, head } from '../support/raw-peer.js';
import { accepted } from '../support/sender.js';

/** The library and Node's servers give a request 10 s, the ops port 5 s; the library's clock ticks every 4 s. */
const REQUEST_OVER_MS = 18_000;
const patient = { timeout: 30_000 };

let limited: Limited;
let site: DemoSite;
const closing: (() => unknown)[] = [];
const folder = mkdtempSync(join(tmpdir(), 'heliograph-half-open-'));
beforeAll(async () => {
  limited = await Limited.start({ PING_INTERVAL_MS: '4000', LOG_LEVEL: 'error' });
  closing.push(() => limited.dispose());
  const { gatewayUrl, ingestUrl } = limited.service;
  site = await DemoSite.start({ gatewayUrl, endpointUrl: ingestUrl, dataDir: folder });
  closing.push(() => site.stop());
});
afterAll(async () => {
  for (const close of closing) await close();
  rmSync(folder, { recursive: true });
});

const DOORS = {
  gateway: { port: () => limited.service.ports.gateway, path: '/' },
  ingest: { port: () => limited.service.ports.ingest, path: '' },
  registration: { port: () => limited.service.ports.registration, path: '/v1/registrations' },
  ops: { port: () => limited.service.ports.ops, path: '/metrics' },
  demo: { port: () => Number(new URL(site.url).port), path: '/api/subscriptions' },
};

test.concurrent.each(Object.entries(DOORS))(
  'a peer of %s that never begins its request, or never ends it, is closed',
  patient,
  async (_, { port, path }) => {
    const target = path || new URL((await limited.away()).endpoint).pathname;
    const fields = { TTL: 5, 'Content-Type': 'application/json', 'Content-Encoding': 'aes128gcm' };
    const begun = `${head('POST', target, { ...fields, 'Content-Length': 99 })}{`;
    const beginnings = ['', 'POST / HTTP/1.1\r\nHost: x\r\n', begun];
    const since = performance.now();
    const peers = await Promise.all(beginnings.map(() => RawPeer.to(port())));
    for (const [i, peer] of peers.entries()) peer.send(beginnings[i] ?? '');
    // One byte now and then does not keep it open.
    const drip = setInterval(() => peers.forEach((peer) => !peer.isOver && peer.send('x')), 1_500);
    await Promise.all(peers.map((peer) => peer.over())).finally(() => clearInterval(drip));
    expect(performance.now() - since).toBeLessThan(REQUEST_OVER_MS);
  },
);

test.concurrent(
  'a device that falls silent is closed, and gets everything when it comes back',
  patient,
  async () => {
    const { uaid, endpoint } = await limited.away();
    const silent = await (await RawPeer.to(limited.service.ports.gateway)).greet({ uaid }); // and answers no ping
    await accepted(endpoint, 'unheard');
    await silent.until(() => silent.texts.length === 2);
    const since = performance.now();
    await silent.over();
    expect(performance.now() - since).toBeGreaterThan(6_000);
    const back = await limited.greeted(uaid);
    const again = await back.next('notification');
    expect(payloadOf(again)).toBe('unheard');
    back.ack(again);
    await back.leave();
  },
);

test('after that nothing is open or owed, nothing is lost, and nobody complains', async () => {
  expect(await limited.serves()).toBe(true);
  await expect.poll(() => limited.metric('gateway_connections')).toBe(0);
  await expect.poll(() => limited.metric('ingest_in_flight')).toBe(0);
  expect(await limited.metric('ingest_body_bytes')).toBe(0);
  expect(await limited.accounts()).toMatchObject({ pending: 0, unaccounted: 0 });
  expect(limited.service.output()).toBe('');
});
