import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NOTIFICATIONS, encodeCancel, encodeNotification } from '#streams';
import type { Holder } from '#view';
import {
  Field,
  deviceId,
  intercepted,
  messageId,
  subscriptionId,
} from '../../../test/support/field.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { SLICE_RECORDS_MAX } from './commands.js';

const device = deviceId();
const subscription = subscriptionId();
const HELD: Holder = { gateway: 'g1', epoch: 7, connection: 70 };
let field: Field;
let owner: HandDrivenRouter;

beforeEach(async () => {
  field = await Field.open({ mailboxMax: 600 });
  await field.subscribed({ device, subscription });
  owner = new HandDrivenRouter(field);
  await owner.own();
});
afterEach(() => field.close());

const put = (about: object = {}) => field.put({ device, subscription, ...about });
const waiting = async () => field.mailbox.offsets(device);
const outcomes = async () => (await field.view.accounts(0))?.outcomes;

describe('a notification', () => {
  test('for a device that nobody holds waits in the mailbox', async () => {
    const offset = await put();
    await owner.readOn();
    expect(await waiting()).toEqual([offset]);
    expect(owner.router.counts).toMatchObject({ absent: 1, delivered: 0 });
  });

  test('goes to the holder’s gateway, and names epoch, connection, offset and the same bytes', async () => {
    await field.held(device, HELD);
    const value = encodeNotification({
      id: messageId(),
      device,
      subscription,
      ttlSeconds: 60,
      urgency: 'high',
      encoding: 'aes128gcm',
      payload: Buffer.from('ciphertext'),
    });
    const offset = await field.append({ key: Buffer.from('k'), value });
    await owner.readOn();
    const { epoch, connection } = HELD;
    expect(await field.deliveries('g1')).toEqual([
      { kind: 'notification', epoch, connection, offset, record: value, at: field.now },
    ]);
    expect(await waiting()).toEqual([offset]);
  });

  test('tells a gateway when the first of a slice was appended', async () => {
    await field.held(device, HELD);
    const times = async (): Promise<(number | undefined)[]> =>
      (await field.deliveries('g1')).map((one) => (one.kind === 'notification' ? one.at : NaN));
    await put();
    field.now += 5;
    await put();
    await owner.readOn();
    expect(await times()).toEqual([field.now - 5, undefined]);
  });

  test('stands on its stream in the order of the log, on each gateway’s own', async () => {
    const other = deviceId();
    const theirs = subscriptionId();
    await field.subscribed({ device: other, subscription: theirs });
    await field.held(device, HELD);
    await field.held(other, { gateway: 'g2', epoch: 8, connection: 80 });
    const ours: number[] = [];
    const others: number[] = [];
    for (let i = 0; i < 20; i++) {
      ours.push(await put());
      others.push(await field.put({ device: other, subscription: theirs }));
    }
    await owner.readOn();
    expect(await field.delivered('g1')).toEqual(ours);
    expect(await field.delivered('g2')).toEqual(others);
  });

  test('is routed when its delivery is on the stream, not before', async () => {
    await field.held(device, HELD);
    const offset = await put();
    const seen: (number | undefined)[] = [];
    const producer = intercepted(field.producer, async (_, call) => {
      seen.push((await field.view.mark(0))?.routed);
      return call();
    });
    const second = new HandDrivenRouter(field, { producer });
    await second.own();
    expect(seen).toEqual([offset]);
    expect(await field.view.mark(0)).toMatchObject({ applied: offset + 1, routed: offset + 1 });
  });

  test('is marked as routed by the script of the next', async () => {
    await field.held(device, HELD);
    const first = await put();
    await owner.step();
    const routed = async () => (await field.view.mark(0))?.routed;
    expect(await routed()).toBe(first);
    await put();
    await owner.step();
    expect(await routed()).toBe(first + 1);
  });

  test('without a subscription is `gone`, in the log too', async () => {
    await field.held(device, HELD);
    const offset = await field.put({ device, subscription: subscriptionId() });
    await owner.readOn();
    expect(await field.announced()).toMatchObject([{ offset, outcome: 'gone' }]);
    expect(await field.delivered('g1')).toEqual([]);
  });

  test('replaces the waiting one of its topic, and only the new one is delivered', async () => {
    const old = await put({ topic: 'quote' });
    const fresh = await put({ topic: 'quote' });
    await field.held(device, HELD);
    await owner.readOn();
    expect(await field.announced()).toMatchObject([{ offset: old, outcome: 'replaced' }]);
    expect(await field.delivered('g1')).toEqual([fresh]);
    expect(await waiting()).toEqual([fresh]);
  });

  test('beyond the mailbox’s bound drops the oldest', async () => {
    const offsets: number[] = [];
    for (let i = 0; i < 602; i++) offsets.push(await put());
    await owner.readOn();
    expect(await waiting()).toEqual(offsets.slice(2));
    expect(await outcomes()).toMatchObject({ dropped: 2 });
  });
});

describe('a holder', () => {
  test('without a lease is absent', async () => {
    await field.presence.hello(device, HELD);
    await put();
    await owner.readOn();
    expect(await field.delivered('g1')).toEqual([]);
    expect(owner.router.counts.absent).toBe(1);
  });

  test('of an earlier epoch of its gateway is absent', async () => {
    await field.held(device, HELD);
    await field.leases.release('g1', HELD.epoch);
    await field.leases.set('g1', 8, 15_000);
    await put();
    await owner.readOn();
    expect(await field.delivered('g1')).toEqual([]);
  });

  test('of a new epoch is found although the old one was remembered', async () => {
    await field.held(device, HELD);
    await put();
    await owner.readOn();
    await field.leases.release('g1', HELD.epoch);
    await field.held(device, { ...HELD, epoch: 8, connection: 71 });
    const offset = await put();
    await owner.readOn();
    expect((await field.deliveries('g1')).at(-1)).toMatchObject({ offset, epoch: 8 });
  });

  test('of an old epoch is absent although the new one is remembered', async () => {
    const other = deviceId();
    await field.subscribed({ device: other, subscription });
    await field.presence.hello(device, HELD);
    await field.held(other, { ...HELD, epoch: 8, connection: 80 });
    await field.put({ device: other, subscription });
    await owner.step();
    await put();
    await owner.step();
    expect(await field.delivered('g1')).toEqual([0]);
  });

  test('whose lease a look did not find is absent, whatever was remembered before', async () => {
    const other = deviceId();
    await field.subscribed({ device: other, subscription });
    await field.held(other, { ...HELD, epoch: 8, connection: 80 });
    await field.put({ device: other, subscription });
    await owner.step();
    await field.leases.release('g1', 8);
    await field.presence.hello(device, HELD);
    await put();
    await field.put({ device: other, subscription });
    await owner.step();
    expect(await field.delivered('g1')).toEqual([0]);
  });

  test('costs one look at its lease while the mark is not read, however much comes for it', async () => {
    let looks = 0;
    const leases = intercepted(field.leases, (method, call) => {
      if (method === 'get') looks++;
      return call();
    });
    const counting = new HandDrivenRouter(field, { leases });
    await field.held(device, HELD);
    await counting.own();
    for (let i = 0; i < 5; i++) {
      await put();
      await put();
      await counting.step();
    }
    expect(looks).toBe(1);
    await counting.step(); // an idle look at the mark
    await put();
    await counting.step();
    expect(looks).toBe(2);
  });

  test('that is absent costs one look per slice', async () => {
    let looks = 0;
    const leases = intercepted(field.leases, (method, call) => {
      if (method === 'get') looks++;
      return call();
    });
    const counting = new HandDrivenRouter(field, { leases });
    await field.presence.hello(device, HELD);
    await counting.own();
    for (let i = 0; i < 10; i++) await put();
    await counting.step();
    expect(looks).toBe(1);
  });
});

describe('TTL 0', () => {
  test('without a holder is dropped, and the log is told', async () => {
    const offset = await put({ ttlSeconds: 0 });
    await owner.readOn();
    expect(await field.announced()).toMatchObject([{ offset, outcome: 'dropped' }]);
    expect(await field.view.accounts(0)).toMatchObject({ accepted: 1, pending: 0 });
  });

  test('with a holder goes to its gateway and waits in no mailbox', async () => {
    await field.held(device, HELD);
    const offset = await put({ ttlSeconds: 0 });
    await owner.readOn();
    expect(await field.delivered('g1')).toEqual([offset]);
    expect(await waiting()).toEqual([]);
    expect(await field.view.accounts(0)).toMatchObject({ pending: 1 });
  });

  test('beside others in one batch: each has its own fate', async () => {
    const stays = await put();
    await put({ ttlSeconds: 0 });
    await owner.readOn();
    expect(await waiting()).toEqual([stays]);
    expect(await outcomes()).toMatchObject({ dropped: 1 });
  });
});

describe('a record without a value', () => {
  test('that announces an outcome which the view has is skipped', async () => {
    const offset = await put();
    await owner.readOn();
    const ack = { device, offset, outcome: 'delivered' as const };
    const settled = await field.view.settle(0, [ack]);
    await field.announcer.announce(
      0,
      undefined,
      'announcements' in settled ? settled.announcements : [],
    );
    await owner.readOn();
    expect(await field.view.accounts(0)).toMatchObject({ accepted: 1, pending: 0 });
    expect(await field.announced()).toHaveLength(1);
  });

  test('that announces an outcome which the view has not is executed and not announced again', async () => {
    const offset = await put();
    await owner.readOn();
    const told = { offset, device, id: messageId(), outcome: 'rejected' as const, at: field.now };
    await field.announcer.announce(0, undefined, [told]);
    await owner.readOn();
    expect(await waiting()).toEqual([]);
    expect(await outcomes()).toMatchObject({ rejected: 1 });
    expect(await field.announced()).toHaveLength(1);
  });

  test('that cancels takes the message away, also one that came with it in a batch', async () => {
    await field.held(device, HELD);
    const id = messageId();
    const offset = await put({ id });
    await field.append(encodeCancel(device, id));
    await owner.readOn();
    expect(await waiting()).toEqual([]);
    expect(await field.delivered('g1')).toEqual([]);
    expect(await field.announced()).toMatchObject([{ offset, outcome: 'deleted' }]);
  });

  test('that cancels what is not there changes nothing', async () => {
    const offset = await put();
    await field.append(encodeCancel(device, messageId()));
    await owner.readOn();
    expect(await waiting()).toEqual([offset]);
  });

  test('that says nothing is skipped and is no error', async () => {
    await field.append({ key: Buffer.from('k'), value: null });
    await owner.readOn();
    expect(owner.router.counts.undecodable).toBe(0);
  });
});

describe('a record that cannot be decoded', () => {
  const broken = [
    ['an empty value', { key: Buffer.from('k'), value: Buffer.alloc(0) }],
    ['another version', { key: Buffer.from('k'), value: Buffer.alloc(80, 9) }],
    ['a cut-off head', { key: Buffer.from('k'), value: Buffer.from([1, 2, 3]) }],
    [
      'an outcome that does not exist',
      { key: Buffer.from('k'), value: null, headers: { outcome: 'lost' } },
    ],
    ['a cancel without a device', { key: Buffer.from('k'), value: null, headers: { cancel: '1' } }],
  ] as const;

  test.each(broken)('(%s) is counted, named in the log and skipped', async (_, record) => {
    const before = await put();
    const offset = await field.append(record);
    const behind = await put();
    await owner.readOn();
    expect(owner.router.counts.undecodable).toBe(1);
    expect(owner.said.find(({ level }) => level === 'warn')).toMatchObject({
      stream: NOTIFICATIONS,
      partition: 0,
      offset,
    });
    expect(await waiting()).toEqual([before, behind]);
    expect(await field.view.mark(0)).toMatchObject({ applied: behind + 1, routed: behind + 1 });
  });
});

describe('a large batch', () => {
  test('is applied in slices, each delivered before the next is applied', async () => {
    await field.held(device, HELD);
    const steps: string[] = [];
    const note = (method: string, call: () => Promise<unknown>) => {
      if (method === 'apply' || method === 'appendUntilIn') steps.push(method);
      return call();
    };
    const sliced = new HandDrivenRouter(field, {
      view: intercepted(field.view, note),
      producer: intercepted(field.producer, note),
    });
    await sliced.own();
    const count = SLICE_RECORDS_MAX + 50;
    for (let i = 0; i < count; i++) await put();
    steps.length = 0;
    await sliced.step();
    expect(steps).toEqual(['apply', 'appendUntilIn', 'apply', 'appendUntilIn']);
    expect(await field.delivered('g1')).toHaveLength(count);
  });

  test('is cut by bytes as well', async () => {
    const payload = Buffer.alloc(60_000, 1);
    for (let i = 0; i < 40; i++) await put({ payload });
    await owner.readOn();
    expect(owner.router.counts.batches).toBeGreaterThan(2);
    expect(await waiting()).toHaveLength(40);
  });
});
