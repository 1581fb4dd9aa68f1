/** Marks and fences (design §5, rule 5): a script that finds another mark than was believed writes nothing. */
import { describe, expect, test } from 'vitest';
import { inWorld, P } from './view-harness.contract.js';
import type { ViewHarness, World } from './view-harness.contract.js';

export function markContract(harness: ViewHarness): void {
  describe('marks', () => {
    test('without a mark every script writes nothing and says so', () =>
      inWorld(harness, async (world) => {
        const { view } = world;
        const device = world.device();
        const offset = await world.put(device);
        const belief = { viewId: 'x', state: 'ready', applied: 0 } as const;
        const fold = { ...belief, state: 'rebuilding' } as const;
        const batch = { commands: world.log, next: 1, routed: 0 };
        const step = { limit: 10 };
        expect(await view.mark(P)).toBeUndefined();
        expect(await view.accounts(P)).toBeUndefined();
        expect(await view.apply(P, belief, batch)).toBeUndefined();
        expect(await view.apply(P, fold, batch)).toBeUndefined();
        expect(await view.finish(P, fold, step)).toBeUndefined();
        expect(await view.setRouted(P, belief, 1)).toBe(false);
        expect(await view.setTold(P, belief)).toBe(false);
        const acks = [{ device, offset, outcome: 'delivered' }] as const;
        expect(await view.settle(P, acks)).toEqual({ state: 'none' });
        expect(await view.settle(P, acks, belief)).toEqual({ state: 'none' });
        expect(await view.outbox(P, belief, { olderThanMs: 0, limit: 9 })).toEqual([]);
        expect(await view.expire(P, belief, 9)).toEqual([]);
        const views = { notifications: 'x', subscriptions: 'x' };
        expect(await view.sweepGone(P, views, step)).toBeUndefined();
        await view.clearOutbox(P, 'x', []);
        expect(await view.mark(P)).toBeUndefined();
      }));

    test('a mark is created once: rebuilding, at the start, under a random id', () =>
      inWorld(harness, async (world) => {
        await Promise.all([0, 1, 2].map((i) => world.client(i).view.createMark(P)));
        const mark = await world.view.mark(P);
        expect(mark).toEqual({
          viewId: expect.any(String),
          state: 'rebuilding',
          applied: 0,
          routed: 0,
          isTold: false,
          isSwept: false,
        });
        await world.put(world.device());
        await (await world.router()).fold();
        await world.view.createMark(P);
        expect(await world.view.mark(P)).toEqual({ ...mark, applied: 1 });
        await world.view.createMark(1);
        expect((await world.view.mark(1))?.viewId).not.toBe(mark?.viewId);
        await world.lose();
        await world.view.createMark(P);
        expect((await world.view.mark(P))?.viewId).not.toBe(mark?.viewId);
      }));

    test('creating the marks clears nothing', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const holder = world.holder('a');
        await world.client(0).presence.hello(device, holder);
        const subscription = await world.subscribed(device);
        await world.view.createMark(P);
        await world.client(0).subscriptions.createMark(P);
        expect(await world.holderOf(device)).toEqual(holder);
        const { found } = await world.client(0).lookup.find(device, subscription);
        expect(found).toEqual({ subscription });
      }));

    test('of two routers with the same belief one applies, and the other is fenced', () =>
      inWorld(harness, async (world) => {
        await world.readyRouter();
        const routers = [await world.router(0), await world.router(1)];
        await world.put(world.device());
        const applied = await Promise.all(routers.map((router) => router.tryApply()));
        expect(applied.filter((answer) => answer !== undefined)).toHaveLength(1);
        expect((await world.view.accounts(P))?.accepted).toBe(1);
      }));

    test('a zombie writes nothing into what its successor has carried on', () =>
      inWorld(harness, async (world) => {
        const zombie = await world.readyRouter(0);
        const device = world.device();
        const first = await world.put(device);
        await zombie.apply();
        const successor = await world.router(1);
        await world.put(device);
        await successor.apply();
        world.outcome(first, 'delivered');
        const before = await world.view.accounts(P);
        expect(await zombie.tryApply()).toBeUndefined();
        expect(await world.view.accounts(P)).toEqual(before);
        expect((await world.view.mark(P))?.applied).toBe(2);
        expect(await successor.tryApply()).toBeDefined();
      }));

    test('a belief in a view that was lost is fenced, though state and position are the same', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        await world.put(device);
        const zombie = await world.router(0);
        await world.lose();
        await world.view.createMark(P);
        expect(await zombie.tryApply()).toBeUndefined();
        expect(await zombie.finishOnce(undefined)).toBeUndefined();
        expect((await world.view.mark(P))?.applied).toBe(0);
        expect((await world.view.accounts(P))?.accepted).toBe(0);
        const ready = await world.readyRouter(1);
        const stale = { ...ready.belief, viewId: zombie.belief.viewId };
        expect(
          await world.view.apply(P, stale, { commands: [], next: 2, routed: 0 }),
        ).toBeUndefined();
        expect(await world.view.expire(P, stale, 9)).toEqual([]);
        const view = { viewId: stale.viewId, state: 'ready' } as const;
        expect(await world.view.outbox(P, view, { olderThanMs: 0, limit: 9 })).toEqual([]);
      }));

    test('a belief in another state is fenced', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        await world.put(device, { ttlSeconds: 1, agoMs: 5_000 });
        const slow = await world.router(0);
        await slow.fold();
        const early = { ...slow.belief, state: 'ready' } as const;
        expect(
          await world.view.apply(P, early, { commands: [], next: 1, routed: 1 }),
        ).toBeUndefined();
        expect(await world.view.finish(P, early, { limit: 9 })).toBeUndefined();
        expect(await world.view.expire(P, early, 9)).toEqual([]);
        expect(await world.view.expire(P, slow.belief, 9)).toEqual([]);
        const fast = await world.router(1);
        await fast.finish();
        await world.put(device);
        expect(await slow.tryApply()).toBeUndefined();
        expect(await slow.finishOnce(undefined)).toBeUndefined();
        expect(await world.view.finish(P, fast.belief, { limit: 9 })).toBeUndefined();
        expect(await fast.tryApply()).toBeDefined();
      }));

    test('`applied` never goes back', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        await world.put(world.device());
        await world.put(world.device());
        await router.apply();
        await router.apply(0, 1);
        expect((await world.view.mark(P))?.applied).toBe(2);
      }));

    test('`routed` only grows, and only in a view that is the believed one and ready', () =>
      inWorld(harness, async (world) => {
        const rebuilding = await world.router(1);
        expect(await world.view.setRouted(P, rebuilding.viewBelief, 4)).toBe(false);
        expect(await routed(world)).toBe(0);
        await rebuilding.finish();
        const belief = rebuilding.viewBelief;
        expect(await world.view.setRouted(P, belief, 3)).toBe(true);
        expect(await world.view.setRouted(P, belief, 2)).toBe(true);
        expect(await routed(world)).toBe(3);
        expect(await world.view.setRouted(P, { ...belief, viewId: 'other' }, 5)).toBe(false);
        expect(await routed(world)).toBe(3);
      }));

    test('`routed` moves up with a batch too, not while rebuilding, and not for who is fenced', () =>
      inWorld(harness, async (world) => {
        const router = await world.router();
        await world.put(world.device());
        await router.tryApply(0, 1, 1);
        expect(await routed(world)).toBe(0);
        await router.finish();
        for (const [said, then] of [
          [3, 3],
          [2, 3],
          [5, 5],
        ] as const) {
          await router.tryApply(1, 1, said);
          expect(await routed(world)).toBe(then);
        }
        const stale = { ...router.belief, applied: 0 };
        const batch = { commands: [], next: 1, routed: 9 };
        expect(await world.view.apply(P, stale, batch)).toBeUndefined();
        expect(await routed(world)).toBe(5);
      }));

    test('after a loss a late `routed` or `told` creates nothing and moves nothing', () =>
      inWorld(harness, async (world) => {
        const { viewBelief } = await world.readyRouter();
        await world.lose();
        expect(await world.view.setRouted(P, viewBelief, 5)).toBe(false);
        expect(await world.view.setTold(P, viewBelief)).toBe(false);
        expect(await world.view.mark(P)).toBeUndefined();
        await world.view.createMark(P);
        expect(await world.view.setRouted(P, viewBelief, 5)).toBe(false);
        expect(await world.view.setTold(P, viewBelief)).toBe(false);
        expect(await world.view.mark(P)).toMatchObject({ routed: 0, state: 'rebuilding' });
        await world.readyRouter();
        expect(await world.view.setRouted(P, viewBelief, 5)).toBe(false);
        expect(await world.view.setTold(P, viewBelief)).toBe(false);
        expect(await world.view.mark(P)).toMatchObject({ routed: 0, isTold: false });
      }));

    test('`told` is set in the view that is ready', () =>
      inWorld(harness, async (world) => {
        const router = await world.router();
        expect(await world.view.setTold(P, router.viewBelief)).toBe(false);
        await router.finish();
        expect((await world.view.mark(P))?.isTold).toBe(false);
        expect(await world.view.setTold(P, router.viewBelief)).toBe(true);
        expect((await world.view.mark(P))?.isTold).toBe(true);
      }));

    test('partitions know nothing of each other', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        await world.put(world.device());
        await router.apply();
        expect(await world.view.mark(1)).toBeUndefined();
        await world.view.createMark(1);
        const mark = (await world.view.mark(1))!;
        expect(await world.view.finish(1, mark, { limit: 9 })).toBeDefined();
        expect(await world.view.accounts(1)).toMatchObject({ accepted: 0, pending: 0 });
        expect(await world.view.expire(1, { ...mark, state: 'ready' }, 9)).toEqual([]);
        expect((await world.view.accounts(P))?.pending).toBe(1);
      }));
  });
}

async function routed(world: World): Promise<number | undefined> {
  return (await world.view.mark(P))?.routed;
}
