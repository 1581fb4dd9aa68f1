import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PartitionView } from '#view';
import type { DeviceId, SubscriptionId } from '#webpush';
import { peekNotification } from '#streams';
import {
  Field,
  Gate,
  deviceId,
  failing,
  intercepted,
  subscriptionId,
} from '../../../test/support/field.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { Announcer } from './announcer.js';
import { Settler, type Ack } from './settler.js';

let field: Field;
let router: HandDrivenRouter;
let device: DeviceId;
let subscription: SubscriptionId;

beforeEach(async () => {
  field = await Field.open();
  device = deviceId();
  subscription = subscriptionId();
  await field.subscribed({ device, subscription });
  router = new HandDrivenRouter(field);
  await router.own();
});
afterEach(() => field.close());

/** Notifications in the mailbox, and what a device would acknowledge. */
async function sent(count: number, about: object = {}): Promise<readonly Ack[]> {
  const acks: Ack[] = [];
  for (let i = 0; i < count; i++) {
    const offset = await field.put({ device, subscription, ...about });
    const record = (await field.records()).find((one) => one.offset === offset);
    acks.push({ device, offset, id: peekNotification(record!.value!).id, outcome: 'delivered' });
  }
  return acks;
}

const settlerOn = (view: PartitionView = field.view): Settler =>
  new Settler(view, new Announcer(field.producer, view, { clearMs: 0 }), {
    ...{ clock: () => field.now, retryMs: 1, gatherMs: 0 },
  });
const outcomes = async () => (await field.view.accounts(0))?.outcomes;

describe('acks', () => {
  test('of one turn are one script call, and each is decided and told to the log once', async () => {
    const acks = await sent(50);
    await router.readOn();
    const settler = settlerOn();
    for (const ack of acks) void settler.settle(0, ack);
    for (const ack of acks) void settler.settle(0, ack);
    await settler.drain();
    expect(settler.counts).toMatchObject({ acks: 100, decided: 50, batches: 1 });
    expect(await outcomes()).toMatchObject({ delivered: 50 });
    expect((await field.announced()).map(({ offset }) => offset)).toEqual(
      acks.map(({ offset }) => offset),
    );
    expect(await field.mailbox.offsets(device)).toEqual([]);
  });

  test('wait for a store that is away, and then go in order', async () => {
    const acks = await sent(3);
    await router.readOn();
    const calls: number[] = [];
    const away = failing(field.view, { method: 'settle', side: 'before', times: 3 });
    const view = intercepted(away, (method, call, args) => {
      if (method === 'settle') calls.push((args[1] as readonly Ack[]).length);
      return call();
    });
    const settler = settlerOn(view);
    const first = settler.settle(0, acks[0]!);
    await new Promise((resolve) => setImmediate(resolve));
    void settler.settle(0, acks[1]!);
    void settler.settle(0, acks[2]!);
    await first;
    await settler.drain();
    expect(settler.counts.retries).toBe(3);
    expect(calls).toEqual([1, 1, 1, 1, 2]);
    expect(await outcomes()).toMatchObject({ delivered: 3 });
  });

  test('whose answer was lost count once, and the outbox has what was not told', async () => {
    const acks = await sent(1);
    await router.readOn();
    const settler = settlerOn(failing(field.view, { method: 'settle', side: 'after' }));
    await settler.settle(0, acks[0]!);
    await settler.drain();
    expect(await outcomes()).toMatchObject({ delivered: 1 });
    expect(await field.announced()).toEqual([]);
    field.now += 11_000;
    const mark = await field.view.mark(0);
    const left = await field.view.outbox(0, mark!, { olderThanMs: 10_000, limit: 10 });
    expect(left).toMatchObject([{ offset: acks[0]!.offset, outcome: 'delivered' }]);
  });

  test('that find the view rebuilding are told undecided, and the router executes them', async () => {
    const acks = await sent(2);
    field.store.lose();
    await field.subscribed({ device, subscription });
    await field.view.createMark(0);
    const settler = settlerOn();
    await settler.settle(0, acks[0]!);
    await settler.drain();
    expect(settler.counts).toMatchObject({ undecided: 1, decided: 0 });
    expect(await field.announced()).toEqual([{ ...acks[0], at: field.now }]);
    const other = new HandDrivenRouter(field);
    await other.own();
    expect(await outcomes()).toMatchObject({ delivered: 1 });
    expect(await field.mailbox.offsets(device)).toEqual([acks[1]!.offset]);
  });

  test('that find no view are told undecided as well, and the fold executes them', async () => {
    const acks = await sent(2);
    field.store.lose();
    const settler = settlerOn();
    await settler.settle(0, acks[0]!);
    await settler.drain();
    expect(settler.counts).toMatchObject({ undecided: 1, decided: 0 });
    expect(await field.announced()).toEqual([{ ...acks[0], at: field.now }]);
    await field.subscribed({ device, subscription });
    const other = new HandDrivenRouter(field);
    await other.own();
    await other.readOn();
    expect(await field.mailbox.offsets(device)).toEqual([acks[1]!.offset]);
  });

  test('of a TTL 0 notification count while it stands', async () => {
    const [ack, late] = await sent(2, { ttlSeconds: 0 });
    const held = { gateway: 'g', epoch: 1, connection: 1 };
    await field.held(device, held);
    await router.readOn();
    const settler = settlerOn();
    await settler.settle(0, { ...ack!, outcome: 'undecryptable' });
    field.now += 31_000;
    await settler.settle(0, late!);
    await settler.drain();
    expect(await outcomes()).toMatchObject({ undecryptable: 1 });
  });
});

test('an ack is under way until its script has answered', async () => {
  const acks = await sent(2);
  await router.readOn();
  const gate = new Gate('settle', 'after');
  const settler = settlerOn(gate.around(field.view));
  const done = settler.settle(0, acks[0]!);
  await gate.reached;
  void settler.settle(0, acks[1]!);
  expect(settler.underWay(0, device)).toEqual(acks.map(({ offset }) => offset));
  expect(settler.underWay(0, deviceId())).toEqual([]);
  expect(settler.underWay(1, device)).toEqual([]);
  expect(settler.pending).toBe(2);
  gate.letGo();
  await done;
  await settler.drain();
  expect(settler.underWay(0, device)).toEqual([]);
  expect(settler.pending).toBe(0);
});
