/** The applying script in a view that is ready (design §4, §5 rules 2, 4, 5, 10). */
import { describe, expect, test } from 'vitest';
import type { Applied } from './partition-view.js';
import { inWorld, outcomesOf, P } from './view-harness.contract.js';
import type { ViewHarness } from './view-harness.contract.js';

export function applyContract(harness: ViewHarness): void {
  describe('apply', () => {
    test('gives each notification in log order with its holder of that moment, or none', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const [held, free] = [world.device(), world.device()];
        const holder = world.holder('a', 2 ** 53 - 1, 2 ** 48 - 1);
        await world.client(1).presence.hello(held, holder);
        await world.put(free, { ttlSeconds: 7 });
        await world.put(held);
        await world.put(held, { ttlSeconds: 0 });
        const { routables, announcements } = await router.apply();
        const expected = [0, 1, 2].map((offset) => {
          const { device, id, record, ttlSeconds } = world.putAt(offset);
          const routable = { offset, device, id, record, ttlSeconds };
          return device === held ? { ...routable, holder } : routable;
        });
        expect(routables).toEqual(expected);
        expect(announcements).toEqual([]);
        expect(await world.view.accounts(P)).toMatchObject({ accepted: 3, pending: 3 });
        await world.client(1).presence.release(held, holder);
        await world.put(held);
        expect((await router.apply()).routables[0]?.holder).toBeUndefined();
      }));

    test('what was applied and not routed is given again while it is there, TTL 0 too', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        const settled = await world.put(device);
        const waiting = await world.put(device);
        const instant = await world.put(device, { ttlSeconds: 0 });
        await router.apply();
        await world.settle(settled, 'delivered');
        const next = await world.put(device);
        const again = await (await world.router(1)).apply(0);
        expect(offsetsOf(again)).toEqual([waiting, instant, next]);
        expect(await world.view.accounts(P)).toMatchObject({ accepted: 4, pending: 3 });
        expect(await world.box(device)).toEqual([waiting, next]);
      }));

    test('what is due is accepted and not delivered', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        await world.put(device, { ttlSeconds: 5, agoMs: 6_000 });
        await world.put(device, { ttlSeconds: 0, agoMs: 31_000 });
        const live = await world.put(device);
        expect(offsetsOf(await router.apply())).toEqual([live]);
        expect(await world.pending()).toBe(3);
      }));

    test('executes an announcement of the log: counted once, not announced again', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        const boxed = await world.put(device);
        const instant = await world.put(device, { ttlSeconds: 0 });
        await router.apply();
        world.outcome(boxed, 'delivered');
        world.outcome(boxed, 'expired');
        world.outcome(instant, 'dropped');
        expect(await router.apply()).toEqual({ routables: [], announcements: [] });
        expect(await world.outcomes()).toEqual({ delivered: 1, dropped: 1 });
        expect(await world.pending()).toBe(0);
        const pick = { olderThanMs: 0, limit: 9 };
        expect(await world.view.outbox(P, router.viewBelief, pick)).toEqual([]);
      }));

    test('what a batch puts and ends is not delivered', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        const ended = await world.put(device);
        const cancelled = await world.put(device);
        const replaced = await world.put(device, { topic: 't' });
        const last = await world.put(device, { topic: 't' });
        world.outcome(ended, 'delivered');
        world.cancel(cancelled);
        const applied = await router.apply();
        expect(offsetsOf(applied)).toEqual([last]);
        expect(outcomesOf(applied.announcements)).toEqual({
          [cancelled]: 'deleted',
          [replaced]: 'replaced',
        });
        expect(await world.outcomes()).toEqual({ delivered: 1, deleted: 1, replaced: 1 });
      }));

    test('a cancel finds its message in that mailbox, once, and never TTL 0', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const [device, other] = [world.device(), world.device()];
        const kept = await world.put(other);
        const cancelled = await world.put(device);
        const instant = await world.put(device, { ttlSeconds: 0 });
        await router.apply();
        world.cancel(cancelled);
        world.cancel(cancelled);
        world.cancel(instant);
        world.log.push({ kind: 'cancel', device, id: world.putAt(kept).id });
        const { announcements } = await router.apply();
        expect(outcomesOf(announcements)).toEqual({ [cancelled]: 'deleted' });
        expect(await world.box(device)).toEqual([]);
        expect(await world.box(other)).toEqual([kept]);
        expect(await world.pending()).toBe(2);
      }));

    test('a topic replaces what waits under it for that subscription of that device', () =>
      inWorld(
        harness,
        async (world) => {
          const router = await world.readyRouter();
          const [device, other] = [world.device(), world.device()];
          const [a, b] = [world.subscription(), world.subscription()];
          const old = await world.put(device, { subscription: a, topic: 't' });
          await world.put(device, { subscription: b, topic: 't' });
          await world.put(device, { subscription: a, topic: 'u' });
          await world.put(device, { subscription: a });
          await world.put(other, { subscription: a, topic: 't' });
          await router.apply();
          const young = await world.put(device, { subscription: a, topic: 't' });
          const { announcements } = await router.apply();
          expect(outcomesOf(announcements)).toEqual({ [old]: 'replaced' });
          expect(await world.box(device)).toEqual([1, 2, 3, young]);
          expect(await world.box(other)).toEqual([4]);
          const last = await world.put(device, { subscription: a, topic: 't' });
          expect(outcomesOf((await router.apply()).announcements)).toEqual({
            [young]: 'replaced',
          });
          expect(await world.box(device)).toEqual([1, 2, 3, last]);
        },
        { mailboxMax: 9 },
      ));

    test('TTL 0 replaces and is replaced', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        await world.put(device, { topic: 't' });
        await world.put(device, { topic: 't', ttlSeconds: 0 });
        expect(outcomesOf((await router.apply()).announcements)).toEqual({ 0: 'replaced' });
        await world.put(device, { topic: 't' });
        expect(outcomesOf((await router.apply()).announcements)).toEqual({ 1: 'replaced' });
        expect(await world.box(device)).toEqual([2]);
        expect(await world.pending()).toBe(1);
      }));

    test('a replacement that meets the ack of the old one survives it, in either order', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        for (const order of ['ack first', 'replacement first', 'at once']) {
          const device = world.device();
          const old = await world.put(device, { topic: 't' });
          await router.apply();
          const young = await world.put(device, { topic: 't' });
          if (order === 'ack first') {
            expect(await world.settle(old, 'delivered')).toHaveLength(1);
            expect((await router.apply()).announcements).toEqual([]);
          } else if (order === 'replacement first') {
            expect((await router.apply()).announcements).toHaveLength(1);
            expect(await world.settle(old, 'delivered')).toEqual([]);
          } else {
            const [settled, applied] = await Promise.all([
              world.settle(old, 'delivered'),
              router.apply(),
            ]);
            expect(settled.length + applied.announcements.length).toBe(1);
          }
          expect(await world.box(device)).toEqual([young]);
        }
      }));

    test('a mailbox over its count drops the oldest', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const [device, other] = [world.device(), world.device()];
        await world.put(other);
        for (let i = 0; i < 3; i++) await world.put(device);
        await world.put(device, { ttlSeconds: 0 });
        expect((await router.apply()).announcements).toEqual([]);
        await world.put(device);
        await world.put(device);
        const applied = await router.apply();
        expect(outcomesOf(applied.announcements)).toEqual({ 1: 'dropped', 2: 'dropped' });
        expect(await world.box(device)).toEqual([3, 5, 6]);
        expect(await world.box(other)).toEqual([0]);
      }));

    test('a mailbox over its bytes drops the oldest, as many as it takes', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        await world.put(device, { bytes: 400 });
        await world.put(device, { bytes: 400 });
        await world.put(device, { bytes: 200 });
        expect((await router.apply()).announcements).toEqual([]);
        await world.settle(1, 'delivered');
        await world.put(device, { bytes: 400 });
        expect((await router.apply()).announcements).toEqual([]);
        await world.put(device, { bytes: 700 });
        const applied = await router.apply();
        expect(outcomesOf(applied.announcements)).toEqual({
          0: 'dropped',
          2: 'dropped',
          3: 'dropped',
        });
        expect(await world.box(device)).toEqual([4]);
      }));

    test('what a batch drops at once is not delivered', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        for (let i = 0; i < 5; i++) await world.put(device);
        const applied = await router.apply();
        expect(offsetsOf(applied)).toEqual([2, 3, 4]);
        expect(outcomesOf(applied.announcements)).toEqual({ 0: 'dropped', 1: 'dropped' });
      }));

    test('without its subscription a notification is gone, TTL 0 too, and disturbs nothing', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        const subscription = await world.subscribed(device);
        const removed = world.subscription();
        await world.readyKeeper();
        for (let i = 0; i < 3; i++) await world.put(device, { subscription, topic: `t${i}` });
        await router.apply();
        await world.put(device, { subscription: removed, topic: 't0' });
        await world.put(device, { subscription: removed, ttlSeconds: 0 });
        await world.put(world.device(), { subscription });
        const applied = await router.apply();
        expect(applied.routables).toEqual([]);
        expect(outcomesOf(applied.announcements)).toEqual({ 3: 'gone', 4: 'gone', 5: 'gone' });
        expect(await world.box(device)).toEqual([0, 1, 2]);
      }));

    test('a missing subscription is no fact while that view is not ready', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        await world.put(device);
        expect(offsetsOf(await router.apply())).toEqual([0]);
        const keeper = await world.keeper();
        await world.put(device);
        expect(offsetsOf(await router.apply())).toEqual([1]);
        await keeper.setReady();
        await world.put(device);
        expect(outcomesOf((await router.apply()).announcements)).toEqual({ 2: 'gone' });
        expect(await world.box(device)).toEqual([0, 1]);
      }));

    test('a removal that only the Registrar has written is a removal', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        const subscription = await world.subscribed(device);
        await world.readyKeeper();
        await world.write({ kind: 'gone', device, subscription });
        await world.put(device, { subscription });
        expect(outcomesOf((await router.apply()).announcements)).toEqual({ 0: 'gone' });
      }));

    test('an announcement says everything, by the clock of the store', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        await world.put(device);
        world.cancel(0);
        const before = await world.store.now();
        const [announcement] = (await router.apply()).announcements;
        const { id } = world.putAt(0);
        const at = announcement?.at ?? 0;
        expect(announcement).toEqual({ offset: 0, device, id, outcome: 'deleted', at });
        expect(at).toBeGreaterThanOrEqual(before);
        expect(at).toBeLessThanOrEqual(await world.store.now());
      }));
  });
}

function offsetsOf({ routables }: Applied): readonly number[] {
  return routables.map(({ offset }) => offset);
}
