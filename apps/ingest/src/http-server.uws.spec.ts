import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { generate } from 'selfsigned';
import { afterEach, describe, expect, test } from 'vitest';
import { AppendFailed, StreamProducer, type StreamRecord } from '#streams';
import { StartRefused } from '#runtime';
import { REFUSALS, sealReceiverId } from '#webpush';
import {
  IngestDoor,
  newDevice,
  newSubscription,
  type DoorOptions,
} from '../../../test/support/ingest-door.js';
import { post, request, vapid, vapidKeys } from '../../../test/support/sender.js';

const doors: IngestDoor[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const door of doors.splice(0)) await door.close();
});

async function open(options?: DoorOptions): Promise<{ door: IngestDoor; origin: string }> {
  const door = await IngestDoor.open(options);
  doors.push(door);
  return { door, origin: await door.listen() };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await pause(2);
}

/** A sender that speaks bytes. `said`: all that came back so far. */
class RawSender {
  said = '';
  isClosed = false;
  private constructor(readonly socket: Socket) {
    sockets.push(socket);
    socket.setEncoding('latin1').on('data', (text: string) => (this.said += text));
    socket.on('error', () => undefined).on('close', () => (this.isClosed = true));
  }
  static async to(origin: string): Promise<RawSender> {
    const { hostname, port } = new URL(origin);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new RawSender(socket);
  }
  send(...parts: (string | Buffer)[]): this {
    for (const part of parts) this.socket.write(part);
    return this;
  }
  answers(): number {
    return this.said.split('HTTP/1.1 ').length - 1;
  }
  statuses(): readonly string[] {
    return [...this.said.matchAll(/HTTP\/1\.1 (\d+)/g)].map((match) => match[1] ?? '');
  }
  async answered(count = 1): Promise<this> {
    await until(() => this.answers() >= count || this.isClosed);
    return this;
  }
  async closed(): Promise<this> {
    await until(() => this.isClosed);
    return this;
  }
}

function head(path: string, fields: Record<string, string | number>, method = 'POST'): string {
  const lines = Object.entries({ Host: 'push.example', TTL: 60, ...fields });
  return `${method} ${path} HTTP/1.1\r\n${lines.map(([n, v]) => `${n}: ${v}\r\n`).join('')}\r\n`;
}
const CRYPTO = { 'Content-Encoding': 'aes128gcm' };
const CHUNKED = { ...CRYPTO, 'Transfer-Encoding': 'chunked' };
const chunk = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
const LAST_CHUNK = '0\r\n\r\n';

/** mulberry32: the same bytes at every run. */
function seeded(seed: number): (below: number) => number {
  return (below) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** Up to five bytes changed, put in or taken out; sometimes cut off. */
function mutilated(whole: Buffer, random: (below: number) => number): Buffer {
  const bytes = [...whole];
  for (let i = random(5); i >= 0; i--) {
    const at = random(bytes.length);
    const kind = random(3);
    if (kind === 0) bytes[at] = random(256);
    else bytes.splice(at, kind - 1, random(256));
  }
  return Buffer.from(random(4) === 0 ? bytes.slice(0, random(bytes.length)) : bytes);
}

/** A log whose appends end when they are told to. */
class HeldProducer extends StreamProducer {
  readonly held: (() => void)[] = [];
  constructor(private readonly real: StreamProducer) {
    super();
  }
  override append(stream: string, partition: number, record: StreamRecord): Promise<number> {
    return new Promise((resolve, reject) => {
      this.held.push(() => this.real.append(stream, partition, record).then(resolve, reject));
    });
  }
  override appendUntilIn(): Promise<void> {
    throw new Error('a notification is appended once');
  }
  release(): void {
    for (const go of this.held.splice(0)) go();
  }
}

async function openHeld(options: DoorOptions = {}) {
  let producer: HeldProducer | undefined;
  const opened = await open({
    ...options,
    producer: (real) => (producer = new HeldProducer(real)),
  });
  if (!producer) throw new Error('no producer');
  return { ...opened, producer };
}

describe('each row of the refusal table over HTTP', () => {
  type Case = (at: { door: IngestDoor; origin: string }) => Promise<Response | Answer>;
  type Answer = Awaited<ReturnType<typeof post>>;
  const fine = async ({ door, origin }: { door: IngestDoor; origin: string }) =>
    origin + (await door.subscribed()).path;

  const rows: Record<string, [keyof typeof REFUSALS, Case]> = {
    'another path': ['pathUnknown', ({ origin }) => request('POST', `${origin}/nowhere`)],
    'another method': ['methodUnknown', ({ origin }) => request('PUT', `${origin}/wpush/v1/x`)],
    'a receiver id that does not open': [
      'receiverUnknown',
      ({ origin }) => post(`${origin}/wpush/v1/x`),
    ],
    'a message id that does not open': [
      'messageUnknown',
      ({ origin }) => request('DELETE', `${origin}/m/x`),
    ],
    'a key without its signature': [
      'vapidInvalid',
      async ({ door, origin }) =>
        post(origin + (await door.subscribed(vapidKeys().publicKey)).path, 'x'),
    ],
    'a device that is gone': [
      'deviceGone',
      ({ door, origin }) => {
        const receiver = { device: newDevice(), subscription: newSubscription() };
        const id = sealReceiverId(door.keyRing, receiver, Buffer.alloc(12, 3));
        return post(`${origin}/wpush/v1/${id}`);
      },
    ],
    'a subscription that is gone': [
      'subscriptionGone',
      async ({ door, origin }) => {
        const { path, device, subscription } = await door.subscribed();
        await door.registrar.unregister(device, subscription);
        return post(origin + path);
      },
    ],
    'a payload one byte too large': [
      'payloadTooLarge',
      async (at) => post(await fine(at), Buffer.alloc(4_097)),
    ],
    'no TTL': ['ttlInvalid', async (at) => post(await fine(at), 'x', { ttl: undefined })],
    'an empty TTL': ['ttlInvalid', async (at) => post(await fine(at), 'x', { ttl: '' })],
    'a negative TTL': ['ttlNegative', async (at) => post(await fine(at), 'x', { ttl: '-1' })],
    'a topic of 33': [
      'topicInvalid',
      async (at) => post(await fine(at), 'x', { topic: 'a'.repeat(33) }),
    ],
    'an empty topic': ['topicInvalid', async (at) => post(await fine(at), 'x', { topic: '' })],
    'an urgency that is none': [
      'urgencyInvalid',
      async (at) => post(await fine(at), 'x', { urgency: 'now' }),
    ],
    'no content encoding': [
      'cryptoInvalid',
      async (at) => post(await fine(at), 'x', { 'content-encoding': undefined }),
    ],
  };

  test.each(Object.entries(rows))('%s', async (_, [name, ask]) => {
    const at = await open();
    const answer = (await ask(at)) as Answer;
    const row = REFUSALS[name];
    expect([answer.status, answer.errno]).toEqual([row.status, row.errno]);
    expect(JSON.parse(answer.body)).toMatchObject({
      code: row.status,
      errno: row.errno,
      error: expect.any(String) as string,
      message: expect.stringContaining(row.say) as string,
      more_info: row.see,
    });
    expect(answer.headers.get('content-type')).toBe('application/json');
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.get('access-control-expose-headers')).toBe(
      'Location, Link, Retry-After, TTL',
    );
    expect(at.door.counts.refused[name]).toBe(1);
    expect(await at.door.appended()).toEqual([]);
  });

  test('410 may be kept for a day, 401 names its scheme, 405 what it takes', async () => {
    const { door, origin } = await open();
    const { path, device, subscription } = await door.subscribed();
    await door.registrar.unregister(device, subscription);
    const gone = await post(origin + path);
    expect(gone.headers.get('cache-control')).toBe('max-age=86400');
    const unsigned = await post(origin + (await door.subscribed(vapidKeys().publicKey)).path);
    expect(unsigned.headers.get('www-authenticate')).toBe('vapid');
    const put = await request('PUT', origin + path);
    expect(put.headers.get('allow')).toBe('POST, GET, OPTIONS');
    expect((await request('POST', `${origin}/m/x`)).headers.get('allow')).toBe('DELETE, OPTIONS');
  });

  test('503 says when to come back, for a view that is not ready and a log that is away', async () => {
    const unready = await open({ isUnready: true });
    const receiver = { device: newDevice(), subscription: newSubscription() };
    const id = sealReceiverId(unready.door.keyRing, receiver, Buffer.alloc(12, 3));
    const away = await open({
      producer: () => {
        const producer = new HeldProducer({} as StreamProducer);
        producer.append = () => Promise.reject(new AppendFailed('full', false));
        return producer;
      },
    });
    const answers = [
      await post(`${unready.origin}/wpush/v1/${id}`),
      await post(away.origin + (await away.door.subscribed()).path),
    ];
    for (const answer of answers) {
      expect([answer.status, answer.errno]).toEqual([503, 201]);
      expect(answer.headers.get('retry-after')).toBe('30');
    }
  });

  test('a bug of ours is 500, wherever it strikes, and the server goes on', async () => {
    let isBroken = true;
    const clock = (): number => {
      if (isBroken) throw new Error('the clock is broken');
      return Date.now();
    };
    const early = await open({ clock });
    const target = early.origin + (await early.door.subscribed()).path;
    expect(await post(target)).toMatchObject({ status: 500, errno: 999 });
    isBroken = false;
    expect((await post(target)).status).toBe(201);
    const late = await open({ ttlSecondsMax: 2 ** 40 });
    const beyond = { ttl: String(2 ** 33) };
    const path = (await late.door.subscribed()).path;
    expect(await post(late.origin + path, 'x', beyond)).toMatchObject({ status: 500, errno: 999 });
    expect((await post(late.origin + path, 'x')).status).toBe(201);
  });
});

describe('a body', () => {
  test.each([0, 1, 4_095, 4_096])('of %i bytes is accepted, byte for byte', async (length) => {
    const { door, origin } = await open();
    const body = Buffer.from(Array.from({ length }, (_, i) => i % 256));
    const answer = await post(origin + (await door.subscribed()).path, body);
    expect(answer.status).toBe(201);
    expect((await door.notifications())[0]?.payload.equals(body)).toBe(true);
  });

  test('of the largest limit is accepted, and refused one byte above', async () => {
    const { door, origin } = await open({ payloadBytesMax: 65_536 });
    const { path } = await door.subscribed();
    const body = Buffer.alloc(65_536, 0xa5);
    expect((await post(origin + path, body)).status).toBe(201);
    expect((await post(origin + path, Buffer.concat([body, Buffer.alloc(1)]))).status).toBe(413);
    expect((await door.notifications())[0]?.payload.equals(body)).toBe(true);
  });

  test('that comes in pieces is put together', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const sender = await RawSender.to(origin);
    sender.send(head(path, { ...CRYPTO, 'Content-Length': 9 }), 'abc');
    await until(() => door.counts.inFlight === 1);
    sender.send('def');
    await pause(10);
    await sender.send('ghi').answered();
    expect(sender.statuses()).toEqual(['201']);
    expect((await door.notifications())[0]?.payload.toString()).toBe('abcdefghi');
    expect(door.counts).toMatchObject({ inFlight: 0, bodyBytes: 0, accepted: 1 });
  });

  test('of no bytes is accepted, although the head before it came in pieces', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const sender = await RawSender.to(origin);
    const whole = head(path, { 'Content-Length': 0 });
    sender.send(whole.slice(0, 40));
    await pause(20);
    await sender.send(whole.slice(40)).answered();
    expect(sender.statuses()).toEqual(['201']);
    expect((await door.notifications())[0]?.payload).toHaveLength(0);
  });

  test('in chunks without a length is taken up to the limit and cut off beyond it', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const whole = await RawSender.to(origin);
    whole.send(head(path, CHUNKED), chunk(Buffer.alloc(4_000, 1)), chunk(Buffer.alloc(96, 2)));
    await whole.send(LAST_CHUNK).answered();
    const over = await RawSender.to(origin);
    over.send(head(path, CHUNKED), chunk(Buffer.alloc(4_000, 1)), chunk(Buffer.alloc(97, 2)));
    await over.closed();
    expect([whole.statuses(), over.statuses()]).toEqual([['201'], ['413']]);
    const empty = await RawSender.to(origin);
    await empty.send(head(path, CHUNKED), LAST_CHUNK).answered();
    expect(empty.statuses()).toEqual(['201']);
    expect((await door.notifications()).map((n) => n.payload.length)).toEqual([4_096, 0]);
    expect(door.counts).toMatchObject({ inFlight: 0, bodyBytes: 0 });
  });

  test('whose length is beyond the limit is refused before it comes', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const sender = await RawSender.to(origin);
    await sender.send(head(path, { ...CRYPTO, 'Content-Length': 4_097 })).answered();
    expect(sender.statuses()).toEqual(['413']);
    sender.send(Buffer.alloc(4_097), head(path, { ...CRYPTO, 'Content-Length': 1 }), 'x');
    await sender.answered(2);
    expect(sender.statuses()).toEqual(['413', '201']);
  });

  test('of a megabyte and more ends the connection with its refusal', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const sender = await RawSender.to(origin);
    await sender.send(head(path, { ...CRYPTO, 'Content-Length': 2 ** 32 })).closed();
    expect(sender.statuses()).toEqual(['413']);
    expect(sender.said).toContain('Connection: close');
    const lost = await RawSender.to(origin);
    await lost.send(head('/wpush/v1/x', { 'Content-Length': 2 ** 32 })).closed();
    expect(lost.statuses()).toEqual(['404']);
  });

  test('that is too long does not hide 404, 401 and 410', async () => {
    const { door, origin } = await open();
    const keys = vapidKeys();
    const { path, device, subscription } = await door.subscribed(keys.publicKey);
    const tooLong = Buffer.alloc(5_000);
    const signed = { authorization: vapid(keys, door.url) };
    expect((await post(`${origin}/wpush/v1/x`, tooLong)).status).toBe(404);
    expect((await post(origin + path, tooLong)).status).toBe(401);
    expect((await post(origin + path, tooLong, signed)).status).toBe(413);
    await door.registrar.unregister(device, subscription);
    expect((await post(origin + path, tooLong, signed)).status).toBe(410);
  });

  test('cut off in the middle appends nothing', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    for (const fields of [{ ...CRYPTO, 'Content-Length': 100 }, CHUNKED]) {
      const sender = await RawSender.to(origin);
      const part = 'Content-Length' in fields ? 'half' : chunk(Buffer.from('half'));
      sender.send(head(path, fields), part);
      await until(() => door.counts.inFlight === 1);
      sender.socket.destroy();
      await until(() => door.counts.inFlight === 0);
    }
    expect(door.counts).toMatchObject({ aborted: 2, bodyBytes: 0, accepted: 0 });
    expect(await door.appended()).toEqual([]);
  });

  test('beyond what may be in flight is 503, and room comes back', async () => {
    const { door, origin, producer } = await openHeld({ bodyBytesInFlightMax: 150 });
    const { path } = await door.subscribed();
    const first = post(origin + path, Buffer.alloc(100));
    await until(() => producer.held.length === 1);
    expect(await post(origin + path, Buffer.alloc(51))).toMatchObject({ status: 503, errno: 201 });
    const second = post(origin + path, Buffer.alloc(50));
    await until(() => producer.held.length === 2);
    producer.release();
    expect([(await first).status, (await second).status]).toEqual([201, 201]);
    expect(door.counts.bodyBytes).toBe(0);
  });
});

describe('a connection', () => {
  test('is kept for the next request after an answer of any kind', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const sender = await RawSender.to(origin);
    const requests = [
      [head(path, { ...CRYPTO, 'Content-Length': 1 }), 'a'],
      [head('/wpush/v1/x', { 'Content-Length': 3 }), 'abc'],
      [head('/nowhere', { 'Content-Length': 3 }, 'PUT'), 'abc'],
      [head(path, { TTL: 'x', 'Content-Length': 0 })],
      [head('/m/x', {}, 'DELETE')],
      [head(path, {}, 'GET')],
      [head(path, {}, 'OPTIONS')],
      [head(path, { 'Content-Length': 5_000 }), Buffer.alloc(5_000)],
      [head(path, { ...CRYPTO, 'Content-Length': 1 }), 'b'],
    ];
    for (const [i, parts] of requests.entries()) await sender.send(...parts).answered(i + 1);
    expect(sender.statuses()).toEqual([
      '201',
      '404',
      '404',
      '400',
      '400',
      '200',
      '204',
      '413',
      '201',
    ]);
    expect(sender.isClosed).toBe(false);
    expect((await door.notifications()).map((n) => n.payload.toString())).toEqual(['a', 'b']);
  });

  test('stays open for as long as its answers say, whenever it was opened', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const again = async (afterMs: number): Promise<void> => {
      await pause(afterMs);
      const sender = await RawSender.to(origin);
      await sender.send(head(path, { ...CRYPTO, 'Content-Length': 1 }), 'a').answered(1);
      const idleMs = Number(/^keep-alive: timeout=(\d+)$/im.exec(sender.said)?.[1]) * 1_000;
      await pause(idleMs - 300);
      await sender.send(head(path, { ...CRYPTO, 'Content-Length': 1 }), 'b').answered(2);
      expect(sender.statuses()).toEqual(['201', '201']);
    };
    // The clock that closes them ticks every 4 s.
    await Promise.all([0, 1_000, 2_000, 3_000].map(again));
  }, 30_000);

  test('is kept for the next request after a DELETE that did something', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const sender = await RawSender.to(origin);
    const posting = head(path, { ...CRYPTO, 'Content-Length': 1 });
    await sender.send(posting, 'a').answered(1);
    const location = /^location: (.*)$/im.exec(sender.said)?.[1] ?? '';
    await sender.send(head(new URL(location).pathname, {}, 'DELETE')).answered(2);
    expect(sender.said.match(/^content-length:.*/gim)).toEqual(['Content-Length: 0']); // of the 201
    await sender.send(posting, 'b').answered(3);
    expect(sender.statuses()).toEqual(['201', '204', '201']);
    expect(sender.isClosed).toBe(false);
  });

  test('answers HEAD without a body, so that the next answer is found', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const sender = await RawSender.to(origin);
    await sender.send(head(path, {}, 'HEAD')).answered(1);
    await sender.send(head(path, {}, 'GET')).answered(2);
    expect(sender.statuses()).toEqual(['405', '200']);
    expect(sender.said).not.toContain('errno');
  });

  test('that pipelines a request while an answer is owed is closed, and mixes nothing up', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const sender = await RawSender.to(origin);
    const one = head(path, { ...CRYPTO, 'Content-Length': 1 });
    await sender.send(`${one}a${one}b`).closed();
    expect(sender.said).toBe('');
    await until(() => door.counts.inFlight === 0);
    expect((await door.notifications()).map((n) => n.payload.toString())).toEqual(['a']);
    expect(door.counts.aborted).toBe(1);
  });

  test('that ends while the append is under way costs nothing but the answer', async () => {
    const { door, origin, producer } = await openHeld();
    const { path } = await door.subscribed();
    const sender = await RawSender.to(origin);
    sender.send(head(path, { ...CRYPTO, 'Content-Length': 1 }), 'a');
    await until(() => producer.held.length === 1);
    sender.socket.destroy();
    await until(() => door.counts.aborted === 1);
    expect(door.counts.inFlight).toBe(1);
    producer.release();
    await until(() => door.counts.inFlight === 0);
    expect(door.counts).toMatchObject({ accepted: 1, bodyBytes: 0 });
  });

  test.each([
    ['no HTTP at all', '\x16\x03\x01\x00garbage\r\n\r\n'],
    ['HTTP/1.0', 'POST /wpush/v1/x HTTP/1.0\r\nContent-Length: 0\r\n\r\n'],
    ['no host', 'POST /wpush/v1/x HTTP/1.1\r\nContent-Length: 0\r\n\r\n'],
    ['a length that is no number', head('/wpush/v1/x', { 'Content-Length': '3x' })],
    ['a negative length', head('/wpush/v1/x', { 'Content-Length': -3 })],
    ['a length beyond all numbers', head('/wpush/v1/x', { 'Content-Length': '9'.repeat(30) })],
    [
      'a length and chunks',
      head('/wpush/v1/x', { 'Content-Length': 3, 'Transfer-Encoding': 'chunked' }),
    ],
    [
      'two lengths',
      'POST /wpush/v1/x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd',
    ],
    ['broken chunks', `${head('/wpush/v1/x', CHUNKED)}zz\r\nabc\r\n`],
  ])('with %s is closed, and the server goes on', async (_, text) => {
    const { door, origin } = await open();
    const sender = await RawSender.to(origin);
    await sender.send(text).closed();
    expect(sender.statuses().every((status) => status.startsWith('4') || status === '505')).toBe(
      true,
    );
    expect((await post(origin + (await door.subscribed()).path)).status).toBe(201);
  });

  test('that sends mutilated requests is answered or closed, never the end of the process', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const random = seeded(20_261_124);
    const whole = Buffer.from(`${head(path, { ...CRYPTO, 'Content-Length': 5 })}hello`);
    for (let round = 0; round < 30; round++) {
      const senders = await Promise.all(
        Array.from({ length: 10 }, async () => {
          const sender = await RawSender.to(origin);
          sender.send(mutilated(whole, random)).socket.end();
          return sender;
        }),
      );
      await Promise.all(senders.map((sender) => sender.closed()));
    }
    await until(() => door.counts.inFlight === 0);
    expect(door.counts).toMatchObject({ inFlight: 0, bodyBytes: 0 });
    expect(door.counts.refused.unknown).toBe(0);
    expect((await post(origin + path)).status).toBe(201);
  });

  test('with a head beyond 4 KiB, or 98 fields, is 431', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const statuses = async (fields: Record<string, string>) => {
      const sender = await RawSender.to(origin);
      const text = head(path, { 'Content-Length': 0, ...fields });
      await sender.send(text).answered();
      return [text.length, ...sender.statuses()];
    };
    const bare = head(path, { 'Content-Length': 0, X: '' }).length;
    expect(await statuses({ X: 'a'.repeat(4_090 - bare) })).toEqual([4_090, '201']);
    expect((await statuses({ X: 'a'.repeat(4_200 - bare) }))[1]).toBe('431');
    const fields = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`X${i}`, 'a']));
    expect((await statuses(fields(95)))[1]).toBe('201');
    expect((await statuses(fields(97)))[1]).toBe('431');
  });

  test.each([
    ['for one more second where there is no other server', 0, 1_000],
    ['for as long as its answer said behind a load balancer', 1, 8_000],
  ])('that is idle stays at a stopping server %s', async (_, noticeSeconds, ms) => {
    const { door, origin } = await open({ lastRequests: 'real', noticeSeconds });
    const idle = await RawSender.to(origin);
    await idle.send(head('/nowhere', {}, 'GET')).answered();
    const began = performance.now();
    const closing = door.close();
    await idle.closed();
    expect(performance.now() - began).toBeGreaterThanOrEqual(ms - 50);
    expect(idle.statuses()).toEqual(['404']);
    await closing;
    doors.length = 0;
  });

  test(
    'that is slow with its head, its body or between two bytes is closed',
    { timeout: 25_000 },
    async () => {
      const { door, origin } = await open();
      const { path } = await door.subscribed();
      const slowHead = (await RawSender.to(origin)).send(
        'POST /wpush/v1/x HTTP/1.1\r\nHost: x\r\n',
      );
      const slowBody = (await RawSender.to(origin)).send(
        head(path, { ...CRYPTO, 'Content-Length': 50 }),
      );
      const trickle = (await RawSender.to(origin)).send(
        head(path, { ...CRYPTO, 'Content-Length': 50 }),
      );
      const drip = setInterval(() => trickle.send('x'), 2_000);
      await Promise.all([slowHead.closed(), slowBody.closed(), trickle.closed()]).finally(() =>
        clearInterval(drip),
      );
      expect([slowHead.said, slowBody.said, trickle.said]).toEqual(['', '', '']);
      expect(door.counts).toMatchObject({ inFlight: 0, bodyBytes: 0, aborted: 2 });
    },
  );
});

describe('an answer', () => {
  test('that the log does not give in time is 503, once, and the append goes on', async () => {
    const { door, origin, producer } = await openHeld({ appendDeadlineMs: 50 });
    const { path } = await door.subscribed();
    expect(await post(origin + path, 'x')).toMatchObject({ status: 503, errno: 201 });
    expect(door.counts).toMatchObject({ late: 1, inFlight: 1, accepted: 0 });
    producer.release();
    await until(() => door.counts.inFlight === 0);
    expect(door.counts).toMatchObject({ late: 1, accepted: 1, bodyBytes: 0 });
  });

  test('201 has an absolute Location whose DELETE is 204', async () => {
    const { door, origin } = await open({ publicEndpointUrl: 'https://push.example' });
    const answer = await post(origin + (await door.subscribed()).path, 'x', { ttl: '7' });
    const location = answer.headers.get('location') ?? '';
    expect(location).toMatch(/^https:\/\/push\.example\/m\/[\w-]+$/);
    expect([answer.status, answer.body, answer.headers.get('ttl')]).toEqual([201, '', '7']);
    expect(answer.headers.get('content-length')).toBe('0');
    const canceled = await request('DELETE', origin + new URL(location).pathname);
    expect([canceled.status, canceled.body]).toEqual([204, '']);
    expect(canceled.headers.get('access-control-allow-origin')).toBe('*');
  });

  test('of a stopping server is still given', async () => {
    const { door, origin, producer } = await openHeld({ lastRequests: 'real' });
    const answer = post(origin + (await door.subscribed()).path, 'x');
    await until(() => producer.held.length === 1);
    const closing = door.close();
    await expect(fetch(origin)).rejects.toThrow();
    producer.release();
    expect((await answer).status).toBe(201);
    await closing;
    doors.length = 0;
  });

  test('of a stopping server on an idle connection is given, and ends the connection', async () => {
    const { door, origin } = await open({ lastRequests: 'real' });
    const { path } = await door.subscribed();
    const idle = await RawSender.to(origin);
    const posting = head(path, { 'Content-Length': 0 });
    await idle.send(posting).answered();
    const closing = door.close();
    await idle.send(posting).closed();
    expect(idle.statuses()).toEqual(['201', '201']);
    expect(idle.said).toMatch(/Connection: close/i);
    expect(idle.said.match(/^keep-alive:/gim)).toHaveLength(1); // of the first
    await closing;
    doors.length = 0;
  });

  test('takes lines of one list-valued field together', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const sender = await RawSender.to(origin);
    const fields = 'Content-Encoding: aesgcm\r\nEncryption: salt=AAAA\r\nCrypto-Key: dh=BAAA\r\n';
    const lines = `${fields}Crypto-Key: p256ecdsa=BCCC\r\nTTL: 5\r\nContent-Length: 1\r\nHost: x\r\n`;
    await sender.send(`POST ${path} HTTP/1.1\r\n${lines}\r\nx`).answered();
    expect(sender.statuses()).toEqual(['201']);
    expect((await door.notifications())[0]?.cryptoKey).toBe('dh=BAAA,p256ecdsa=BCCC');
  });
});

describe('what is said about refusals', () => {
  test('is one line per class, without receiver ids and tokens', async () => {
    const { door, origin } = await open();
    const keys = vapidKeys();
    const { path, receiver } = await door.subscribed(keys.publicKey);
    // A common mistake: the whole endpoint as the audience.
    const authorization = vapid(keys, door.url, { aud: `${door.url}${path}` });
    for (let i = 0; i < 5; i++) await post(origin + path, 'x', { authorization });
    await post(`${origin}/wpush/v1/${receiver.slice(1)}`);
    expect(door.refusals()).toEqual(['vapid_invalid', 'receiver_unknown']);
    const text = JSON.stringify(door.said);
    expect(text).not.toContain(receiver.slice(10, 40));
    expect(text).not.toContain(authorization.slice(10, 40));
    expect(text).toContain('aud is http://push.example/wpush/v2/…');
  });

  test('names the client, and believes a proxy only when it is trusted', async () => {
    const clientFor = async (trustedProxies: readonly string[]) => {
      const { door, origin } = await open({ trustedProxies });
      await request('GET', `${origin}/nowhere`, { headers: { 'x-forwarded-for': '203.0.113.7' } });
      return door.said.map((line) => line['client']);
    };
    expect(await clientFor([])).toEqual(['127.0.0.1']);
    expect(await clientFor(['127.0.0.0/8'])).toEqual(['203.0.113.7']);
  });
});

describe('a traceparent', () => {
  test('goes into the record, unless it was sent twice', async () => {
    const { door, origin } = await open();
    const { path } = await door.subscribed();
    const [traceId, spanId] = ['a'.repeat(32), 'b'.repeat(16)];
    const traceparent = `00-${traceId}-${spanId}-01`;
    expect((await post(origin + path, 'x', { traceparent })).status).toBe(201);
    const sender = await RawSender.to(origin);
    sender.send(
      `POST ${path} HTTP/1.1\r\nhost: x\r\nttl: 5\r\ncontent-length: 0\r\n` +
        `traceparent: ${traceparent}\r\ntraceparent: ${traceparent}\r\n\r\n`,
    );
    await until(async () => (await door.notifications()).length === 2);
    const traces = (await door.notifications()).map(({ trace }) => trace);
    expect(traces).toEqual([{ traceId, spanId, flags: 1 }, undefined]);
  });
});

describe('opening the port', () => {
  test('is refused with a sentence while it is in use', async () => {
    const { origin } = await open();
    const port = Number(new URL(origin).port);
    const second = await IngestDoor.open({ port });
    doors.push(second);
    await expect(second.listen()).rejects.toThrow(StartRefused);
    await expect(second.listen()).rejects.toThrow(/port is in use/);
  });

  test('speaks TLS with a certificate, and is refused with a sentence without a good one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'heliograph-tls-'));
    const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }]);
    await Promise.all([writeFile(certFile, cert), writeFile(keyFile, key)]);
    try {
      const { door, origin } = await open({ tls: { certFile, keyFile } });
      const { path } = await door.subscribed();
      const sent = httpsRequest(origin + path, {
        method: 'POST',
        rejectUnauthorized: false,
        headers: { ttl: 5, 'content-length': 0 },
        agent: false,
      });
      sent.end();
      const [answer] = (await once(sent, 'response')) as [{ statusCode: number; resume(): void }];
      answer.resume();
      expect(answer.statusCode).toBe(201);
      await writeFile(certFile, 'no certificate');
      const broken = await IngestDoor.open({ tls: { certFile, keyFile } });
      doors.push(broken);
      await expect(broken.listen()).rejects.toThrow(/no PEM certificate with its key/);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
