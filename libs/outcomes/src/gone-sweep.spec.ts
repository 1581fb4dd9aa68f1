import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { PartitionView } from '#view';
import { Field, deviceId, intercepted, subscriptionId } from '../../../test/support/field.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { GONE_CHUNK_MAX, GoneSweep } from './gone-sweep.js';

const device = deviceId();
const subscription = subscriptionId();
let field: Field;

beforeEach(async () => {
  field = await Field.open({ mailboxMax: 3 * GONE_CHUNK_MAX });
});
afterEach(() => field.close());

const sweepOver = (view: PartitionView = field.view): GoneSweep =>
  new GoneSweep({ view, subscriptions: field.subscriptions, announcer: field.announcer });

/** Both views were rebuilt, the notifications first: so what has no subscription was put all the same. */
async function waiting(count: number): Promise<void> {
  const router = new HandDrivenRouter(field);
  await router.own();
  for (let i = 0; i < count; i++) await field.put({ device, subscription: subscriptionId() });
  await field.put({ device, subscription });
  await router.readOn();
}
const swept = async () => [
  (await field.view.mark(0))?.isSwept,
  (await field.subscriptions.mark(0))?.isSwept,
];

describe('the gone sweep', () => {
  test('settles and announces what has no subscription, and leaves the rest', async () => {
    await waiting(3);
    await field.subscribed({ device, subscription });
    expect(await sweepOver().sweep(0)).toBe(3);
    expect((await field.announced()).map(({ outcome }) => outcome)).toEqual(Array(3).fill('gone'));
    expect(await swept()).toEqual([true, true]);
    expect(field.store.footprint()).toMatchObject({ pending: 1, outbox: 0 });
    expect(await sweepOver().sweep(0)).toBe(0);
  });

  test('does nothing until both views are ready', async () => {
    await waiting(1);
    expect(await sweepOver().sweep(0)).toBe(0);
    await field.subscriptions.createMark(0);
    expect(await sweepOver().sweep(0)).toBe(0);
    expect(await swept()).toEqual([false, false]);
    await field.subscribed();
    expect(await sweepOver().sweep(0)).toBe(2);
  });

  test('goes on chunk by chunk to its end, each announced before the next', async () => {
    const count = 2 * GONE_CHUNK_MAX + 1;
    await waiting(count);
    await field.subscribed({ device, subscription });
    const told: number[] = [];
    const watched = intercepted(field.view, async (method, call) => {
      if (method === 'sweepGone') told.push((await field.announced()).length);
      return call();
    });
    expect(await sweepOver(watched).sweep(0)).toBe(count);
    expect(told).toEqual([0, GONE_CHUNK_MAX, 2 * GONE_CHUNK_MAX]);
    expect(await swept()).toEqual([true, true]);
  });

  test('is fenced by a view that is lost meanwhile, and marks nothing', async () => {
    await waiting(GONE_CHUNK_MAX + 1);
    await field.subscribed({ device, subscription });
    let chunks = 0;
    const lossy = intercepted(field.view, (method, call) => {
      if (method === 'sweepGone' && ++chunks === 2) field.store.lose();
      return call();
    });
    expect(await sweepOver(lossy).sweep(0)).toBe(GONE_CHUNK_MAX);
    expect(await swept()).toEqual([undefined, undefined]);
  });

  test('ends between two chunks when it is told to, and begins anew', async () => {
    await waiting(GONE_CHUNK_MAX + 1);
    await field.subscribed({ device, subscription });
    const first = await sweepOver().sweep(0, () => false);
    expect(await swept()).toEqual([false, false]);
    expect(first + (await sweepOver().sweep(0))).toBe(GONE_CHUNK_MAX + 1);
    expect(await swept()).toEqual([true, true]);
  });
});
