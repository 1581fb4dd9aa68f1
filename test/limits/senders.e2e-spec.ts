/** What an application server may send: bodies, heads, times and tokens, at each limit and one beyond it. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Limited, takeAll } from '../support/limited.js';
import { RawPeer, head, headOfBytes, upgrade } from '../support/raw-peer.js';
import { accepted, inSeconds, post, vapid, vapidKeys } from '../support/sender.js';

const PAYLOAD_MAX = 65_536;
const IN_FLIGHT_MAX = 1_048_576;
/** Fixed by the library: bytes and fields of a head at the ports of devices and senders. */
const HEAD_BYTES_MAX = 4_096;
const HEAD_FIELDS_MAX = 98;
const AES = { TTL: 60, 'Content-Encoding': 'aes128gcm' };

let limited: Limited;
beforeAll(async () => {
  limited = await Limited.start({
    PAYLOAD_BYTES_MAX: String(PAYLOAD_MAX),
    TTL_SECONDS_MAX: '60',
    BODY_BYTES_IN_FLIGHT_MAX: String(IN_FLIGHT_MAX),
    VAPID_TOKENS_MAX: '2',
  });
});
afterAll(() => limited.dispose());

const sender = (): Promise<RawPeer> => RawPeer.to(limited.service.ports.ingest);
const bodyBytes = (): Promise<number> => limited.metric('ingest_body_bytes');

describe('PAYLOAD_BYTES_MAX', () => {
  test('of the largest setting goes through byte for byte, and one byte more is 413', async () => {
    const { device, endpoint } = await limited.subscribed();
    const body = Buffer.from(Array.from({ length: PAYLOAD_MAX }, (_, i) => (i * 7) % 256));
    await accepted(endpoint, body);
    const [frame] = await takeAll(device, 1);
    expect(Buffer.from(frame?.data ?? '', 'base64url').equals(body)).toBe(true);
    const over = await post(endpoint, Buffer.concat([body, Buffer.alloc(1)]));
    expect(over).toMatchObject({ status: 413, errno: 104 });
    expect(await takeAll(device, 0)).toEqual([]);
    expect(await limited.metric('ingest_refused_total{refusal="payload_too_large"}')).toBe(1);
    await device.leave();
  });

  test('is kept by chunks too, which say no length', async () => {
    const { device, endpoint } = await limited.subscribed();
    const path = new URL(endpoint).pathname;
    const chunked = head('POST', path, { ...AES, 'Transfer-Encoding': 'chunked' });
    const chunk = (bytes: number): string => `${bytes.toString(16)}\r\n${'q'.repeat(bytes)}\r\n`;
    const [whole, over] = [await sender(), await sender()];
    whole.send(chunked, chunk(65_000), chunk(536), '0\r\n\r\n');
    over.send(chunked, chunk(65_000), chunk(537));
    await Promise.all([whole.answered(), over.over()]);
    expect([whole.statuses, over.statuses]).toEqual([['201'], ['413']]);
    const [frame] = await takeAll(device, 1);
    expect(Buffer.from(frame?.data ?? '', 'base64url')).toHaveLength(PAYLOAD_MAX);
    whole.destroy();
    await device.leave();
  });
});

describe('TTL_SECONDS_MAX', () => {
  test.each([
    ['59', '59'],
    ['60', '60'],
    ['61', '60'],
    ['9'.repeat(40), '60'],
  ])('a TTL of %s is answered as %s', async (asked, effective) => {
    const { device, endpoint } = await limited.subscribed();
    const answer = await post(endpoint, 'x', { ttl: asked });
    expect([answer.status, answer.headers.get('ttl')]).toEqual([201, effective]);
    await takeAll(device, 1);
    await device.leave();
  });
});

test('BODY_BYTES_IN_FLIGHT_MAX: beyond it 503, what was begun is accepted, and room comes back', async () => {
  const { device, endpoint } = await limited.subscribed();
  const path = new URL(endpoint).pathname;
  const count = IN_FLIGHT_MAX / PAYLOAD_MAX;
  const begun = await Promise.all(Array.from({ length: count }, sender));
  const body = Buffer.alloc(PAYLOAD_MAX, 'q');
  const fields = { ...AES, 'Content-Length': PAYLOAD_MAX };
  for (const one of begun) one.send(head('POST', path, fields), body.subarray(0, 100));
  await expect.poll(bodyBytes).toBe(IN_FLIGHT_MAX);

  const over = await post(endpoint, 'x');
  expect(over).toMatchObject({ status: 503, errno: 201 });
  expect(over.headers.get('retry-after')).toBe('30');
  expect(await limited.metric('ingest_refused_total{refusal="unavailable"}')).toBe(1);
  expect((await post(endpoint)).status).toBe(201); // it has no body
  begun[0]?.socket.resetAndDestroy(); // one gives up: there is room for its bytes
  await expect.poll(bodyBytes).toBe(IN_FLIGHT_MAX - PAYLOAD_MAX);
  expect((await post(endpoint, 'y')).status).toBe(201);

  for (const one of begun.slice(1)) one.send(body.subarray(100));
  await Promise.all(begun.slice(1).map((one) => one.answered()));
  expect(begun.slice(1).flatMap(({ statuses }) => statuses)).toEqual(Array(count - 1).fill('201'));
  expect(await bodyBytes()).toBe(0);
  await takeAll(device, count + 1);
  expect(await limited.accounts()).toMatchObject({ pending: 0, unaccounted: 0 });
  for (const one of begun) one.destroy();
  await device.leave();
});

describe('VAPID_TOKENS_MAX', () => {
  test('bounds what is remembered, not what is accepted', async () => {
    const keys = vapidKeys();
    const { device, endpoint } = await limited.subscribed(keys.publicKey);
    const tokens = Array.from({ length: 6 }, (_, i) =>
      vapid(keys, endpoint, { sub: `mailto:${i}@stocks.example` }),
    );
    for (const authorization of [...tokens, ...tokens, ...tokens.slice().reverse()]) {
      expect((await post(endpoint, 'x', { authorization })).status).toBe(201);
    }
    for (const token of tokens) {
      const authorization = token.replace(/[\w-]{8}, k=/, 'AAAAAAAA, k='); // another signature
      expect(await post(endpoint, 'x', { authorization })).toMatchObject({ status: 401 });
    }
    await takeAll(device, 18);
    await device.leave();
  });

  test('a token is not remembered beyond its end', async () => {
    const keys = vapidKeys();
    const { device, endpoint } = await limited.subscribed(keys.publicKey);
    // 60 s of leeway, and not two of them left.
    const authorization = vapid(keys, endpoint, { exp: inSeconds(-58) });
    expect((await post(endpoint, 'x', { authorization })).status).toBe(201);
    expect((await post(endpoint, 'x', { authorization })).status).toBe(201);
    await pause(2_600);
    expect(await post(endpoint, 'x', { authorization })).toMatchObject({ status: 401, errno: 109 });
    await takeAll(device, 2);
    await device.leave();
  });
});

describe('the head of a request', () => {
  const answer = async (port: number, text: string): Promise<string> => {
    const peer = await RawPeer.to(port);
    await peer.send(text).answered();
    peer.destroy();
    return peer.statuses[0] ?? 'closed';
  };
  const withFields = (count: number, text: string): string => {
    const more = count - (text.split('\r\n').length - 3);
    return text.replace(/\r\n$/, `${'X: a\r\n'.repeat(more)}\r\n`);
  };

  test('of HEAD_BYTES_MAX or 98 fields is read by ingest and gateway, beyond it is 431', async () => {
    const { device, endpoint } = await limited.subscribed();
    const { ingest, gateway } = limited.service.ports;
    const push = head('POST', new URL(endpoint).pathname, { TTL: 60, 'Content-Length': 0 });
    for (const [port, text, fine] of [
      [ingest, push, '201'],
      [gateway, upgrade(), '101'],
    ] as const) {
      expect(await answer(port, headOfBytes(HEAD_BYTES_MAX, text))).toBe(fine);
      expect(await answer(port, headOfBytes(HEAD_BYTES_MAX + 1, text))).toBe('431');
      expect(await answer(port, withFields(HEAD_FIELDS_MAX, text))).toBe(fine);
      expect(await answer(port, withFields(HEAD_FIELDS_MAX + 1, text))).toBe('431');
    }
    await takeAll(device, 2);
    await device.leave();
  });

  test('of 8 KiB is read by the REST door and the ops port, much more is 431', async () => {
    const { registration, ops } = limited.service.ports;
    for (const [port, path, fine] of [
      [registration, '/v1/registrations', '401'],
      [ops, '/health/live', '200'],
    ] as const) {
      expect(await answer(port, headOfBytes(8_192, head('GET', path)))).toBe(fine);
      expect(await answer(port, headOfBytes(8_500, head('GET', path)))).toBe('431');
    }
  });
});

test('the body of a request to the REST door is read up to 16 KiB, and one byte more is 413', async () => {
  const register = async (bytes: number): Promise<string> => {
    const text = JSON.stringify({ site: 'https://stocks.example' });
    const peer = await RawPeer.to(limited.service.ports.registration);
    const fields = { 'Content-Type': 'application/json', 'Content-Length': bytes };
    await peer.send(head('POST', '/v1/registrations', fields), text.padEnd(bytes)).answered();
    peer.destroy();
    return peer.statuses[0] ?? '';
  };
  expect([await register(16_384), await register(16_385)]).toEqual(['201', '413']);
});
