import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Settled } from '#view';
import type { Announcement, DeviceId, SubscriptionId } from '#webpush';
import {
  Field,
  deviceId,
  failing,
  intercepted,
  subscriptionId,
} from '../../../test/support/field.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { Announcer, CLEARED_MAX } from './announcer.js';

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

/** Notifications that are decided as delivered and not announced yet, one script for each. */
async function decided(count: number): Promise<readonly Extract<Settled, { state: 'ready' }>[]> {
  const all: Extract<Settled, { state: 'ready' }>[] = [];
  for (let i = 0; i < count; i++) {
    const offset = await field.put({ device, subscription });
    await router.readOn();
    const settled = await field.view.settle(0, [{ device, offset, outcome: 'delivered' }]);
    if (settled.state === 'ready') all.push(settled);
  }
  return all;
}

const inOutbox = async (): Promise<readonly Announcement[]> => {
  const mark = await field.view.mark(0);
  field.now += 60_000;
  return field.view.outbox(0, mark!, { olderThanMs: 1, limit: 1_000 });
};
const toldOf = async (): Promise<readonly number[]> =>
  (await field.announced()).map(({ offset }) => offset);

describe('an announcement', () => {
  test('is in the log and out of the outbox', async () => {
    const [one] = await decided(1);
    expect(await inOutbox()).toHaveLength(1);
    const announcer = new Announcer(field.producer, field.view);
    await announcer.announce(0, one!.viewId, one!.announcements);
    expect(await field.announced()).toEqual(one!.announcements);
    await announcer.drain();
    expect(await inOutbox()).toEqual([]);
  });

  test('goes with the others of its turn in one append, in the order of the calls', async () => {
    const all = await decided(5);
    const announcer = new Announcer(field.producer, field.view);
    await Promise.all(all.map((one) => announcer.announce(0, one.viewId, one.announcements)));
    expect(announcer.counts).toMatchObject({ announced: 5, batches: 1, uncleared: 0 });
    expect(await toldOf()).toEqual(all.map((one) => one.announcements[0]?.offset));
  });

  test('that comes while an append is under way goes with the next', async () => {
    const all = await decided(4);
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    let isFirst = true;
    const producer = intercepted(field.producer, async (_, call) => {
      if (isFirst) {
        isFirst = false;
        await held;
      }
      return call();
    });
    const announcer = new Announcer(producer, field.view);
    const first = announcer.announce(0, all[0]!.viewId, all[0]!.announcements);
    await turn();
    await turn();
    const others = all.slice(1).map((one) => announcer.announce(0, one.viewId, one.announcements));
    await turn();
    expect(announcer.pending).toBe(4);
    letGo();
    await Promise.all([first, ...others]);
    expect(announcer.counts.batches).toBe(2);
    expect(announcer.pending).toBe(0);
    expect(await toldOf()).toEqual(all.map((one) => one.announcements[0]?.offset));
  });

  test('is cleared from its outbox with those of the next while, and before a drain ends', async () => {
    const all = await decided(CLEARED_MAX + 3);
    const scripts: number[] = [];
    const view = intercepted(field.view, (method, call, args) => {
      if (method === 'clearOutbox') scripts.push((args[2] as Announcement[]).length);
      return call();
    });
    const announcer = new Announcer(field.producer, view, { clearMs: 60_000 });
    for (const one of all.slice(0, 3)) await announcer.announce(0, one.viewId, one.announcements);
    expect(await toldOf()).toHaveLength(3);
    expect(scripts).toEqual([]);
    const rest = all.slice(3).flatMap((one) => one.announcements);
    await announcer.announce(0, all[0]!.viewId, rest);
    await announcer.drain();
    expect(scripts).toEqual([CLEARED_MAX, 3]);
    expect(await inOutbox()).toEqual([]);
  });

  test('whose outbox cannot be cleared is in the log, and stays in the outbox for the router', async () => {
    const [one] = await decided(1);
    const view = failing(field.view, { method: 'clearOutbox', side: 'before' });
    const announcer = new Announcer(field.producer, view);
    await announcer.announce(0, one!.viewId, one!.announcements);
    expect(await field.announced()).toEqual(one!.announcements);
    await announcer.drain();
    expect(announcer.counts.uncleared).toBe(1);
    expect(await inOutbox()).toEqual(one!.announcements);
  });

  test('of a closed producer is given up and stays in the outbox', async () => {
    const [one, two] = await decided(2);
    const producer = intercepted(field.producer, () => Promise.reject(new Error('closed')));
    const announcer = new Announcer(producer, field.view);
    void announcer.announce(0, two!.viewId, two!.announcements); // nobody need care
    await expect(announcer.announce(0, one!.viewId, one!.announcements)).rejects.toThrow('closed');
    await announcer.drain();
    expect(await inOutbox()).toHaveLength(2);
  });

  test('of nothing does nothing', async () => {
    const announcer = new Announcer(field.producer, field.view);
    await announcer.announce(0, 'any', []);
    expect(announcer.counts.batches).toBe(0);
  });
});

test('a drain waits for all that is under way, and for what comes meanwhile', async () => {
  const [one, two] = await decided(2);
  const announcer = new Announcer(field.producer, field.view);
  void announcer
    .announce(0, one!.viewId, one!.announcements)
    .then(() => announcer.announce(0, two!.viewId, two!.announcements));
  await announcer.drain();
  await announcer.drain();
  expect(await toldOf()).toHaveLength(2);
});
