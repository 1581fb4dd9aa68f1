/** Every row of the refusal table, through the ports of a running service. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { REFUSALS, type RefusalName } from '#webpush';
import { Limited } from '../support/limited.js';
import { RawPeer, head } from '../support/raw-peer.js';
import { post, request, vapidKeys, type Answer } from '../support/sender.js';

/** Nothing sends 429 to a sender yet; 500 takes a mistake of ours, see http-server.uws.spec.ts. */
const UNREACHABLE: readonly RefusalName[] = ['quotaExceeded', 'unknown'];
const PAYLOAD_MAX = 65_536;
const BODIES_MAX = 16;

let limited: Limited;
beforeAll(async () => {
  limited = await Limited.start({
    PAYLOAD_BYTES_MAX: String(PAYLOAD_MAX),
    BODY_BYTES_IN_FLIGHT_MAX: String(BODIES_MAX * PAYLOAD_MAX),
  });
});
afterAll(() => limited.dispose());

const at = (path: string): string => `${limited.service.ingestUrl}${path}`;
async function endpoint(key?: string): Promise<string> {
  const subscribed = await limited.subscribed(key);
  await subscribed.device.leave();
  return subscribed.endpoint;
}
const posted = async (headers: Record<string, string | undefined>): Promise<Answer> =>
  post(await endpoint(), 'x', headers);

const asking: Partial<Record<RefusalName, () => Promise<Answer>>> = {
  pathUnknown: () => request('POST', at('/nowhere')),
  methodUnknown: () => request('PUT', at('/wpush/v1/x')),
  receiverUnknown: () => post(at(`/wpush/v1/${randomBytes(64).toString('base64url')}`), 'x'),
  messageUnknown: () => request('DELETE', at(`/m/${randomBytes(64).toString('base64url')}`)),
  vapidInvalid: async () => post(await endpoint(vapidKeys().publicKey), 'x'),
  deviceGone: async () => {
    const door = limited.service.registrationUrl;
    const made = await request('POST', `${door}/v1/registrations`, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ site: 'https://stocks.example' }),
    });
    const { device, endpoint } = JSON.parse(made.body) as Record<'device' | 'endpoint', string>;
    await request('DELETE', `${door}/v1/device`, {
      headers: { authorization: `Bearer ${device}` },
    });
    return post(endpoint, 'x');
  },
  subscriptionGone: async () => {
    const { device, endpoint, channelID } = await limited.subscribed();
    await device.unregister(channelID);
    await device.leave();
    return post(endpoint, 'x');
  },
  payloadTooLarge: async () => post(await endpoint(), Buffer.alloc(PAYLOAD_MAX + 1)),
  ttlInvalid: () => posted({ ttl: undefined }),
  ttlNegative: () => posted({ ttl: '-1' }),
  topicInvalid: () => posted({ topic: 'a'.repeat(33) }),
  urgencyInvalid: () => posted({ urgency: 'now' }),
  cryptoInvalid: () => posted({ 'content-encoding': 'gzip' }),
  unavailable: async () => {
    const target = await endpoint();
    const fields = { TTL: 5, 'Content-Encoding': 'aes128gcm', 'Content-Length': PAYLOAD_MAX };
    const begun = await Promise.all(
      Array.from({ length: BODIES_MAX }, () => RawPeer.to(limited.service.ports.ingest)),
    );
    for (const one of begun) one.send(head('POST', new URL(target).pathname, fields));
    const full = BODIES_MAX * PAYLOAD_MAX;
    await expect.poll(() => limited.metric('ingest_body_bytes')).toBe(full);
    const answer = await post(target, 'x');
    for (const one of begun) one.destroy();
    return answer;
  },
};
const rows = Object.entries(asking) as [RefusalName, () => Promise<Answer>][];

test.each(rows)('%s', async (name, ask) => {
  const row = REFUSALS[name];
  const counter = `ingest_refused_total{refusal="${row.label}"}`;
  const before = await limited.metric(counter);
  const answer = await ask();
  expect([answer.status, answer.errno]).toEqual([row.status, row.errno]);
  expect(Object.keys(JSON.parse(answer.body) as object)).toEqual([
    ...['code', 'errno', 'error', 'message', 'more_info'],
  ]);
  const retryAfter = 'retryAfterSeconds' in row ? String(row.retryAfterSeconds) : null;
  expect(answer.headers.get('retry-after')).toBe(retryAfter);
  expect(await limited.metric(counter)).toBe(before + 1);
  expect(await limited.service.accounts()).toMatchObject({ accepted: 0, unaccounted: 0 });
});

test('these are all rows of the table but two', () => {
  const names = [...rows.map(([name]) => name), ...UNREACHABLE];
  expect(names.sort()).toEqual(Object.keys(REFUSALS).sort());
});
