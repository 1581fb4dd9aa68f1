import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { afterEach, describe, expect, test } from 'vitest';
import { RedisLink } from './connection.redis.js';
import { LeanConnector } from './lean-connector.redis.js';
import { Log } from './log.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Answers `+OK` to whatever comes; of half a connection it does not let go. */
async function listening(
  path?: string,
): Promise<{ readonly port: number; readonly sockets: Socket[] }> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on('data', () => socket.write('+OK\r\n')).on('error', () => undefined));
  });
  closing.push(() => (sockets.forEach((socket) => socket.destroy()), server.close()));
  await once(server.listen(path ?? { port: 0, host: '127.0.0.1' }), 'listening');
  return { port: path === undefined ? (server.address() as AddressInfo).port : 0, sockets };
}

function client(options: RedisOptions): Redis {
  const given = { disableClientInfo: true, enableReadyCheck: false, retryStrategy: () => null };
  const redis = new Redis({ Connector: LeanConnector, ...given, ...options });
  closing.push(() => redis.disconnect());
  return redis.on('error', () => undefined);
}

describe('a connection of ioredis with lean reads', () => {
  test.each<RedisOptions>([
    { host: '127.0.0.1' },
    { host: 'localhost' },
    { host: 'localhost', family: 4 },
  ])('is made to %o', async (place) => {
    const { port } = await listening();
    expect(await client({ ...place, port }).get('a')).toBe('OK');
  });

  test('is made to a path', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'lean-connector-'));
    closing.push(() => rm(directory, { recursive: true }));
    const path = join(directory, 'socket');
    await listening(path);
    expect(await client({ path }).get('a')).toBe('OK');
  });

  test('says why it cannot be made', async () => {
    const { port } = await listening();
    const address = client({ host: '::1', family: 6, port, lazyConnect: true });
    const failed = once(address, 'error');
    await expect(address.connect()).rejects.toThrow('Connection is closed');
    expect(String(await failed)).toMatch(/ECONNREFUSED|EADDRNOTAVAIL|EAFNOSUPPORT|ENETUNREACH/);
  });

  test('is not made for one that leaves in the same turn', async () => {
    const { port, sockets } = await listening();
    const redis = client({ port, lazyConnect: true });
    const opened = redis.connect();
    redis.disconnect();
    await expect(opened).rejects.toThrow('Connection is closed');
    expect(sockets).toEqual([]);
  });

  test('is closed in its time though the other side does not close it', async () => {
    const { port } = await listening();
    const redis = client({ port, disconnectTimeout: 100 });
    await redis.get('a');
    const began = performance.now();
    redis.disconnect();
    await once(redis, 'end');
    expect(performance.now() - began).toBeGreaterThan(90);
    expect(performance.now() - began).toBeLessThan(1_000);
  });

  test('is given up by silence after a command', async () => {
    const { port, sockets } = await listening();
    const redis = client({ port, socketTimeout: 100 });
    await redis.get('a');
    for (const socket of sockets) socket.removeAllListeners('data');
    const failed = once(redis, 'error');
    await expect(redis.get('a')).rejects.toThrow();
    expect(String(await failed)).toMatch(/Socket timeout/);
  });
});

test('the link to Redis has them, to a Redis Cluster as well, but not where it speaks TLS', () => {
  const linkTo = (...urls: readonly string[]): RedisLink => {
    const link = new RedisLink(
      { urls },
      { name: 'test', log: Log.silent(), commandTimeoutMs: 100 },
    );
    closing.push(() => link.stop());
    return link;
  };
  const connectorTo = (...urls: readonly string[]): unknown => {
    const { client } = linkTo(...urls);
    return client instanceof Cluster
      ? client.options.redisOptions?.Connector
      : client.options.Connector;
  };
  expect(connectorTo('redis://127.0.0.1:1')).toBe(LeanConnector);
  expect(connectorTo('redis://127.0.0.1:1', 'redis://127.0.0.1:2')).toBe(LeanConnector);
  expect(connectorTo('rediss://127.0.0.1:1')).toBeUndefined();
  expect(connectorTo('rediss://127.0.0.1:1', 'rediss://127.0.0.1:2')).toBeUndefined();
});
