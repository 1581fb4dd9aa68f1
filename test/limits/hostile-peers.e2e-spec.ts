/**
 * Peers that follow no protocol: noise, and requests that are cut off at every point. A handler of uWebSockets.js that
 * returns without an answer ends the process, so each kind of request is tried on both of its doors.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Limited } from '../support/limited.js';
import { RawPeer, frame, head, textFrame, upgrade } from '../support/raw-peer.js';
import { accepted } from '../support/sender.js';

let limited: Limited;
let path: string;
let message: string;
beforeAll(async () => {
  limited = await Limited.start({ LOG_LEVEL: 'error' });
  const { endpoint } = await limited.away();
  path = new URL(endpoint).pathname;
  message = new URL(await accepted(endpoint, 'waits')).pathname;
});
afterAll(() => limited.dispose());

/** It lives, has said nothing of errors, owes nothing and has lost count of nothing. */
async function isUnharmed(): Promise<void> {
  expect(await limited.serves()).toBe(true);
  await expect.poll(() => limited.metric('ingest_in_flight')).toBe(0);
  expect(await limited.metric('ingest_body_bytes')).toBe(0);
  expect((await limited.service.accounts()).unaccounted).toBe(0);
  expect(limited.service.output()).toBe('');
}

/** mulberry32: the same numbers at every run. */
function dice(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

describe('noise', () => {
  const DOORS = ['gateway', 'ingest', 'registration', 'ops'] as const;

  test.each(DOORS)('on the port of %s harms nobody', async (door) => {
    const roll = dice(DOORS.indexOf(door) + 7);
    const bytes = (): Buffer => Buffer.from(Array.from({ length: 1 + roll(400) }, () => roll(256)));
    const beginnings = ['', 'POST ', `POST ${path} HTTP/1.1\r\n`, head('POST', path), upgrade()];
    for (let round = 0; round < 10; round++) {
      const peers = await Promise.all(
        Array.from({ length: 20 }, () => RawPeer.to(limited.service.ports[door])),
      );
      for (const peer of peers) peer.send(beginnings[roll(beginnings.length)] ?? '', bytes());
      await pause(10);
      for (const peer of peers) {
        if (roll(2) === 0) peer.destroy();
        else peer.socket.resetAndDestroy();
      }
    }
    await isUnharmed();
  });

  test('in frames of every kind, greeted or not, harms nobody', async () => {
    const roll = dice(23);
    for (let round = 0; round < 8; round++) {
      const peers = await Promise.all(
        Array.from({ length: 20 }, () => RawPeer.to(limited.service.ports.gateway)),
      );
      await Promise.all(peers.map((peer) => peer.send(upgrade()).answered()));
      for (const [i, peer] of peers.entries()) {
        if (i % 2 === 0) peer.send(textFrame({ messageType: 'hello' }));
        const noise = Buffer.from(Array.from({ length: roll(300) }, () => roll(256)));
        const first = frame(noise, roll(16));
        first[0] = (first[0] ?? 0) ^ (roll(16) << 4); // fragments, reserved bits
        peer.send(first, noise);
      }
      await pause(10);
      for (const peer of peers) peer.destroy();
    }
    await isUnharmed();
  });
});

describe('a request that ends at any of its bytes, by FIN or RST, harms nobody', () => {
  const chunked = (): string =>
    head('POST', path, { TTL: 9, 'Content-Encoding': 'aes128gcm', 'Transfer-Encoding': 'chunked' });
  const sized = (bytes: number): string =>
    head('POST', path, { TTL: 9, 'Content-Encoding': 'aes128gcm', 'Content-Length': bytes });
  const toIngest: Record<string, () => string> = {
    'a POST': () => `${sized(20)}01234567890123456789`,
    'a POST in chunks': () => `${chunked()}5\r\nhello\r\n0\r\n\r\n`,
    'a POST that is too long': () => `${sized(5_000)}${'x'.repeat(50)}`,
    'a POST to nobody': () => `${head('POST', '/wpush/v1/x', { 'Content-Length': 5 })}hello`,
    'a DELETE': () => head('DELETE', message),
    'a HEAD': () => head('HEAD', path),
    'an OPTIONS': () => head('OPTIONS', path),
    'a GET': () => head('GET', path),
    'an upgrade on the wrong port': () => upgrade(path),
    'two lengths': () => head('POST', path, { 'Content-Length': 3, 'content-length': 4 }),
  };
  const toGateway: Record<string, () => string> = {
    'an upgrade': () => upgrade(),
    'an upgrade elsewhere': () => upgrade('/elsewhere'),
    'an upgrade without a key': () => upgrade('/', { 'Sec-WebSocket-Key': undefined }),
    'an upgrade with a body': () => `${upgrade('/', { 'Content-Length': 5 })}hello`,
    'a POST': () => `${head('POST', '/', { 'Content-Length': 10 })}0123456789`,
    'a POST without an end': () => `${head('POST', '/', { 'Content-Length': 10_000_000 })}0123`,
    'a POST in chunks': () =>
      `${head('POST', '/x', { 'Transfer-Encoding': 'chunked' })}2\r\nab\r\n`,
    'a HEAD': () => head('HEAD', '/'),
    'an OPTIONS': () => head('OPTIONS', '/'),
  };

  async function cutEverywhere(port: number, text: string): Promise<void> {
    const cuts = Array.from(text, (_, at) => at + 1).filter((at) => at % 7 === text.length % 7);
    const peers = await Promise.all([...cuts, ...cuts].map(() => RawPeer.to(port)));
    for (const [i, peer] of peers.entries()) {
      peer.socket.write(text.slice(0, cuts[i % cuts.length]));
      if (i < cuts.length) peer.socket.resetAndDestroy();
      else peer.socket.end();
    }
    await pause(5);
    for (const peer of peers) peer.destroy();
  }

  test.each(Object.entries(toIngest))('%s to ingest', async (_, text) => {
    await cutEverywhere(limited.service.ports.ingest, text());
    await isUnharmed();
  });

  test.each(Object.entries(toGateway))('%s to the gateway', async (_, text) => {
    await cutEverywhere(limited.service.ports.gateway, text());
    await isUnharmed();
  });

  test('a registration, which then has not happened', async () => {
    const answers = (): Promise<number> => limited.metric('registration_answers_total');
    const before = await answers();
    const body = JSON.stringify({ site: 'https://stocks.example' });
    const fields = { 'Content-Type': 'application/json', 'Content-Length': body.length };
    const text = head('POST', '/v1/registrations', fields) + body;
    await cutEverywhere(limited.service.ports.registration, text.slice(0, -1));
    await isUnharmed();
    expect(await answers()).toBe(before);
  });
});
