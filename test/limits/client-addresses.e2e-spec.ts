/** Limits per client address: who the client is, by its socket, by a proxy that is trusted, and by one that is not. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Limited } from '../support/limited.js';
import { RawPeer, frame, head, proxyHeader, upgrade } from '../support/raw-peer.js';

const CONNECTIONS_MAX = 2;
const REGISTRATIONS_MAX = 2;
const PROXY = '127.0.0.99';

let limited: Limited;
const peers: RawPeer[] = [];
beforeAll(async () => {
  limited = await Limited.start({
    CONNECTIONS_PER_ADDRESS_MAX: String(CONNECTIONS_MAX),
    REGISTRATIONS_PER_ADDRESS_MAX: String(REGISTRATIONS_MAX),
    TRUSTED_PROXIES: `${PROXY}, 10.0.0.0/8`,
  });
});
afterAll(() => limited.dispose());
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.destroy();
  await expect.poll(() => limited.metric('gateway_connections')).toBe(0);
});

async function connect(port: number, from: string): Promise<RawPeer> {
  const peer = await RawPeer.to(port, { from });
  peers.push(peer);
  return peer;
}

interface Claim {
  readonly forwardedFor?: string;
  readonly proxied?: string;
}

async function upgraded(from: string, { forwardedFor, proxied }: Claim = {}): Promise<RawPeer> {
  const peer = await connect(limited.service.ports.gateway, from);
  const before = proxied === undefined ? '' : proxyHeader(proxied);
  return peer.send(before, upgrade('/', { 'X-Forwarded-For': forwardedFor })).answered();
}

const statusesOf = async (from: string, ...claims: readonly Claim[]): Promise<string[]> => {
  const statuses: string[] = [];
  for (const claim of claims) statuses.push((await upgraded(from, claim)).statuses[0] ?? '');
  return statuses;
};

describe('CONNECTIONS_PER_ADDRESS_MAX', () => {
  test('lets so many in, refuses one more with 429, and counts each address by itself', async () => {
    const before = await limited.metric('gateway_refused_connections_total');
    expect(await statusesOf('127.0.0.11', {}, {}, {}, {})).toEqual(['101', '101', '429', '429']);
    expect(await statusesOf('127.0.0.12', {})).toEqual(['101']);
    expect(await limited.metric('gateway_refused_connections_total')).toBe(before + 2);
    expect(await limited.metric('gateway_connections')).toBe(3);
  });

  test('has room again however a connection ends', async () => {
    const from = '127.0.0.13';
    const ends: ((peer: RawPeer) => unknown)[] = [
      (peer) => peer.send(frame(Buffer.from([3, 232]), 8)).over(), // a close frame
      (peer) => peer.socket.resetAndDestroy(),
      (peer) => peer.socket.end(),
      (peer) => peer.send(frame('garbage')).over(), // closed by the service
    ];
    const stays = await upgraded(from);
    for (const end of ends) {
      const peer = await upgraded(from);
      expect(peer.statuses).toEqual(['101']);
      expect(await statusesOf(from, {})).toEqual(['429']);
      await end(peer);
      await expect.poll(() => limited.metric('gateway_connections')).toBe(1);
    }
    expect(stays.isOver).toBe(false);
  });

  test('counts by X-Forwarded-For when the peer is a trusted proxy, by its last hop that is none', async () => {
    const one = { forwardedFor: '198.51.100.1' };
    const two = { forwardedFor: '203.0.113.7, 198.51.100.1, 10.1.2.3' };
    const liar = { forwardedFor: '198.51.100.9, 198.51.100.1' };
    expect(await statusesOf(PROXY, one, two, liar)).toEqual(['101', '101', '429']);
    expect(await statusesOf(PROXY, { forwardedFor: '198.51.100.2' })).toEqual(['101']);
  });

  test('takes all lines of X-Forwarded-For: what a client wrote stands above the line of the proxy', async () => {
    const statuses: string[] = [];
    for (const forged of ['198.51.100.41', '198.51.100.42', '198.51.100.43']) {
      const peer = await connect(limited.service.ports.gateway, PROXY);
      const lines = { 'x-forwarded-for': forged, 'X-Forwarded-For': '203.0.113.41' };
      statuses.push(...(await peer.send(upgrade('/', lines)).answered()).statuses);
    }
    expect(statuses).toEqual(['101', '101', '429']);
  });

  test('counts an IPv6 customer, who has a whole /64, as one', async () => {
    const [a, b, c] = ['2001:db8:0:1::1', '[2001:db8:0:1::2]:443', '2001:db8:0:1:ffff::3'];
    const next = '2001:db8:0:2::1';
    const claims = [a, b, c, next].map((forwardedFor) => ({ forwardedFor }));
    expect(await statusesOf(PROXY, ...claims)).toEqual(['101', '101', '429', '101']);
  });

  test('counts by PROXY v2 when the peer is a trusted proxy', async () => {
    const one = { proxied: '198.51.100.21' };
    expect(await statusesOf(PROXY, one, one, one)).toEqual(['101', '101', '429']);
    expect(await statusesOf(PROXY, { proxied: '198.51.100.22' })).toEqual(['101']);
  });

  test('believes neither from anybody else', async () => {
    const claims = [
      { forwardedFor: '198.51.100.31' },
      { proxied: '198.51.100.32' },
      { forwardedFor: '198.51.100.33' },
      { proxied: '198.51.100.34' },
    ];
    expect(await statusesOf('127.0.0.14', ...claims)).toEqual(['101', '101', '429', '429']);
  });
});

describe('REGISTRATIONS_PER_ADDRESS_MAX', () => {
  const body = JSON.stringify({ site: 'https://stocks.example' });
  const register = async (from: string, forwardedFor?: string): Promise<RawPeer> => {
    const fields = {
      'Content-Type': 'application/json',
      'Content-Length': body.length,
      'X-Forwarded-For': forwardedFor,
    };
    const peer = await connect(limited.service.ports.registration, from);
    return peer.send(head('POST', '/v1/registrations', fields), body).answered();
  };
  const answers = async (from: string, ...forwarded: readonly (string | undefined)[]) => {
    const all: string[] = [];
    for (const one of forwarded) all.push(...(await register(from, one)).statuses);
    return all;
  };

  test('makes so many new devices, refuses one more with 429, and says when to come back', async () => {
    const none = undefined;
    expect(await answers('127.0.0.41', none, none)).toEqual(['201', '201']);
    const refused = await register('127.0.0.41');
    await refused.until(() => refused.said.includes('}'));
    expect(refused.statuses).toEqual(['429']);
    expect(refused.said).toMatch(/retry-after: 600\r\n/i);
    expect(JSON.parse(refused.said.slice(refused.said.indexOf('{')))).toMatchObject({ code: 429 });
    expect(await answers('127.0.0.42', none)).toEqual(['201']);
  });

  test('counts by X-Forwarded-For when the peer is a trusted proxy, a /64 as one', async () => {
    const [a, b, c] = ['2001:db8:0:9::1', '2001:db8:0:9::2', '2001:db8:0:9::3'];
    expect(await answers(PROXY, a, b, c, '198.51.100.51')).toEqual(['201', '201', '429', '201']);
  });

  test('believes nobody else', async () => {
    const claims = ['198.51.100.61', '198.51.100.62', '198.51.100.63'];
    expect(await answers('127.0.0.43', ...claims)).toEqual(['201', '201', '429']);
  });
});
