/** Contract §1, "Client → server": what a device may say, and what it is told. */
import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SUBSCRIPTIONS } from '#streams';
import { Registrar } from '#subscriptions';
import { EmbeddedSubscriptionLookup } from '#view.embedded';
import { KeyRing, deviceIdOf } from '#webpush';
import { Field, subscriptionId } from '../../../test/support/field.js';
import {
  HandDrivenGateway,
  Holding,
  Outage,
  newDevice,
  settled,
} from '../../../test/support/hand-driven-gateway.js';
import type { MemoryDevice } from '../../../test/support/hand-driven-gateway.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { WAITING_MAX } from './request-queue.js';

let field: Field;
let router: HandDrivenRouter;
let gateway: HandDrivenGateway;
const { secret, device } = newDevice();
const subscription = subscriptionId();

beforeEach(async () => {
  field = await Field.open();
  await field.subscribed({ device, subscription });
  router = new HandDrivenRouter(field);
  await router.own();
  gateway = await new HandDrivenGateway(field).begin();
});
afterEach(() => field.close());

const lookup = () => new EmbeddedSubscriptionLookup(field.store);
const persisted = () => field.catalog.end(SUBSCRIPTIONS, 0);

async function posted(text: string): Promise<void> {
  await field.put({ device, subscription, payload: Buffer.from(text) });
  await router.readOn();
}

async function register(phone: MemoryDevice, of: object = {}) {
  const channelID = randomUUID();
  const { length } = phone.frames;
  phone.say({ messageType: 'register', channelID, ...of });
  await expect.poll(() => phone.frames.slice(length)).toHaveLength(1);
  return { channelID, ...phone.frames.at(-1) };
}

/** A registrar over a producer that can be held up or fail. */
function registrarOver(producer: Field['producer']): Registrar {
  const keyRing = KeyRing.parse(randomBytes(32).toString('base64url'));
  return new Registrar(
    { producer, view: field.subscriptions, lookup: lookup() },
    {
      keyRing,
      publicEndpointUrl: 'https://push.example',
      partitions: 1,
      subscriptionsPerDeviceMax: 1_000_000,
      deadlineMs: 900,
      clock: () => field.now,
    },
  );
}

describe('hello', () => {
  test('of a known device keeps its name', async () => {
    const phone = await gateway.greeted(secret);
    expect(phone.frames).toEqual([
      { messageType: 'hello', uaid: secret, status: 200, use_webpush: true, broadcasts: {} },
    ]);
  });

  test.each([
    ['absent', undefined],
    ['empty', ''],
    ['malformed', 'x'.repeat(32)],
    ['unknown', '0123456789abcdef0123456789abcdef'],
  ])('with an %s uaid gets a new one', async (_, uaid) => {
    const phone = await gateway.greeted(uaid);
    expect(phone.uaid).toMatch(/^[0-9a-f]{32}$/);
    expect(phone.uaid).not.toBe(uaid);
    expect(await persisted()).toBe(0);
  });

  test('of an unknown device is refused while the subscriptions view is not ready', async () => {
    field.store.lose();
    const phone = await gateway.greeted(newDevice().secret);
    expect(phone.closed).toEqual({ code: 1013 });
    expect(phone.frames).toEqual([]);
  });

  test('without a uaid, or of a device that is found, is answered in every state of the view', async () => {
    field.store.lose();
    const entry = { kind: 'present', device, subscription, offset: 0 } as const;
    await field.subscriptions.writeThrough(entry);
    expect((await gateway.greeted(secret)).uaid).toBe(secret);
    expect((await gateway.greeted()).uaid).toMatch(/^[0-9a-f]{32}$/);
  });

  test.each(['findDevice', 'hello'])('is refused when the store fails %s', async (method) => {
    const outage = new Outage();
    outage.isAway = true;
    const ports = {
      lookup: outage.around(lookup(), method),
      presence: outage.around(field.presence, method),
    };
    const g = await new HandDrivenGateway(field, { id: 'g2', ports }).begin();
    const phone = await g.greeted(secret);
    expect(phone.closed).toEqual({ code: 1013 });
    expect(g.gateway.connections.size).toBe(0);
  });

  test.each([
    ['a second hello', [{ messageType: 'hello' }]],
    ['a second hello before the first is answered', []],
  ])('%s closes with 1011', async (_, more) => {
    const phone = gateway.open();
    phone.say({ messageType: 'hello' });
    if (more.length === 0) phone.say({ messageType: 'hello' });
    await settled();
    for (const message of more) phone.say(message);
    expect(phone.closed).toEqual({ code: 1011 });
  });

  test.each([
    ['register', { messageType: 'register', channelID: randomUUID() }],
    ['ping', '{}'],
    ['ack', { messageType: 'ack', updates: [] }],
  ])('has to come before %s', (_, first) => {
    const phone = gateway.open();
    phone.say(first);
    expect(phone.closed).toEqual({ code: 1011 });
  });

  test('that does not come in time closes, one that came in time does not', async () => {
    const late = gateway.open();
    const phone = await gateway.greeted(secret);
    field.now += 4_999;
    gateway.gateway.helloDeadline.look();
    expect(late.closed).toBeUndefined();
    field.now += 1;
    gateway.gateway.helloDeadline.look();
    expect(late.closed).toEqual({ code: 1008 });
    expect(phone.closed).toBeUndefined();
  });
});

describe('register', () => {
  test('gives an endpoint, and the same channel again another that works as well', async () => {
    const phone = await gateway.greeted();
    const { channelID, ...first } = await register(phone);
    const again = await register(phone, { channelID });
    expect(first).toMatchObject({ messageType: 'register', status: 200 });
    expect(again).toMatchObject({ status: 200, channelID });
    expect(first.pushEndpoint).toMatch(/^https:\/\/push\.example\/wpush\/v1\//);
    const { subscriptions } = await lookup().list(deviceIdOf(phone.uaid));
    expect(subscriptions.map((one) => one.subscription)).toEqual([channelID.replaceAll('-', '')]);
  });

  test.each([
    ['a key that is none', { key: '!!!' }],
    ['a channel that is no lower-case UUID', { channelID: 'X' }],
  ])('of %s is answered 400, and the socket stays open', async (_, of) => {
    const phone = await gateway.greeted();
    expect(await register(phone, of)).toMatchObject({ status: 400 });
    expect(phone.closed).toBeUndefined();
    expect(await persisted()).toBe(0);
  });

  test('beyond the limit of subscriptions is answered 400', async () => {
    const phone = await gateway.greeted();
    for (let i = 0; i < 3; i++) await register(phone);
    expect(await register(phone)).toMatchObject({ status: 400 });
  });

  test('is answered 500 when the log is away, and works when it is back', async () => {
    const outage = new Outage();
    outage.isAway = true;
    const registrar = registrarOver(outage.around(field.producer));
    const g = await new HandDrivenGateway(field, { id: 'g2', ports: { registrar } }).begin();
    const phone = await g.greeted();
    expect(await register(phone)).toMatchObject({ status: 500 });
    outage.isAway = false;
    expect(await register(phone)).toMatchObject({ status: 200 });
  });
});

describe('replies', () => {
  /** A gateway whose registers wait for the test. */
  async function held() {
    const append = new Holding('append', 'before');
    const registrar = registrarOver(append.around(field.producer));
    const env = { FRAMES_PER_SECOND_MAX: '100000' };
    const g = await new HandDrivenGateway(field, { id: 'g2', env, ports: { registrar } }).begin();
    return { append, g, phone: await g.greeted(secret) };
  }

  test('come in the order of the requests, pongs among them', async () => {
    const { append, phone } = await held();
    const [a, b] = [randomUUID(), randomUUID()];
    phone.say({ messageType: 'register', channelID: a });
    phone.say('{}');
    phone.say({ messageType: 'unregister', channelID: b });
    await settled();
    expect(phone.frames).toHaveLength(1);
    await append.letGo();
    expect(phone.frames.slice(1)).toMatchObject([
      { messageType: 'register', channelID: a },
      {},
      { messageType: 'unregister', channelID: b, status: 200 },
    ]);
  });

  test('are overtaken by no notification', async () => {
    const { append, g, phone } = await held();
    phone.say({ messageType: 'register', channelID: randomUUID() });
    await posted('a');
    await g.readOn();
    expect(phone.frames).toHaveLength(1);
    await append.letGo();
    expect(phone.frames.map(({ messageType }) => messageType)).toEqual([
      'hello',
      'register',
      'notification',
    ]);
  });

  test('to what comes before the reply to hello come after it', async () => {
    const hello = new Holding('hello', 'after');
    const presence = hello.around(field.presence);
    const g = await new HandDrivenGateway(field, { id: 'g2', ports: { presence } }).begin();
    await posted('a');
    const phone = await g.greeted(secret);
    phone.say('{}');
    phone.say({ messageType: 'unregister', channelID: randomUUID() });
    await settled();
    await hello.letGo();
    expect(phone.frames.map(({ messageType }) => messageType)).toEqual([
      'hello',
      undefined,
      'unregister',
      'notification',
    ]);
  });

  test('to what has waited too long behind others are 500', async () => {
    const { append, phone } = await held();
    phone.say({ messageType: 'register', channelID: randomUUID() });
    phone.say({ messageType: 'register', channelID: randomUUID() });
    await settled();
    field.now += 950;
    await append.letGo();
    expect(phone.frames.slice(1)).toMatchObject([{ status: 200 }, { status: 500 }]);
  });

  test('of which too many are owed close with 1008', async () => {
    const { append, phone } = await held();
    phone.say({ messageType: 'register', channelID: randomUUID() });
    for (let i = 1; i < WAITING_MAX; i++) phone.say({ messageType: 'unregister', channelID: 'x' });
    expect(phone.closed).toBeUndefined();
    phone.say({ messageType: 'unregister', channelID: 'x' });
    expect(phone.closed).toEqual({ code: 1008 });
    await append.letGo();
  });

  test('to a device that has left are nobody’s, and the registration stands', async () => {
    const { append, phone } = await held();
    const channelID = randomUUID();
    phone.say({ messageType: 'register', channelID });
    await settled();
    phone.leave();
    await append.letGo();
    const { subscriptions } = await lookup().list(device);
    expect(subscriptions.map((one) => one.subscription)).toContain(channelID.replaceAll('-', ''));
  });
});

describe('unregister', () => {
  test('removes, and is 200 for a channel that nobody knows', async () => {
    const phone = await gateway.greeted();
    const { channelID } = await register(phone);
    for (const of of [channelID, channelID, randomUUID(), 'no UUID']) {
      phone.say({ messageType: 'unregister', channelID: of, code: 202 });
      await settled();
      const reply = { messageType: 'unregister', channelID: of, status: 200 };
      expect(phone.frames.at(-1)).toEqual(reply);
    }
    expect((await lookup().list(deviceIdOf(phone.uaid))).subscriptions).toEqual([]);
  });

  test('of a device that never registered persists nothing', async () => {
    const phone = await gateway.greeted();
    phone.say({ messageType: 'unregister', channelID: randomUUID() });
    await settled();
    expect(phone.frames.at(-1)).toMatchObject({ status: 200 });
    expect(await persisted()).toBe(0);
  });
});

describe('ack', () => {
  test.each([
    [100, 'delivered'],
    [101, 'undecryptable'],
    [102, 'rejected'],
    [undefined, 'delivered'],
  ])('with code %s ends redelivery as %s', async (code, outcome) => {
    await posted('a');
    const phone = await gateway.greeted(secret);
    const [{ channelID, version }] = phone.notifications as [
      { channelID: string; version: string },
    ];
    phone.say({ messageType: 'ack', updates: [{ channelID, version, code }] });
    await settled();
    expect((await field.view.accounts(0))?.outcomes).toMatchObject({ [outcome]: 1 });
    phone.leave();
    expect((await gateway.greeted(secret)).payloads).toEqual([]);
  });

  test('of unknown versions, and a nack, and a broadcast subscription change nothing', async () => {
    await posted('a');
    const phone = await gateway.greeted(secret);
    const channelID = randomUUID();
    phone.say({ messageType: 'ack', updates: [{ channelID, version: 'nobody-knows' }] });
    phone.say({ messageType: 'nack', version: 'x', code: 302 });
    phone.say({ messageType: 'nack', version: 'x', code: 7 });
    phone.say({ messageType: 'broadcast_subscribe', broadcasts: { a: '"0"' } });
    await settled();
    expect(phone.closed).toBeUndefined();
    expect(await field.mailbox.offsets(device)).toHaveLength(1);
    expect(gateway.gateway.counts.nacks).toEqual({ 302: 1, other: 1 });
  });
});

describe('ping', () => {
  test('is answered by {}, one that comes too soon closes with 1011', async () => {
    const phone = await gateway.greeted(secret);
    phone.say('{}');
    expect(phone.frames.at(-1)).toEqual({});
    field.now += 45_000;
    phone.say({ messageType: 'ping' });
    expect(phone.frames).toHaveLength(3);
    field.now += 44_999;
    phone.say('{}');
    expect(phone.closed).toEqual({ code: 1011 });
  });
});

describe('frames', () => {
  test.each([
    ['', 'empty'],
    ['[]', 'an array'],
    ['null', 'null'],
    ['{"messageType":"hello"', 'cut off'],
    ['{"messageType":"register"}', 'without a channel'],
    ['{"messageType":"ack","updates":[{"version":1}]}', 'with a version that is a number'],
    ['{"messageType":"what"}', 'of an unknown type'],
  ])('%s (%s) close with 1011', async (text) => {
    const phone = await gateway.greeted(secret);
    phone.say(text);
    expect(phone.closed).toEqual({ code: 1011 });
  });

  test('more often than allowed close with 1008, after twice a second’s worth at once', async () => {
    const env = { FRAMES_PER_SECOND_MAX: '10' };
    const g = await new HandDrivenGateway(field, { id: 'g2', env }).begin();
    const phone = await g.greeted(secret); // the first of 20
    const nack = { messageType: 'nack', version: 'x' };
    for (let i = 1; i < 20; i++) phone.say(nack);
    expect(phone.closed).toBeUndefined();
    field.now += 100;
    phone.say(nack);
    expect(phone.closed).toBeUndefined();
    phone.say(nack);
    expect(phone.closed).toEqual({ code: 1008 });
  });

  test('that acknowledge what was sent are free, those that acknowledge anything else are not', async () => {
    const env = { FRAMES_PER_SECOND_MAX: '2' };
    const g = await new HandDrivenGateway(field, { id: 'g2', env }).begin();
    for (let i = 0; i < 100; i++) await posted(`${i}`);
    const phone = await g.greeted(secret);
    for (let i = 0; i < 100; i++) {
      phone.ack(phone.notifications[i]!);
      await settled(3);
    }
    expect(phone.payloads).toHaveLength(100);
    expect(phone.closed).toBeUndefined();
    for (let i = 0; i < 4; i++) if (!phone.closed) phone.ack(phone.notifications[0]!);
    expect(phone.closed).toEqual({ code: 1008 });
  });
});

describe('last seen', () => {
  const DAY_MS = 86_400_000;
  const seenAt = async () => (await lookup().findDevice(device)).seenAt;

  test('is written at the hello of a known device, and again by a re-check after a week', async () => {
    await gateway.greeted(secret);
    const first = field.now;
    expect(await seenAt()).toBe(first);
    field.now += 6 * DAY_MS;
    await gateway.gateway.lease.renew();
    await gateway.recheckAll();
    expect(await seenAt()).toBe(first);
    field.now += 3 * DAY_MS;
    await gateway.recheckAll();
    expect(await seenAt()).toBe(field.now);
  });
});
