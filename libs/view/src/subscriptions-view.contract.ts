/** Subscriptions and last-seen: what the Registrar and the keeper write, and who reads (design §5, rule 9). */
import { describe, expect, test } from 'vitest';
import type { DeviceId, KeyFingerprint, SubscriptionId } from '#webpush';
import { inWorld, outcomesOf, P } from './view-harness.contract.js';
import type { ViewHarness, World } from './view-harness.contract.js';

const KEY = 'k'.repeat(43) as KeyFingerprint;
const OTHER_KEY = 'l'.repeat(43) as KeyFingerprint;
const SITE = 'https://stocks.example';

export function subscriptionsContract(harness: ViewHarness): void {
  lookupContract(harness);
  writeThroughContract(harness);
  keeperContract(harness);
  forgettingContract(harness);
}

function lookupContract(harness: ViewHarness): void {
  describe('lookup', () => {
    test('answers with the state of the view, and what it has whatever the state', () =>
      inWorld(harness, async (world) => {
        const { lookup } = world.client(2);
        const device = world.device();
        const subscription = world.subscription();
        const missing = world.subscription();
        const keeper = await stateless(world, device, subscription);
        for (const state of ['none', 'rebuilding', 'ready'] as const) {
          if (state === 'rebuilding') await keeper.takeOver();
          if (state === 'ready') await keeper.setReady();
          const found = { subscription, fingerprint: KEY, site: SITE };
          expect(await lookup.find(device, subscription)).toEqual({ state, found });
          expect(await lookup.find(device, missing)).toEqual({ state });
          expect(await lookup.find(world.device(), subscription)).toEqual({ state });
          expect(await lookup.list(device)).toEqual({ state, subscriptions: [found] });
          expect(await lookup.list(world.device())).toEqual({ state, subscriptions: [] });
          expect(await lookup.findDevice(device)).toEqual({ state, isKnown: true });
          expect(await lookup.findDevice(world.device())).toEqual({ state, isKnown: false });
        }
      }));

    test('lists every subscription of a device with its own key and site', () =>
      inWorld(harness, async (world) => {
        const { lookup } = world.client(2);
        const device = world.device();
        const [a, b, c, d] = [1, 2, 3, 4].map(() => world.subscription()) as SubscriptionId[];
        const present = { kind: 'present', device } as const;
        await world.write({ ...present, subscription: a! });
        await world.write({ ...present, subscription: b!, fingerprint: KEY });
        await world.write({ ...present, subscription: c!, site: SITE });
        await world.write({ ...present, subscription: d!, fingerprint: KEY, site: SITE });
        await world.write({ ...present, device: world.device(), subscription: a! });
        const { subscriptions } = await lookup.list(device);
        expect(
          [...subscriptions].sort((x, y) => (x.subscription < y.subscription ? -1 : 1)),
        ).toEqual([
          { subscription: a },
          { subscription: b, fingerprint: KEY },
          { subscription: c, site: SITE },
          { subscription: d, fingerprint: KEY, site: SITE },
        ]);
      }));

    test('knows a device by its last-seen alone, and not by its connection or its mail', () =>
      inWorld(harness, async (world) => {
        const { lookup } = world.client(2);
        const [seen, held] = [world.device(), world.device()];
        await world.write({ kind: 'seen', device: seen, at: 1_700_000_000_123 });
        expect(await lookup.findDevice(seen)).toEqual({
          state: 'none',
          isKnown: true,
          seenAt: 1_700_000_000_123,
        });
        await world.client(0).presence.hello(held, world.holder('a'));
        const router = await world.readyRouter();
        await world.put(held);
        await router.apply();
        expect(await lookup.findDevice(held)).toEqual({ state: 'none', isKnown: false });
      }));

    test('a device whose subscriptions are all removed is not known by them', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const subscription = await world.subscribed(device);
        await world.write({ kind: 'gone', device, subscription });
        const { lookup } = world.client(2);
        expect(await lookup.findDevice(device)).toEqual({ state: 'none', isKnown: false });
        expect((await lookup.list(device)).subscriptions).toEqual([]);
      }));
  });
}

function writeThroughContract(harness: ViewHarness): void {
  describe('write-through', () => {
    test('is found at once, without a mark, in every state', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const first = await world.subscribed(device);
        const keeper = await world.keeper();
        const second = await world.subscribed(device);
        await keeper.apply();
        await keeper.setReady();
        const third = await world.subscribed(device);
        for (const subscription of [first, second, third]) {
          expect(await isFound(world, device, subscription)).toBe(true);
        }
      }));

    test('an older one does nothing to a newer one', () =>
      inWorld(harness, async (world) => {
        const { subscriptions } = world.client(0);
        const device = world.device();
        const subscription = world.subscription();
        const on = world.append({ kind: 'present', device, subscription });
        const off = world.append({ kind: 'gone', device, subscription });
        const on2 = world.append({ kind: 'present', device, subscription, fingerprint: KEY });
        await subscriptions.writeThrough(off);
        await subscriptions.writeThrough(on);
        expect(await isFound(world, device, subscription)).toBe(false);
        await subscriptions.writeThrough(on2);
        await subscriptions.writeThrough(off);
        await subscriptions.writeThrough(on);
        const { found } = await world.client(2).lookup.find(device, subscription);
        expect(found).toEqual({ subscription, fingerprint: KEY });
      }));

    test('below what the keeper has applied it does nothing', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const subscription = world.subscription();
        const on = world.append({ kind: 'present', device, subscription });
        const seen = world.append({ kind: 'seen', device, at: 5_000 });
        world.append({ kind: 'gone', device, subscription });
        const forgotten = world.append({ kind: 'forgotten', device });
        const back = world.append({ kind: 'present', device, subscription });
        const keeper = await world.keeper();
        await keeper.apply(4);
        const { subscriptions, lookup } = world.client(0);
        await subscriptions.writeThrough(on);
        await subscriptions.writeThrough(seen);
        expect(await lookup.findDevice(device)).toMatchObject({ isKnown: false });
        await keeper.apply();
        await subscriptions.writeThrough(forgotten);
        expect(await isFound(world, device, subscription)).toBe(true);
        await subscriptions.writeThrough({ ...back, offset: 9 });
        expect(await isFound(world, device, subscription)).toBe(true);
      }));

    test('a removal stands against a keeper who has not come so far', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const subscription = world.subscription();
        world.append({ kind: 'present', device, subscription });
        const keeper = await world.readyKeeper();
        world.append({ kind: 'present', device, subscription, fingerprint: KEY });
        await world.write({ kind: 'gone', device, subscription });
        expect(await isFound(world, device, subscription)).toBe(false);
        await keeper.apply(2);
        expect(await isFound(world, device, subscription)).toBe(false);
        await keeper.apply(3);
        expect(await isFound(world, device, subscription)).toBe(false);
        world.append({ kind: 'present', device, subscription, fingerprint: OTHER_KEY });
        await keeper.apply();
        const { found } = await world.client(2).lookup.find(device, subscription);
        expect(found).toEqual({ subscription, fingerprint: OTHER_KEY });
      }));

    test('the later of two removals stands when the keeper has passed the first', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const subscription = world.subscription();
        world.append({ kind: 'present', device, subscription });
        await world.write({ kind: 'gone', device, subscription });
        world.append({ kind: 'present', device, subscription });
        await world.write({ kind: 'gone', device, subscription });
        const keeper = await world.keeper();
        for (const next of [2, 3, 4]) {
          await keeper.apply(next);
          expect(await isFound(world, device, subscription)).toBe(false);
        }
      }));

    test('a registration stands against a keeper who comes later with an older removal', () =>
      inWorld(harness, async (world) => {
        const keeper = await world.readyKeeper();
        const router = await world.readyRouter();
        const device = world.device();
        const subscription = world.subscription();
        world.append({ kind: 'present', device, subscription });
        world.append({ kind: 'gone', device, subscription });
        await world.write({ kind: 'present', device, subscription });
        await world.put(device, { subscription });
        await router.apply();
        for (const next of [1, 2, 3]) {
          expect(await keeper.apply(next)).toEqual([]);
          expect(await isFound(world, device, subscription)).toBe(true);
        }
        expect(await world.box(device)).toEqual([0]);
      }));

    test('a registration with another key takes its place', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const subscription = world.subscription();
        const present = { kind: 'present', device, subscription } as const;
        await world.write({ ...present, fingerprint: KEY, site: SITE });
        await world.write({ ...present, fingerprint: OTHER_KEY });
        const { lookup } = world.client(2);
        const found = { subscription, fingerprint: OTHER_KEY };
        expect((await lookup.find(device, subscription)).found).toEqual(found);
        await world.readyKeeper();
        expect((await lookup.find(device, subscription)).found).toEqual(found);
      }));

    test('what the keeper has passed of a removal leaves no trace, though its record is compacted away', () =>
      inWorld(harness, async (world) => {
        const keeper = await world.readyKeeper();
        const router = await world.readyRouter();
        const device = world.device();
        const subscription = await world.subscribed(device);
        await world.put(device, { subscription });
        await router.apply();
        await world.write({ kind: 'gone', device, subscription });
        const { belief } = keeper;
        const kept = await world.client(0).subscriptions.apply(P, belief, { changes: [], next: 2 });
        expect(outcomesOf(world.note(kept ?? []))).toEqual({ 0: 'gone' });
        expect(await isFound(world, device, subscription)).toBe(false);
      }));
  });
}

function keeperContract(harness: ViewHarness): void {
  describe('keeper', () => {
    test('a mark is created once, and the fold ends ready and not swept', () =>
      inWorld(harness, async (world) => {
        const { subscriptions } = world.client(0);
        expect(await subscriptions.mark(P)).toBeUndefined();
        await Promise.all([0, 1, 2].map((i) => world.client(i).subscriptions.createMark(P)));
        const mark = await subscriptions.mark(P);
        const expected = { viewId: expect.any(String), state: 'rebuilding', isSwept: false };
        expect(mark).toEqual({ ...expected, applied: 0 });
        const device = world.device();
        world.append({ kind: 'present', device, subscription: world.subscription() });
        const keeper = await world.keeper();
        await keeper.apply();
        await subscriptions.createMark(P);
        await keeper.setReady();
        expect(await subscriptions.mark(P)).toEqual({ ...mark, applied: 1, state: 'ready' });
        expect(await subscriptions.mark(1)).toBeUndefined();
        expect(await world.view.mark(P)).toBeUndefined();
      }));

    test('a keeper whose belief is not the mark writes nothing', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const subscription = world.subscription();
        world.append({ kind: 'present', device, subscription });
        const [slow, fast] = [await world.keeper(0), await world.keeper(1)];
        await fast.apply();
        world.append({ kind: 'gone', device, subscription });
        expect(await slow.tryApply()).toBeUndefined();
        expect(await slow.trySetReady()).toBe(false);
        await fast.setReady();
        const behind = await world.keeper(0);
        behind.belief = { ...behind.belief, state: 'rebuilding' };
        expect(await behind.tryApply()).toBeUndefined();
        expect(await behind.trySetReady()).toBe(false);
        const alien = await world.keeper(0);
        alien.belief = { ...alien.belief, viewId: 'other' };
        expect(await alien.tryApply()).toBeUndefined();
        expect(await alien.trySetReady()).toBe(false);
        expect(await isFound(world, device, subscription)).toBe(true);
        expect((await world.client(0).subscriptions.mark(P))?.applied).toBe(1);
      }));

    test('without a mark a keeper writes nothing', () =>
      inWorld(harness, async (world) => {
        const keeper = await world.keeper();
        world.append({
          kind: 'present',
          device: world.device(),
          subscription: world.subscription(),
        });
        await world.lose();
        expect(await keeper.tryApply()).toBeUndefined();
        expect(await keeper.trySetReady()).toBe(false);
        expect(await world.client(0).subscriptions.mark(P)).toBeUndefined();
      }));

    test('of two keepers with the same belief one applies', () =>
      inWorld(harness, async (world) => {
        const keepers = [await world.keeper(0), await world.keeper(1)];
        const device = world.device();
        const subscription = world.subscription();
        world.append({ kind: 'present', device, subscription });
        const answers = await Promise.all(keepers.map((keeper) => keeper.tryApply()));
        expect(answers.filter((answer) => answer !== undefined)).toHaveLength(1);
        expect(await isFound(world, device, subscription)).toBe(true);
      }));

    test('what lies below its position is not applied again, and the position never goes back', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const subscription = world.subscription();
        world.append({ kind: 'present', device, subscription });
        world.append({ kind: 'gone', device, subscription });
        const keeper = await world.keeper();
        await keeper.apply();
        await keeper.tryApply(1, 0);
        expect(await isFound(world, device, subscription)).toBe(false);
        expect((await world.client(0).subscriptions.mark(P))?.applied).toBe(2);
      }));

    test('a removal settles what waits for that subscription, never TTL 0', () =>
      inWorld(
        harness,
        async (world) => {
          const router = await world.readyRouter();
          const keeper = await world.readyKeeper();
          const device = world.device();
          const [removed, kept] = [await world.subscribed(device), await world.subscribed(device)];
          await world.put(device, { subscription: removed });
          await world.put(device, { subscription: kept });
          await world.put(device, { subscription: removed, ttlSeconds: 0 });
          await world.put(device, { subscription: removed });
          await router.apply();
          await keeper.apply();
          await world.write({ kind: 'gone', device, subscription: removed });
          expect(await world.box(device)).toEqual([0, 1, 3]);
          const announcements = await keeper.apply();
          expect(outcomesOf(announcements)).toEqual({ 0: 'gone', 3: 'gone' });
          expect(await world.box(device)).toEqual([1]);
          expect(await world.outcomes()).toEqual({ gone: 2 });
          expect(await world.pending()).toBe(2);
          const pick = { olderThanMs: 0, limit: 9 };
          const outbox = await world.view.outbox(P, router.viewBelief, pick);
          expect(outcomesOf(outbox)).toEqual({ 0: 'gone', 3: 'gone' });
        },
        { mailboxMax: 9 },
      ));

    test('a removal settles nothing that waits for another subscription, swept or not', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        const [removed, unknown] = [await world.subscribed(device), world.subscription()];
        await world.put(device, { subscription: unknown });
        await world.put(device, { subscription: removed });
        await router.apply();
        const keeper = await world.readyKeeper();
        await world.write({ kind: 'gone', device, subscription: removed });
        expect(outcomesOf(await keeper.apply())).toEqual({ 1: 'gone' });
        expect(await world.box(device)).toEqual([0]);
      }));

    test('a removal and a new registration in one batch: what waited is gone', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const keeper = await world.readyKeeper();
        const device = world.device();
        const subscription = await world.subscribed(device);
        await world.put(device, { subscription });
        await router.apply();
        world.append({ kind: 'gone', device, subscription });
        world.append({ kind: 'present', device, subscription });
        expect(outcomesOf(await keeper.apply())).toEqual({ 0: 'gone' });
        expect(await isFound(world, device, subscription)).toBe(true);
      }));

    test('settles nothing while either view is rebuilding', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const subscription = world.subscription();
        world.append({ kind: 'present', device, subscription });
        world.append({ kind: 'gone', device, subscription });
        const router = await world.router();
        await world.put(device, { subscription });
        await router.fold();
        const keeper = await world.keeper();
        expect(await keeper.apply()).toEqual([]);
        await keeper.setReady();
        world.append({ kind: 'present', device, subscription });
        world.append({ kind: 'gone', device, subscription });
        expect(await keeper.apply()).toEqual([]);
        await router.finish();
        expect(await world.box(device)).toEqual([0]);
        expect(await world.outcomes()).toEqual({});
      }));

    test('a keeper that rebuilds settles nothing, though the notifications are ready', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const subscription = world.subscription();
        world.append({ kind: 'present', device, subscription });
        world.append({ kind: 'gone', device, subscription });
        const router = await world.readyRouter();
        await world.put(device, { subscription });
        await router.apply();
        const keeper = await world.keeper();
        expect(await keeper.apply()).toEqual([]);
        expect(await world.box(device)).toEqual([0]);
      }));
  });
}

function forgettingContract(harness: ViewHarness): void {
  describe('last seen', () => {
    test('gives the devices last seen before a time, the longest unseen first', () =>
      inWorld(harness, async (world) => {
        const { subscriptions } = world.client(2);
        const [a, b, c] = [world.device(), world.device(), world.device()];
        await world.write({ kind: 'seen', device: a, at: 3_000 });
        await world.write({ kind: 'seen', device: b, at: 1_000 });
        await world.write({ kind: 'seen', device: c, at: 2_000 });
        const far = { kind: 'seen', device: world.device(1), at: 500, offset: 0 } as const;
        await subscriptions.writeThrough(far);
        await world.subscribed(world.device());
        expect(await subscriptions.notSeenSince(P, 3_000, 9)).toEqual([b, c]);
        expect(await subscriptions.notSeenSince(P, 3_001, 9)).toEqual([b, c, a]);
        expect(await subscriptions.notSeenSince(P, 3_001, 2)).toEqual([b, c]);
        expect(await subscriptions.notSeenSince(P, 1_000, 9)).toEqual([]);
        await world.write({ kind: 'seen', device: b, at: 4_000 });
        expect(await subscriptions.notSeenSince(P, 3_001, 9)).toEqual([c, a]);
        await world.readyKeeper();
        expect(await subscriptions.notSeenSince(P, 3_001, 9)).toEqual([c, a]);
        await world.write({ kind: 'seen', device: world.device(), at: 100 });
        expect(await subscriptions.notSeenSince(P, 3_001, 9)).toHaveLength(3);
      }));

    test('only grows: a keeper that comes later with an older one changes nothing', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        world.append({ kind: 'seen', device, at: 1_000 });
        await world.write({ kind: 'seen', device, at: 2_000 });
        const keeper = await world.keeper();
        await keeper.apply(1);
        const { lookup } = world.client(2);
        expect(await lookup.findDevice(device)).toMatchObject({ seenAt: 2_000 });
        await keeper.apply();
        expect(await lookup.findDevice(device)).toMatchObject({ seenAt: 2_000 });
      }));

    test('forgetting a device removes all that it has and settles what waits, never TTL 0', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const keeper = await world.readyKeeper();
        const [device, other] = [world.device(), world.device()];
        const [a, b] = [await world.subscribed(device), await world.subscribed(device)];
        const kept = await world.subscribed(other);
        await world.write({ kind: 'seen', device, at: 1_000 });
        await world.put(device, { subscription: a });
        await world.put(device, { subscription: b });
        await world.put(device, { subscription: b, ttlSeconds: 0 });
        await world.put(other, { subscription: kept });
        await router.apply();
        await keeper.apply();
        world.append({ kind: 'forgotten', device });
        expect(outcomesOf(await keeper.apply())).toEqual({ 0: 'gone', 1: 'gone' });
        await expectForgotten(world, device);
        expect(await world.box(other)).toEqual([3]);
        expect(await world.pending()).toBe(2);
      }));

    test('a device that is forgotten by write-through stays so while the keeper comes after', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const keeper = await world.readyKeeper();
        const device = world.device();
        const subscription = await world.subscribed(device);
        world.append({ kind: 'present', device, subscription: world.subscription() });
        world.append({ kind: 'seen', device, at: 1_000 });
        await world.put(device, { subscription });
        await router.apply();
        await world.write({ kind: 'forgotten', device });
        await expectForgotten(world, device);
        for (const next of [1, 2, 3]) {
          await keeper.apply(next);
          await expectForgotten(world, device);
        }
        expect(outcomesOf(await keeper.apply())).toEqual({ 0: 'gone' });
        await expectForgotten(world, device);
      }));

    test('what a device gets after it was forgotten stays', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const keeper = await world.readyKeeper();
        const device = world.device();
        await world.subscribed(device);
        world.append({ kind: 'forgotten', device });
        const subscription = await world.subscribed(device);
        await world.write({ kind: 'seen', device, at: 7_000 });
        await world.put(device, { subscription });
        await router.apply();
        await keeper.apply(1);
        await keeper.apply(2);
        expect(await isFound(world, device, subscription)).toBe(true);
        const { subscriptions } = await world.client(2).lookup.list(device);
        expect(subscriptions).toEqual([{ subscription }]);
        await keeper.apply();
        expect(await world.client(2).lookup.findDevice(device)).toMatchObject({ seenAt: 7_000 });
        expect(await world.box(device)).toEqual([0]);
      }));

    test('a device that is not there can be forgotten', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        await world.write({ kind: 'forgotten', device });
        const keeper = await world.readyKeeper();
        await world.write({ kind: 'forgotten', device });
        expect(await keeper.apply()).toEqual([]);
        await expectForgotten(world, device);
      }));
  });
}

/** Writes the subscription through with key and site; a keeper that has not read the mark. */
async function stateless(world: World, device: DeviceId, subscription: SubscriptionId) {
  const present = { kind: 'present', device, subscription } as const;
  await world.write({ ...present, fingerprint: KEY, site: SITE });
  return world.unreadKeeper();
}

async function isFound(world: World, device: DeviceId, subscription: SubscriptionId) {
  return (await world.client(2).lookup.find(device, subscription)).found !== undefined;
}

async function expectForgotten(world: World, device: DeviceId): Promise<void> {
  const { lookup, subscriptions } = world.client(2);
  expect(await lookup.findDevice(device)).toEqual({ state: 'ready', isKnown: false });
  expect((await lookup.list(device)).subscriptions).toEqual([]);
  expect(await subscriptions.notSeenSince(P, Number.MAX_SAFE_INTEGER, 9)).not.toContain(device);
}
