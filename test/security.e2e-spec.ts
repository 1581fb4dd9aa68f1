/**
 * Real servers that are set up the way a careful operator sets them up: TLS and the least rights towards Kafka and
 * Redis, TLS at every door, proxies of which some are trusted. And what is said when one of these is set up wrong.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request as httpsRequest } from 'node:https';
import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { redisRights, refuseMissingRights } from '#cluster.redis';
import { Log, type KafkaAccess } from '#runtime';
import { KafkaWatch } from '#runtime.kafka';
import { RedisLink } from '#runtime.redis';
import { Cluster } from './support/cluster.js';
import { Device, payloadOf } from './support/device.js';
import { allowKafkaUser, startSecuredKafka, type SecuredKafka } from './support/kafka.js';
import { requires } from './support/machine.js';
import { proxyHeader, raw, type Raw } from './support/proxied.js';
import { startRedis, type RedisServer } from './support/redis.js';
import { freePorts, startStandalone, type Standalone } from './support/standalone.js';
import { selfSigned, type Certificate } from './support/tls.js';

const USER = 'heliograph';
const PASSWORD = randomBytes(12).toString('hex');

requires('kafka', 'redis').describe('a cluster on a Kafka and a Redis that trust nobody', () => {
  let ours: Certificate;
  let foreign: Certificate;
  let kafka: SecuredKafka;
  let redis: RedisServer;
  let redisAdmin: Redis;
  let redisAt: string;
  let cluster: Cluster;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    [ours, foreign] = await Promise.all([selfSigned(), selfSigned()]);
    const [tlsPort = 0, ...ports] = await freePorts(1 + 2 + 2 + 4);
    redisAt = `127.0.0.1:${tlsPort}`;
    const tls = { cert: ours.certFile, key: ours.keyFile, 'ca-cert': ours.certFile };
    const files = Object.entries(tls).flatMap(([what, file]) => [`--tls-${what}-file`, file]);
    const user = ['--user', USER, 'on', `>${PASSWORD}`, ...redisRights()];
    [kafka, redis] = await Promise.all([
      startSecuredKafka({ certificate: ours, users: { [USER]: PASSWORD, nobody: PASSWORD } }),
      startRedis(['--tls-port', String(tlsPort), '--tls-auth-clients', 'no', ...files, ...user]),
    ]);
    redisAdmin = new Redis(redis.url);
    const env = {
      KAFKA_USERNAME: USER,
      KAFKA_PASSWORD: PASSWORD,
      KAFKA_CA_FILE: ours.certFile,
      REDIS_URL: `rediss://${USER}:${PASSWORD}@${redisAt}`,
      REDIS_CA_FILE: ours.certFile,
      TLS_CERT_FILE: ours.certFile,
      TLS_KEY_FILE: ours.keyFile,
      PUBLIC_ENDPOINT_URL: `https://127.0.0.1:${ports[1]}`,
      STREAM_PREFIX: 'secured.',
    };
    const each = { gateways: 1, ingests: 1, routers: 1, registrations: 1 };
    cluster = new Cluster(kafka, redis, { ...each, partitions: 3, env }, [...ports]);
    await allowKafkaUser(kafka, { user: USER, prefix: 'secured.' });
    await cluster.createStreams();
    await cluster.start();
  }, 120_000);
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    redisAdmin.disconnect();
    await cluster.dispose();
    for (const certificate of [ours, foreign]) certificate.remove();
  });

  test('takes a notification from register to ack, over TLS at every door', async () => {
    const url = cluster.gatewayUrl(0).replace('ws:', 'wss:');
    const device = await Device.greeted(url, undefined, ours.certificate);
    const { endpoint } = await device.register();
    expect(endpoint).toMatch(/^https:/);
    const answer = await secured('POST', endpoint, { ca: ours.certificate, body: 'sealed' });
    expect(answer.status).toBe(201);
    const frame = await device.next('notification');
    expect(payloadOf(frame)).toBe('sealed');
    device.ack(frame);
    expect((await cluster.settled()).outcomes).toEqual(expect.objectContaining({ delivered: 1 }));
    await device.leave();
  });

  test('registers by REST over TLS', async () => {
    const url = cluster.registrationUrl(0).replace('http:', 'https:');
    const body = JSON.stringify({ site: 'https://stocks.example' });
    const options = { ca: ours.certificate, body, type: 'application/json' };
    expect((await secured('POST', `${url}/v1/registrations`, options)).status).toBe(201);
  });

  test('asks Redis for nothing that its rights do not allow', async () => {
    await cluster.gateways[0]!.stop();
    await cluster.gateways[0]!.start();
    expect(await redisAdmin.acl('LOG')).toEqual([]);
  });

  test('finds its streams as they must be', async () => {
    expect(await cluster.createStreams()).toMatch(/secured\.notifications.*found as it must be/);
  });

  describe('that is told a wrong password', () => {
    test('says so in one sentence each and waits; let in, it goes on', async () => {
      const router = cluster.routers[0]!;
      await router.stop();
      router.spawn({ REDIS_URL: `rediss://${USER}:late@${redisAt}` });
      await expect
        .poll(async () => (await router.report())?.checks['redis (quick)'], { timeout: 10_000 })
        .toBe(
          `Redis at ${redisAt} is away: it refuses the user ${USER}: user or password in REDIS_URL is wrong`,
        );
      expect(router.output).toContain('user or password in REDIS_URL is wrong');
      expect(router.output).not.toContain('late');
      await redisAdmin.acl('SETUSER', USER, '>late');
      await expect.poll(() => router.isReady(), { timeout: 10_000 }).toBe(true);
    });
  });

  test('proves who it is by the other SCRAM as well, if it is told to', async () => {
    const router = cluster.routers[0]!;
    await router.stop();
    await router.start({ KAFKA_SASL_MECHANISM: 'scram-sha-256' });
    await router.stop();
    await router.start();
  });

  test('is refused by a Kafka that does not know it, and waits', async () => {
    const ingest = cluster.ingests[0]!;
    await ingest.stop();
    ingest.spawn({ KAFKA_PASSWORD: 'wrong' });
    await expect
      .poll(async () => (await ingest.report())?.checks.kafka, { timeout: 10_000 })
      .toBe(
        `Kafka at ${kafka.brokers[0]} has not answered yet: it refuses the user ${USER}: ` +
          'KAFKA_USERNAME or KAFKA_PASSWORD is wrong',
      );
    expect(ingest.isRunning).toBe(true);
    await ingest.kill();
  });

  test('ends when its user of Kafka may not see the streams, with the sentence', async () => {
    const code = await cluster.ingests[0]!.runToEnd({ KAFKA_USERNAME: 'nobody' });
    expect(code).toBe(1);
    expect(cluster.ingests[0]!.output).toContain(
      'Kafka does not let the user nobody see secured.notifications',
    );
  });

  test('ends when its user of Redis lacks a right, with the right that is missing', async () => {
    await redisAdmin.acl(
      'SETUSER',
      'poor',
      'on',
      `>${PASSWORD}`,
      ...redisRights(),
      '-zadd',
      '-info',
    );
    const REDIS_URL = `rediss://poor:${PASSWORD}@${redisAt}`;
    expect(await cluster.ingests[0]!.runToEnd({ REDIS_URL })).toBe(1);
    expect(cluster.ingests[0]!.output).toContain(
      `Redis at ${redisAt} does not allow all that is needed. Missing: ACL SETUSER poor +info +zadd`,
    );
  });

  test('misses each right of Redis that is taken away, and the keys', async () => {
    const [, , , ...calls] = redisRights();
    const redisUrl = redis.url.replace('redis://', `redis://probe:${PASSWORD}@`);
    const missing = async (...less: readonly string[]): Promise<string> => {
      const rules = ['reset', 'on', `>${PASSWORD}`, ...redisRights(), ...less];
      await redisAdmin.acl('SETUSER', 'probe', ...rules);
      const client = new Redis(redisUrl, { enableReadyCheck: false });
      try {
        await refuseMissingRights(client, { address: 'redis', user: 'probe' });
        return '';
      } catch (error) {
        return (error as Error).message.replace(/^.*ACL SETUSER probe /, '');
      } finally {
        client.disconnect();
      }
    };
    expect(await missing()).toBe('');
    for (const right of calls) {
      const said = await missing(right.replace('+', '-'));
      expect(said.split(' ')).toContain(right);
    }
    expect(await missing('resetkeys')).toMatch(/^~hg:\* /);
  });

  describe('says of Kafka', () => {
    const sasl = { mechanism: 'scram-sha-512', username: USER, password: PASSWORD } as const;
    const reasonOf = async (
      access: Omit<KafkaAccess, 'brokers'>,
      isInner = false,
    ): Promise<string> => {
      const { brokers } = isInner ? { brokers: kafka.innerBrokers } : kafka;
      const watch = new KafkaWatch(
        { brokers, ...access },
        Log.into(() => undefined),
        'test',
      );
      closing.push(() => watch.stop());
      void watch.start();
      const reason = (): string => /yet: (.*)$/.exec(watch.absence ?? '')?.[1] ?? '';
      await expect.poll(reason, { timeout: 5_000 }).not.toBe('');
      return reason();
    };
    test.each([
      [
        'another mechanism',
        () =>
          reasonOf({
            tls: { caFile: ours.certFile },
            sasl: { ...sasl, mechanism: 'plain' },
          }),
        /^it does not take KAFKA_SASL_MECHANISM plain$/,
      ],
      [
        'another authority',
        () => reasonOf({ tls: { caFile: foreign.certFile }, sasl }),
        /^its certificate is not signed by KAFKA_CA_FILE/,
      ],
      [
        'no authority',
        () => reasonOf({ tls: {}, sasl }),
        /^its certificate is not signed by .*: set KAFKA_CA_FILE/,
      ],
      [
        'no TLS',
        () => reasonOf({ sasl }),
        /^it hangs up \(.*\): its port may want TLS \(KAFKA_TLS\)$/,
      ],
      [
        'no user',
        () => reasonOf({ tls: { caFile: ours.certFile } }),
        /^it hangs up \(.*\): its port may want a user \(KAFKA_USERNAME\)$/,
      ],
      [
        'TLS where there is none',
        () => reasonOf({ tls: {}, sasl }, true),
        /^its port speaks no TLS/,
      ],
      ['a user where there is none', () => reasonOf({ sasl }, true), /^its port wants no user/],
    ])('that it was given %s', async (_, reason, said) => {
      expect(await reason()).toMatch(said);
    });
  });

  describe('says of Redis', () => {
    const reasonOf = async (url: string, caFile?: string): Promise<string> => {
      const access = { urls: [url], ...(caFile !== undefined && { caFile }) };
      const log = Log.into(() => undefined);
      const link = new RedisLink(access, { name: 'test', log, commandTimeoutMs: 500 });
      closing.push(() => link.stop());
      const reason = (): string =>
        /away: (?!no connection)(.*)$/.exec(link.absence ?? '')?.[1] ?? '';
      await expect.poll(reason, { timeout: 5_000 }).not.toBe('');
      return reason();
    };
    const user = `${USER}:${PASSWORD}`;
    test.each([
      [
        'another authority',
        () => reasonOf(`rediss://${user}@${redisAt}`, foreign.certFile),
        /^its certificate is not signed by REDIS_CA_FILE/,
      ],
      [
        'no authority',
        () => reasonOf(`rediss://${user}@${redisAt}`),
        /^its certificate is not signed by .*: set REDIS_CA_FILE/,
      ],
      [
        'no TLS',
        () => reasonOf(`redis://${user}@${redisAt}`),
        /^it hangs up \(.*\): a port that speaks TLS wants rediss:/,
      ],
      [
        'TLS where there is none',
        () => reasonOf(redis.url.replace('redis:', 'rediss:')),
        /^no answer \(.*\): a port that speaks no TLS wants redis:/,
      ],
    ])('that it was given %s', async (_, reason, said) => {
      expect(await reason()).toMatch(said);
    });
  });
});

describe('a service with a certificate', () => {
  let certificate: Certificate;
  let service: Standalone;
  beforeAll(async () => {
    certificate = await selfSigned();
    const { certFile, keyFile } = certificate;
    service = await startStandalone({ env: { TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile } });
  });
  afterAll(async () => {
    await service.dispose();
    certificate.remove();
  });
  const DOORS = ['gateway', 'ingest', 'registration'] as const;

  test.each(DOORS)('speaks TLS at the door of %s, from 1.2 on, and nothing plain', async (door) => {
    const port = service.ports[door];
    const protocolWith = async (options: object): Promise<string> => {
      const socket = connectTls({
        host: '127.0.0.1',
        port,
        ca: certificate.certificate,
        ...options,
      });
      try {
        await once(socket, 'secureConnect');
        return String(socket.getProtocol());
      } catch (error) {
        return String((error as NodeJS.ErrnoException).code);
      } finally {
        socket.destroy();
      }
    };
    expect(await protocolWith({})).toBe('TLSv1.3');
    expect(await protocolWith({ maxVersion: 'TLSv1.2' })).toBe('TLSv1.2');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    expect(await protocolWith(old)).toMatch(/^ERR_SSL|ECONNRESET/);
    expect(await protocolWith({ ca: undefined })).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
    const plain = { to: `http://127.0.0.1:${port}`, from: '127.0.0.1', line: 'GET /docs' };
    expect((await raw(plain)).text).not.toMatch(/^HTTP\/1\.1 [1-3]/);
  });
});

/** 127.0.0.2 is trusted, 127.0.0.3 and all others are not. */
const PROXY = '127.0.0.2';
const STRANGER = '127.0.0.3';

describe('a service with a certificate and trusted proxies', () => {
  let certificate: Certificate;
  let service: Standalone;
  beforeAll(async () => {
    certificate = await selfSigned();
    const { certFile: TLS_CERT_FILE, keyFile: TLS_KEY_FILE } = certificate;
    const limits = { CONNECTIONS_PER_ADDRESS_MAX: '2', REGISTRATIONS_PER_ADDRESS_MAX: '2' };
    const env = { TLS_CERT_FILE, TLS_KEY_FILE, TRUSTED_PROXIES: PROXY, ...limits };
    service = await startStandalone({ env });
  });
  afterAll(async () => {
    await service.dispose();
    certificate.remove();
  });

  const open: { close(): void }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) one.close();
    await pause(50);
  });

  const statuses = async (requests: readonly Raw[]): Promise<number[]> => {
    const all: number[] = [];
    for (const request of requests) {
      const answer = await raw({ ...request, ca: certificate.certificate });
      open.push(answer);
      all.push(answer.status);
    }
    return all;
  };
  const upgrade = (from: string, client: string, more: Partial<Raw> = {}): Raw => ({
    ...{ to: `http://127.0.0.1:${service.ports.gateway}`, from, line: 'GET /', ...more },
    headers: {
      ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
      'sec-websocket-key': randomBytes(16).toString('base64'),
      ...(client && { 'x-forwarded-for': client }),
    },
  });
  const three = <T>(of: (i: number) => T): readonly T[] => [0, 1, 2].map(of);

  test('counts by the client that a trusted proxy names in X-Forwarded-For', async () => {
    const one = three(() => upgrade(PROXY, '192.0.2.1'));
    expect(await statuses(one)).toEqual([101, 101, 429]);
    expect(await statuses([upgrade(PROXY, '192.0.2.2')])).toEqual([101]);
    const lies = three((i) => upgrade(STRANGER, `198.51.100.${i}`));
    expect(await statuses(lies)).toEqual([101, 101, 429]);
  });

  test('counts new devices of the REST door likewise', async () => {
    const body = JSON.stringify({ site: 'https://stocks.example' });
    const by = (from: string, client: string): Raw => ({
      ...{ to: `http://127.0.0.1:${service.ports.registration}`, from, body },
      line: 'POST /v1/registrations',
      headers: {
        ...{ 'content-type': 'application/json', 'content-length': String(body.length) },
        'x-forwarded-for': client,
      },
    });
    expect(await statuses(three(() => by(PROXY, '192.0.2.1')))).toEqual([201, 201, 429]);
    const lies = three((i) => by(STRANGER, `198.51.100.${i}`));
    expect(await statuses(lies)).toEqual([201, 201, 429]);
  });

  test.each(['gateway', 'ingest'] as const)(
    'ends a connection to %s that begins with PROXY v2, and says at start that it would',
    async (door) => {
      const from = PROXY;
      const to = `http://127.0.0.1:${service.ports[door]}`;
      const plain = { to, from, line: 'GET /', patienceMs: 2_000 };
      const header = proxyHeader('192.0.2.9');
      expect(await statuses([{ ...plain, beforeTls: header }])).toEqual([NaN]);
      expect(await statuses([{ ...plain }])).toEqual([door === 'gateway' ? 426 : 404]);
      const note = service
        .output()
        .split('\n')
        .find((line) => line.includes('PROXY v2') && line.includes(`:${service.ports[door]}`));
      expect(note).toMatch(/TLS ends here/);
    },
  );
});

describe('limits per address count', () => {
  let service: Standalone;
  beforeAll(async () => {
    const env = {
      TRUSTED_PROXIES: PROXY,
      CONNECTIONS_PER_ADDRESS_MAX: '2',
      REGISTRATIONS_PER_ADDRESS_MAX: '2',
    };
    service = await startStandalone({ env });
  });
  afterAll(() => service.dispose());

  const open: { close(): void }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) one.close();
    await pause(50);
  });

  const statuses = async (count: number, request: (i: number) => Raw): Promise<number[]> => {
    const all: number[] = [];
    for (let i = 0; i < count; i++) {
      const answer = await raw(request(i));
      open.push(answer);
      all.push(answer.status);
    }
    return all;
  };

  describe('connections of devices', () => {
    const upgrade = (from: string, more: Partial<Raw> = {}): Raw => ({
      ...{ to: service.gatewayUrl.replace('ws:', 'http:'), from, line: 'GET /' },
      ...more,
      headers: {
        ...{ connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' },
        'sec-websocket-key': randomBytes(16).toString('base64'),
        ...more.headers,
      },
    });
    const forwarded = (client: string): Partial<Raw> => ({
      headers: { 'x-forwarded-for': client },
    });
    const proxied = (client: string): Partial<Raw> => ({ before: proxyHeader(client) });

    test('by the peer where nobody stands between', async () => {
      expect(await statuses(3, () => upgrade(STRANGER))).toEqual([101, 101, 429]);
      expect(await statuses(1, () => upgrade('127.0.0.4'))).toEqual([101]);
    });

    test.each([
      ['X-Forwarded-For', forwarded],
      ['PROXY v2', proxied],
    ])('by the client that a trusted proxy names in %s', async (_, by) => {
      expect(await statuses(3, () => upgrade(PROXY, by('192.0.2.1')))).toEqual([101, 101, 429]);
      expect(await statuses(1, () => upgrade(PROXY, by('192.0.2.2')))).toEqual([101]);
    });

    test.each([
      ['X-Forwarded-For', forwarded],
      ['PROXY v2', proxied],
    ])('by the peer, whatever a stranger writes into %s', async (_, by) => {
      const lies = await statuses(3, (i) => upgrade(STRANGER, by(`198.51.100.${i}`)));
      expect(lies).toEqual([101, 101, 429]);
    });

    test('by what the proxy adds to the words of its client, which may be lies', async () => {
      const lies = await statuses(3, (i) =>
        upgrade(PROXY, forwarded(`198.51.100.${i}, 192.0.2.9`)),
      );
      expect(lies).toEqual([101, 101, 429]);
    });

    test('by the first PROXY header: a client behind the proxy cannot send another', async () => {
      const twice = (client: string): Partial<Raw> => ({
        before: Buffer.concat([proxyHeader('192.0.2.8'), proxyHeader(client)]),
      });
      // The library takes it for the beginning of a request, and no request begins like that.
      const lie = { ...twice('198.51.100.7'), patienceMs: 300 };
      expect(await statuses(1, () => upgrade(PROXY, lie))).toEqual([NaN]);
      const later = (client: string): Partial<Raw> => ({
        before: Buffer.concat([
          proxyHeader('192.0.2.8'),
          Buffer.from(`GET /no HTTP/1.1\r\nhost: x\r\n\r\n`),
          proxyHeader(client),
        ]),
      });
      expect(await statuses(1, () => upgrade(PROXY, later('198.51.100.9')))).toEqual([404]);
    });

    test('a customer’s IPv6 network as one address', async () => {
      const of = (i: number): string => `2001:db8:1:2:0:0:0:${i + 1}`;
      expect(await statuses(3, (i) => upgrade(PROXY, proxied(of(i))))).toEqual([101, 101, 429]);
      expect(await statuses(1, () => upgrade(PROXY, proxied('2001:db8:1:3:0:0:0:1')))).toEqual([
        101,
      ]);
    });
  });

  describe('new devices at the REST door', () => {
    const body = JSON.stringify({ site: 'https://stocks.example' });
    const registration = (from: string, client?: string): Raw => ({
      ...{ to: service.registrationUrl, from, line: 'POST /v1/registrations', body },
      headers: {
        'content-type': 'application/json',
        'content-length': String(body.length),
        ...(client !== undefined && { 'x-forwarded-for': client }),
      },
    });

    test('by the client that a trusted proxy names', async () => {
      const one = await statuses(3, () => registration(PROXY, '192.0.2.1'));
      expect(one).toEqual([201, 201, 429]);
      expect(await statuses(1, () => registration(PROXY, '192.0.2.2'))).toEqual([201]);
    });

    test('by the peer, whatever a stranger writes', async () => {
      const lies = await statuses(3, (i) => registration(STRANGER, `198.51.100.${i}`));
      expect(lies).toEqual([201, 201, 429]);
    });
  });

  test('and the log of refusals names the same client', async () => {
    const refused = async (line: string, from: string): Promise<void> => {
      await raw({ to: service.ingestUrl, from, line, before: proxyHeader('192.0.2.33') });
    };
    await refused(`GET /${randomUUID()}`, PROXY);
    await refused('PUT /wpush/x', STRANGER);
    await expect.poll(() => service.output()).toMatch(/method_unknown.*/);
    const lineWith = (label: string): string =>
      service
        .output()
        .split('\n')
        .find((line) => line.includes(`"${label}"`)) ?? '';
    expect(lineWith('path_unknown')).toContain('"client":"192.0.2.33"');
    expect(lineWith('method_unknown')).toContain(`"client":"${STRANGER}"`);
  });
});

interface Secured {
  readonly ca: string;
  readonly body: string;
  readonly type?: string;
}

async function secured(
  method: string,
  url: string,
  { ca, body, type }: Secured,
): Promise<{ status: number; text: string }> {
  const headers = type ? { 'content-type': type } : { ttl: '60', 'content-encoding': 'aes128gcm' };
  const sent = httpsRequest(url, { method, ca, agent: false, headers });
  sent.end(body);
  const [answer] = (await once(sent, 'response')) as [IncomingMessage];
  let text = '';
  for await (const chunk of answer) text += String(chunk);
  return { status: answer.statusCode ?? 0, text };
}
