/** Decisions outside of a batch and their announcement (design §5, rules 4 and 10). */
import { describe, expect, test } from 'vitest';
import { OUTCOMES } from '#webpush';
import type { Announcement } from '#webpush';
import { inWorld, outcomesOf, P } from './view-harness.contract.js';
import type { ViewHarness, World } from './view-harness.contract.js';

export function settleContract(harness: ViewHarness): void {
  describe('settle', () => {
    test('decides once: the first who finds it counts it and announces it', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        await world.put(device);
        await router.apply();
        const settlement = { device, offset: 0, outcome: 'delivered' } as const;
        const settled = await world.client(1).view.settle(P, [settlement, settlement]);
        const { id } = world.putAt(0);
        const announcement = { offset: 0, device, id, outcome: 'delivered' };
        expect(settled).toEqual({
          state: 'ready',
          viewId: router.belief.viewId,
          announcements: [{ ...announcement, at: expect.any(Number) }],
        });
        expect(await world.settle(0, 'rejected')).toEqual([]);
        expect(await world.outcomes()).toEqual({ delivered: 1 });
      }));

    test('of two gateways that settle at once one decides', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        await world.put(world.device());
        await router.apply();
        const answers = await Promise.all([
          world.settle(0, 'delivered', 1),
          world.settle(0, 'undecryptable', 2),
        ]);
        expect(answers.flat()).toHaveLength(1);
      }));

    test('settles a batch of several devices, each by its own outcome', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        for (let i = 0; i < OUTCOMES.length; i++) await world.put(world.device());
        await router.apply();
        const settlements = OUTCOMES.map((outcome, offset) => {
          return { device: world.putAt(offset).device, offset, outcome };
        });
        const settled = await world.view.settle(P, settlements);
        const announcements = settled.state === 'ready' ? settled.announcements : [];
        expect(announcements.map(({ outcome }) => outcome)).toEqual(OUTCOMES);
        const once = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 1]));
        expect(await world.outcomes()).toEqual(once);
      }));

    test('finds nothing at another offset or on another device', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        await world.put(device);
        await router.apply();
        const settled = await world.view.settle(P, [
          { device: world.device(), offset: 0, outcome: 'delivered' },
          { device, offset: 1, outcome: 'delivered' },
        ]);
        expect(settled).toMatchObject({ state: 'ready', announcements: [] });
        expect(await world.pending()).toBe(1);
      }));

    test('decides nothing while rebuilding, nor without a mark', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const offset = await world.put(device);
        const acks = [{ device, offset, outcome: 'delivered' }] as const;
        expect(await world.view.settle(P, acks)).toEqual({ state: 'none' });
        const router = await world.router();
        await router.fold();
        expect(await world.view.settle(P, acks)).toEqual({ state: 'rebuilding' });
        expect(await world.pending()).toBe(1);
        await router.finish();
        expect(await world.settle(offset, 'delivered')).toHaveLength(1);
      }));

    test('with a belief in another view it decides nothing', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        await world.put(device, { ttlSeconds: 0 });
        await router.apply();
        const drops = [{ device, offset: 0, outcome: 'dropped' }] as const;
        const stale = { ...router.viewBelief, viewId: 'other' };
        expect(await world.view.settle(P, drops, stale)).toEqual({ state: 'none' });
        const early = { ...router.viewBelief, state: 'rebuilding' } as const;
        expect(await world.view.settle(P, drops, early)).toEqual({ state: 'none' });
        expect(await world.pending()).toBe(1);
        const settled = await world.view.settle(P, drops, router.viewBelief);
        expect(settled.state === 'ready' && outcomesOf(settled.announcements)).toEqual({
          0: 'dropped',
        });
      }));

    test('an ack of TTL 0 counts for 30 s, after that it is dropped', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        const acked = await world.put(device, { ttlSeconds: 0, agoMs: 29_000 });
        const late = await world.put(device, { ttlSeconds: 0, agoMs: 29_700 });
        await router.apply();
        expect(outcomesOf(await world.settle(acked, 'delivered'))).toEqual({ 0: 'delivered' });
        expect(await router.expire()).toEqual([]);
        await world.store.advance(400);
        expect(outcomesOf(await router.expire())).toEqual({ [late]: 'dropped' });
        expect(await world.settle(late, 'delivered')).toEqual([]);
        expect(await world.outcomes()).toEqual({ delivered: 1, dropped: 1 });
      }));
  });

  describe('expiry', () => {
    test('settles what is due by the clock of the store, and nothing else', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const [device, other] = [world.device(), world.device()];
        await world.put(device, { ttlSeconds: 60, agoMs: 59_600 });
        await world.put(other, { ttlSeconds: 5, agoMs: 6_000 });
        await world.put(other, { ttlSeconds: 100 });
        await world.put(other, { ttlSeconds: 0, agoMs: 30_100 });
        await router.apply();
        expect(outcomesOf(await router.expire())).toEqual({ 1: 'expired', 3: 'dropped' });
        await world.store.advance(500);
        expect(outcomesOf(await router.expire())).toEqual({ 0: 'expired' });
        expect(await router.expire()).toEqual([]);
        expect(await world.box(other)).toEqual([2]);
        expect(await world.outcomes()).toEqual({ expired: 2, dropped: 1 });
      }));

    test('settles at most as many as asked, the earliest first', () =>
      inWorld(
        harness,
        async (world) => {
          const router = await world.readyRouter();
          const device = world.device();
          for (const agoMs of [6_000, 9_000, 8_000, 7_000]) {
            await world.put(device, { ttlSeconds: 5, agoMs });
          }
          await router.apply();
          expect(Object.keys(outcomesOf(await router.expire(2)))).toEqual(['1', '2']);
          expect(Object.keys(outcomesOf(await router.expire(9)))).toEqual(['0', '3']);
        },
        { mailboxMax: 9 },
      ));

    test('leaves alone what was acked before, and an ack finds nothing after', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        await world.put(device, { ttlSeconds: 1, agoMs: 2_000 });
        await world.put(device, { ttlSeconds: 1, agoMs: 2_000 });
        await router.apply();
        expect(await world.settle(0, 'delivered')).toHaveLength(1);
        expect(outcomesOf(await router.expire())).toEqual({ 1: 'expired' });
        expect(await world.settle(1, 'delivered')).toEqual([]);
        expect(await world.outcomes()).toEqual({ delivered: 1, expired: 1 });
      }));
  });

  describe('outbox', () => {
    test('keeps what was decided until it is announced', () =>
      inWorld(harness, async (world) => {
        const { announcements, pick } = await decided(world);
        expect(sorted(await pick())).toEqual(announcements);
        expect(await pick({ limit: 2 })).toHaveLength(2);
        await world.view.clearOutbox(P, await viewId(world), announcements.slice(0, 1));
        expect(sorted(await pick())).toEqual(announcements.slice(1));
        await world.view.clearOutbox(P, await viewId(world), announcements);
        expect(await pick()).toEqual([]);
      }));

    test('gives what stands longer than asked', () =>
      inWorld(harness, async (world) => {
        const { announcements, pick } = await decided(world);
        expect(await pick({ olderThanMs: 60_000 })).toEqual([]);
        await world.store.advance(300);
        await world.put(world.device());
        await (await world.router()).apply();
        await world.settle(3, 'delivered');
        expect(sorted(await pick({ olderThanMs: 250 }))).toEqual(announcements);
        expect(await pick()).toHaveLength(4);
      }));

    test('a clear takes out what was announced, not another outcome', () =>
      inWorld(harness, async (world) => {
        const { announcements, pick } = await decided(world);
        const others = announcements.map((one) => ({ ...one, outcome: 'expired' }) as const);
        await world.view.clearOutbox(P, await viewId(world), others);
        expect(sorted(await pick())).toEqual(announcements);
      }));

    test('is read by nobody who believes in another view', () =>
      inWorld(harness, async (world) => {
        await decided(world);
        const belief = { viewId: await viewId(world), state: 'ready' } as const;
        const all = { olderThanMs: 0, limit: 9 };
        expect(await world.view.outbox(P, belief, all)).toHaveLength(3);
        expect(await world.view.outbox(P, { ...belief, viewId: 'other' }, all)).toEqual([]);
        expect(await world.view.outbox(P, { ...belief, state: 'rebuilding' }, all)).toEqual([]);
      }));

    test('a clear waits for a view that is ready', () =>
      inWorld(harness, async (world) => {
        const router = await world.router();
        await world.put(world.device());
        world.cancel(0);
        const { announcements } = await router.apply();
        expect(announcements).toHaveLength(1);
        await world.view.clearOutbox(P, router.belief.viewId, announcements);
        const all = { olderThanMs: 0, limit: 9 };
        const early = { ...router.viewBelief, state: 'rebuilding' } as const;
        expect(await world.view.outbox(P, early, all)).toEqual([]);
        await router.finish();
        expect(await world.view.outbox(P, router.viewBelief, all)).toEqual(announcements);
      }));

    test('a clear that names another view takes nothing out', () =>
      inWorld(harness, async (world) => {
        const { announcements, pick } = await decided(world);
        await world.view.clearOutbox(P, 'other', announcements);
        expect(await pick()).toHaveLength(3);
      }));

    test('an entry of the lost view is not taken out of the next one', () =>
      inWorld(harness, async (world) => {
        const { announcements } = await decided(world);
        const stale = await viewId(world);
        await world.lose();
        const router = await world.readyRouter();
        const again = await world.settle(0, 'rejected');
        await world.view.clearOutbox(P, stale, announcements);
        const all = { olderThanMs: 0, limit: 9 };
        expect(await world.view.outbox(P, router.viewBelief, all)).toEqual(again);
      }));
  });
}

/** Three decided by acks. */
async function decided(world: World) {
  const router = await world.readyRouter();
  for (let i = 0; i < 3; i++) await world.put(world.device());
  await router.apply();
  const announcements: Announcement[] = [];
  for (let offset = 0; offset < 3; offset++) {
    announcements.push(...(await world.settle(offset, 'delivered')));
  }
  const pick = (some: { readonly olderThanMs?: number; readonly limit?: number } = {}) =>
    world.view.outbox(P, router.viewBelief, { olderThanMs: 0, limit: 99, ...some });
  return { announcements, pick };
}

async function viewId(world: World): Promise<string> {
  return (await world.view.mark(P))?.viewId ?? '';
}

function sorted(announcements: readonly Announcement[]): readonly Announcement[] {
  return [...announcements].sort((a, b) => a.offset - b.offset);
}
