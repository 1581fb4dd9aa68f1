/** The door of devices over real sockets: what the network, and whoever is on it, can do to us. */
import { randomUUID } from 'node:crypto';
import { connect, type Socket as TcpSocket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Device, payloadOf } from '../../../test/support/device.js';
import { Field, subscriptionId } from '../../../test/support/field.js';
import { HandDrivenGateway, newDevice } from '../../../test/support/hand-driven-gateway.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { selfSigned } from '../../../test/support/tls.js';
import { SocketServer } from './socket-server.uws.js';

let field: Field;
let router: HandDrivenRouter;
const servers: SocketServer[] = [];
const raws: TcpSocket[] = [];
const { secret, device } = newDevice();
const subscription = subscriptionId();

beforeEach(async () => {
  field = await Field.open();
  await field.subscribed({ device, subscription });
  router = new HandDrivenRouter(field);
  await router.own();
});
afterEach(async () => {
  for (const raw of raws.splice(0)) raw.destroy();
  for (const server of servers.splice(0)) server.close();
  await field.close();
});

interface Served {
  readonly url: string;
  readonly port: number;
  readonly server: SocketServer;
  readonly driven: HandDrivenGateway;
}

async function serve(env: Readonly<Record<string, string>> = {}): Promise<Served> {
  const ours = { GATEWAY_PORT: '0', HOST: '127.0.0.1', ...env };
  const driven = await new HandDrivenGateway(field, { env: ours }).begin();
  const server = new SocketServer(driven.gateway, driven.config);
  servers.push(server);
  const port = await server.listen();
  const scheme = env.TLS_CERT_FILE === undefined ? 'ws' : 'wss';
  return { url: `${scheme}://127.0.0.1:${port}/`, port, server, driven };
}

async function posted(...payloads: readonly (string | Buffer)[]): Promise<void> {
  for (const payload of payloads) {
    await field.put({ device, subscription, payload: Buffer.from(payload) });
  }
  await router.readOn();
}

/** A client of bytes: it upgrades, and then does only what it is told. */
async function rawClient(port: number, before: Buffer = Buffer.alloc(0)): Promise<TcpSocket> {
  const raw = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  raws.push(raw);
  raw.on('error', () => undefined);
  raw.write(before);
  raw.write(
    'GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  await new Promise((resolve) => raw.once('data', resolve));
  return raw;
}

/** A PROXY protocol v2 header: a TCP connection over IPv4 from that address. */
function proxied(from: readonly number[]): Buffer {
  const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
  return Buffer.concat([
    signature,
    Buffer.from([0x21, 0x11, 0, 12, ...from, 127, 0, 0, 1, 0xc0, 0, 0x1f, 0x90]),
  ]);
}

/** A masked frame with a mask of zeros. */
function frameOf(payload: Buffer | string, opcode = 1): Buffer {
  const bytes = Buffer.from(payload);
  const head =
    bytes.length < 126 ? [bytes.length | 0x80] : [0xfe, bytes.length >> 8, bytes.length & 255];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...head, 0, 0, 0, 0]), bytes]);
}

const upgradeStatus = (url: string, headers: Record<string, string> = {}): Promise<number> =>
  new Promise((resolve) => {
    const socket = new WebSocket(url, { headers });
    socket.on('error', () => undefined);
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
    socket.on('open', () => resolve(101));
  });

describe('the upgrade', () => {
  test('echoes our subprotocol among others, and agrees to none that is not ours', async () => {
    const { url } = await serve();
    const ours = new WebSocket(url, ['other', 'push-notification']);
    await new Promise((resolve) => ours.once('open', resolve));
    expect(ours.protocol).toBe('push-notification');
    ours.terminate();
    const raw = await upgradeStatus(url, { 'sec-websocket-protocol': 'other' });
    expect(raw).toBe(101);
  });

  test('happens on / alone, whatever the query; everything else is 404, a plain GET of / 426', async () => {
    const { url } = await serve();
    const http = url.replace('ws', 'http');
    expect(await upgradeStatus(`${url}?a=b`)).toBe(101);
    expect(await upgradeStatus(`${url}elsewhere`)).toBe(404);
    expect((await fetch(`${http}metrics`)).status).toBe(404);
    expect((await fetch(http, { method: 'POST' })).status).toBe(426);
    expect((await fetch(http)).status).toBe(426);
  });

  test('agrees to no compression', async () => {
    const { url } = await serve();
    const socket = new WebSocket(url, { perMessageDeflate: true });
    await new Promise((resolve) => socket.once('open', resolve));
    expect(socket.extensions).toBe('');
    socket.terminate();
  });

  test('works over TLS', async () => {
    const certificate = await selfSigned();
    try {
      const { certFile, keyFile } = certificate;
      const { url } = await serve({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile });
      const phone = await Device.open(url, certificate.certificate);
      phone.send({ messageType: 'hello' });
      expect((await phone.next('hello')).status).toBe(200);
      await phone.leave();
    } finally {
      certificate.remove();
    }
  });

  test('with files that are no certificate is refused before anybody can connect', async () => {
    const file = import.meta.filename;
    await expect(serve({ TLS_CERT_FILE: file, TLS_KEY_FILE: file })).rejects.toThrow(
      /TLS_CERT_FILE .* are no PEM certificate/,
    );
  });

  test('of one address more often than allowed is 429, until one has left', async () => {
    const { url, driven } = await serve({ CONNECTIONS_PER_ADDRESS_MAX: '2' });
    const first = await Device.open(url);
    const second = await Device.open(url);
    expect(await upgradeStatus(url)).toBe(429);
    expect(driven.gateway.counts.refusedConnections).toBe(1);
    await first.leave();
    await expect.poll(() => driven.gateway.connections.size).toBe(1);
    const third = await Device.open(url);
    await Promise.all([second.leave(), third.leave()]);
  });

  test.each([
    ['believed', '127.0.0.0/8', 101],
    ['ignored', '10.0.0.0/8', 429],
  ])('is counted by a forwarded address that is %s', async (_, proxies, status) => {
    const env = { CONNECTIONS_PER_ADDRESS_MAX: '1', TRUSTED_PROXIES: proxies };
    const { url } = await serve(env);
    expect(await upgradeStatus(url, { 'x-forwarded-for': '192.0.2.1' })).toBe(101);
    expect(await upgradeStatus(url, { 'x-forwarded-for': '192.0.2.2' })).toBe(status);
  });

  test.each([
    ['believed', '127.0.0.1', true],
    ['ignored', '10.0.0.0/8', false],
  ])('is counted by a PROXY v2 address that is %s', async (_, proxies, isOpen) => {
    const env = { CONNECTIONS_PER_ADDRESS_MAX: '1', TRUSTED_PROXIES: proxies };
    const { port, driven } = await serve(env);
    await rawClient(port, proxied([192, 0, 2, 1]));
    await rawClient(port, proxied([192, 0, 2, 2]));
    expect(driven.gateway.connections.size).toBe(isOpen ? 2 : 1);
  });

  test('is for no port that is in use: one sentence says so', async () => {
    const { port } = await serve();
    await expect(serve({ GATEWAY_PORT: String(port) })).rejects.toThrow(
      new RegExp(`Cannot open 127.0.0.1:${port} .*GATEWAY_PORT.*in use`),
    );
  });

  test('is refused after listening has stopped, and who is connected stays', async () => {
    const { url, server } = await serve();
    const phone = await Device.greeted(url);
    server.stopListening();
    await expect(Device.open(url)).rejects.toThrow(/ECONNREFUSED/);
    expect((await phone.register()).status).toBe(200);
    await phone.leave();
  });
});

describe('frames', () => {
  const padded = (bytes: number): string => {
    const head = `{"messageType":"unregister","channelID":"${randomUUID()}","pad":"`;
    return `${head}${'x'.repeat(bytes - head.length - 2)}"}`;
  };

  test('are read up to the limit; one byte more closes with 1009, much more cuts off', async () => {
    const { url } = await serve();
    const phone = await Device.greeted(url);
    phone.socket.send(padded(65_536));
    expect((await phone.next('unregister')).status).toBe(200);
    phone.socket.send(padded(65_537));
    expect((await phone.closed).code).toBe(1009);
    const other = await Device.greeted(url);
    other.socket.send(padded(200_000));
    expect((await other.closed).code).toBe(1006);
  });

  test('in fragments count as one', async () => {
    const { url } = await serve();
    const phone = await Device.greeted(url);
    const text = padded(60_000);
    phone.socket.send(text.slice(0, 30_000), { fin: false });
    phone.socket.send(text.slice(30_000), { fin: true });
    expect((await phone.next('unregister')).status).toBe(200);
    phone.socket.send('x'.repeat(40_000), { fin: false });
    phone.socket.send('x'.repeat(40_000), { fin: false });
    expect([1006, 1009]).toContain((await phone.closed).code);
  });

  test.each([
    ['binary', () => Buffer.from('{}'), 1003],
    ['garbage', () => 'hello', 1011],
    ['half a document', () => '{"messageType":', 1011],
    ['nothing', () => '', 1011],
    ['a second hello', () => '{"messageType":"hello"}', 1011],
  ])('of %s close', async (_, payload, code) => {
    const { url } = await serve();
    const phone = await Device.greeted(url);
    phone.socket.send(payload());
    expect((await phone.closed).code).toBe(code);
  });

  test('that are no UTF-8 close', async () => {
    const { url } = await serve();
    const phone = await Device.greeted(url);
    phone.socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
    expect([1006, 1007]).toContain((await phone.closed).code);
  });

  test('of pings that come too soon close with 1011', async () => {
    const { url } = await serve();
    const phone = await Device.greeted(url);
    phone.socket.send('{}');
    await expect.poll(() => phone.frames.at(-1)).toEqual({});
    phone.socket.send('{}');
    expect((await phone.closed).code).toBe(1011);
  });

  test('of noise, two hundred connections of it, hurt nobody', async () => {
    const { url, port, driven } = await serve();
    const dice = seeded(4711);
    const phone = await Device.greeted(url);
    for (let i = 0; i < 200; i++) {
      const raw = await rawClient(port);
      const noise = Buffer.from(Array.from({ length: 1 + (dice() % 300) }, () => dice() & 255));
      if (i % 3 === 0) raw.write('{"messageType":"hello"}');
      raw.write(i % 2 === 0 ? noise : frameOf(noise, dice() % 16));
      if (i % 5 === 0) raw.resetAndDestroy();
      else raw.end();
    }
    expect((await phone.register()).status).toBe(200);
    for (const raw of raws.splice(0)) raw.destroy();
    await expect.poll(() => driven.gateway.connections.size).toBe(1);
    await phone.leave();
  });
});

describe('a peer', () => {
  test('that never answers a close frame gets it, and the end of the connection with it', async () => {
    const { port, driven } = await serve();
    const raw = await rawClient(port);
    const got: Buffer[] = [];
    raw.on('data', (bytes) => got.push(bytes));
    const fin = new Promise((resolve) => raw.once('end', resolve));
    raw.write(frameOf('not a message'));
    await fin;
    expect(Buffer.concat(got).readUInt16BE(2)).toBe(1011);
    expect(driven.gateway.connections.size).toBe(0);
  });

  test('that says nothing, and no hello, is closed when its time is over', async () => {
    const { url, driven } = await serve();
    const mute = await Device.open(url);
    const late = await Device.open(url);
    field.now += 5_001;
    driven.gateway.helloDeadline.look();
    expect((await mute.closed).code).toBe(1008);
    await late.closed;
  });

  test('that is half open is gone after two ping intervals, one that answers pings stays', async () => {
    const { url, port, driven } = await serve({ PING_INTERVAL_MS: '4000' });
    const phone = await Device.greeted(url);
    const dead = await rawClient(port); // it reads, and answers nothing
    dead.on('data', () => undefined);
    const { connections } = driven.gateway;
    const pings = setInterval(
      () => connections.visitAll(({ socket }) => void socket?.ping()),
      1_000,
    );
    const began = Date.now();
    await expect.poll(() => connections.size, { timeout: 18_000, interval: 100 }).toBe(1);
    clearInterval(pings);
    expect(Date.now() - began).toBeGreaterThan(7_500);
    expect((await phone.register()).status).toBe(200);
    await phone.leave();
  });

  test('that stops reading holds its buffer limit at most, is cut off, and loses nothing', async () => {
    const env = {
      SOCKET_BUFFER_BYTES_MAX: '65536',
      WINDOW_MAX: '10000',
      WINDOW_BYTES_MAX: '67108864',
      FRAME_BYTES_MAX: '65536',
    };
    const { url, port, driven } = await serve(env);
    const raw = await rawClient(port);
    raw.write(frameOf(JSON.stringify({ messageType: 'hello', uaid: secret })));
    await new Promise((resolve) => raw.once('data', resolve));
    raw.pause();
    const body = Buffer.alloc(60_000, 'q');
    let sent = 0;
    while (driven.gateway.connections.size > 0 && sent < 400) {
      await posted(`${sent++} ${body.toString()}`);
      await driven.readOn();
    }
    expect(driven.gateway.counts.closes).toEqual({ slowReader: 1 });
    const phone = await Device.greeted(url, secret);
    const seen: number[] = [];
    while (seen.length < sent) {
      const frame = await phone.next('notification');
      seen.push(Number.parseInt(payloadOf(frame), 10));
      phone.ack(frame);
    }
    expect(seen).toEqual(Array.from({ length: sent }, (_, i) => i));
    await phone.leave();
  });

  test('that reads slowly gets a whole backlog, in order, through a buffer that is smaller', async () => {
    const env = {
      SOCKET_BUFFER_BYTES_MAX: '100000',
      WINDOW_MAX: '500',
      WINDOW_BYTES_MAX: '67108864',
    };
    const { port, driven } = await serve(env);
    const count = 100; // 4 MB, what a mailbox holds: more than the buffers of the kernel take
    await posted(...Array.from({ length: count }, (_, i) => `${i} `.padEnd(40_000, 'q')));
    const raw = await rawClient(port);
    raw.write(frameOf(JSON.stringify({ messageType: 'hello', uaid: secret })));
    raw.pause();
    await expect.poll(() => areChoked(driven)).toEqual([true]);
    expect(driven.gateway.counts.notificationsOut).toBeLessThan(count);
    const got: Buffer[] = [];
    raw.on('data', (bytes: Buffer) => {
      got.push(bytes);
      raw.pause();
      setTimeout(() => raw.resume(), 1);
    });
    raw.resume();
    const numbers = (): readonly number[] =>
      [
        ...Buffer.concat(got)
          .toString('latin1')
          .matchAll(/"data":"([\w-]{8})/g),
      ].map(([, data]) => Number.parseInt(Buffer.from(data ?? '', 'base64url').toString(), 10));
    await expect.poll(() => numbers().length, { timeout: 15_000, interval: 100 }).toBe(count);
    expect(numbers()).toEqual(Array.from({ length: count }, (_, i) => i));
    expect(driven.gateway.counts.closes).toEqual({});
  });
});

function areChoked({ gateway }: HandDrivenGateway): readonly boolean[] {
  const all: boolean[] = [];
  gateway.connections.visitAll((session) => all.push(session.isChoked));
  return all;
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => (state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff) >>> 8;
}
