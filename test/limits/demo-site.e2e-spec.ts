/** The limits of the stock-quotes site, as a process of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DemoSite } from '../support/demo-site.js';
import { request } from '../support/sender.js';

/** Nobody listens there; the site is only asked to remember. */
const SERVICE = 'http://127.0.0.1:1';
const folder = mkdtempSync(join(tmpdir(), 'heliograph-demo-'));
let site: DemoSite;
beforeAll(async () => {
  const addresses = { gatewayUrl: 'ws://127.0.0.1:1/', endpointUrl: SERVICE };
  const env = { DEMO_SUBSCRIBERS_MAX: '2' };
  site = await DemoSite.start({ ...addresses, dataDir: folder, env });
});
afterAll(async () => {
  await site.stop();
  rmSync(folder, { recursive: true });
});

const keys = { p256dh: 'B'.repeat(87), auth: 'a'.repeat(22) };
const subscribe = async (name: string): Promise<number> => {
  const body = JSON.stringify({ endpoint: `${SERVICE}/wpush/v1/${name}`, keys });
  const headers = { 'content-type': 'application/json' };
  return (await request('POST', `${site.url}api/subscriptions`, { headers, body })).status;
};

test('DEMO_SUBSCRIBERS_MAX are kept, one more is 503, and who is there may come again', async () => {
  expect([await subscribe('one'), await subscribe('two')]).toEqual([201, 201]);
  expect([await subscribe('three'), await subscribe('one')]).toEqual([503, 201]);
});

test('a body of more than 16 KiB is 413', async () => {
  expect(await subscribe('x'.repeat(16_384))).toBe(413);
});
