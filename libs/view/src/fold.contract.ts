/** A lost view is rebuilt from the log (design §5, rule 6): the fold, what follows it, and the `gone` sweep. */
import { describe, expect, test } from 'vitest';
import type { Announcement } from '#webpush';
import { inWorld, outcomesOf, P } from './view-harness.contract.js';
import type { ViewHarness, World } from './view-harness.contract.js';

export function foldContract(harness: ViewHarness): void {
  describe('fold', () => {
    test('decides nothing of its own: no replacement, bound, expiry or gone', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        await world.readyKeeper();
        const router = await world.router();
        for (let i = 0; i < 5; i++) await world.put(device, { topic: 't' });
        await world.put(device, { ttlSeconds: 1, agoMs: 9_000 });
        await router.fold();
        expect(await world.view.accounts(P)).toMatchObject({ accepted: 6, pending: 6 });
        expect(await world.outcomes()).toEqual({});
      }));

    test('executes the announcements and cancels that it reads, and announces only the cancels', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const router = await world.router();
        await world.put(device);
        await world.put(device);
        await world.put(device, { ttlSeconds: 0 });
        await world.put(device);
        world.outcome(0, 'delivered');
        world.outcome(2, 'dropped');
        world.cancel(1);
        world.outcome(1, 'delivered');
        const { announcements } = await router.apply();
        expect(outcomesOf(announcements)).toEqual({ 1: 'deleted' });
        expect(await world.outcomes()).toEqual({ delivered: 1, dropped: 1, deleted: 1 });
        await router.finish();
        expect(await world.box(device)).toEqual([3]);
        const pick = { olderThanMs: 0, limit: 9 };
        expect(await world.view.outbox(P, router.viewBelief, pick)).toEqual(announcements);
      }));

    test('ends ready: routed up to applied, nobody told, nothing swept', () =>
      inWorld(harness, async (world) => {
        const router = await world.router();
        await world.put(world.device());
        await router.fold();
        await router.finish();
        expect(await world.view.mark(P)).toEqual({
          viewId: router.belief.viewId,
          state: 'ready',
          applied: 1,
          routed: 1,
          isTold: false,
          isSwept: false,
        });
      }));

    test('an empty log makes an empty view', () =>
      inWorld(harness, async (world) => {
        const router = await world.router();
        expect(await router.finishOnce(undefined, 100)).toBe('ready');
        expect(await world.view.accounts(P)).toMatchObject({ accepted: 0, pending: 0 });
      }));

    for (const limit of [1, 2, 1_000]) {
      test(`in chunks of ${limit}: the latest of each topic stays, due ones end, then the bound`, () =>
        inWorld(harness, async (world) => {
          const [device, other] = [world.device(), world.device()];
          const router = await world.router();
          await world.put(device);
          await world.put(device, { topic: 't' });
          await world.put(device);
          await world.put(device, { topic: 't' });
          await world.put(device, { ttlSeconds: 1, agoMs: 9_000 });
          await world.put(device, { ttlSeconds: 0, agoMs: 40_000 });
          await world.put(device, { ttlSeconds: 0 });
          await world.put(device);
          await world.put(device, { ttlSeconds: 1, agoMs: 9_000, topic: 'u' });
          await world.put(other, { topic: 't' });
          await router.fold();
          await router.finish(limit);
          expect(await world.box(device)).toEqual([2, 3, 7]);
          expect(await world.box(other)).toEqual([9]);
          expect(await world.outcomes()).toEqual({ replaced: 1, expired: 2, dropped: 2 });
          expect(await world.pending()).toBe(5);
        }));
    }

    test('the bound comes last: what replacement and expiry end makes room', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const router = await world.router();
        await world.put(device);
        await world.put(device);
        for (let i = 0; i < 3; i++) await world.put(device, { topic: 't' });
        for (let i = 0; i < 3; i++) await world.put(device, { ttlSeconds: 1, agoMs: 9_000 });
        await router.fold();
        await router.finish(1);
        expect(await world.box(device)).toEqual([0, 1, 4]);
        expect(await world.outcomes()).toEqual({ replaced: 2, expired: 3 });
      }));

    test('the bound by bytes holds after a fold', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const router = await world.router();
        for (let i = 0; i < 3; i++) await world.put(device, { bytes: 400 });
        await router.fold();
        await router.finish();
        expect(await world.box(device)).toEqual([1, 2]);
      }));

    test('a topic is replaced by a later one though that has had its outcome in the log', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const router = await world.router();
        await world.put(device, { topic: 't' });
        await world.put(device, { topic: 't' });
        world.outcome(1, 'delivered');
        await router.fold(2);
        await router.fold();
        await router.finish();
        expect(await world.outcomes()).toEqual({ delivered: 1, replaced: 1 });
        expect(await world.box(device)).toEqual([]);
      }));

    test('the topics of a fold go on in the view that is ready', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const router = await world.router();
        await world.put(device, { topic: 't' });
        await world.put(device, { topic: 'u' });
        world.outcome(1, 'delivered');
        await router.fold();
        await router.finish();
        await world.put(device, { topic: 't' });
        await world.put(device, { topic: 'u' });
        expect(outcomesOf((await router.apply()).announcements)).toEqual({ 0: 'replaced' });
        expect(await world.box(device)).toEqual([3, 4]);
      }));

    test('two who finish at once decide each once, and the slower is fenced at the end', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        for (let i = 0; i < 6; i++) await world.put(device, { topic: i % 2 ? 't' : `u${i}` });
        await (await world.router()).fold();
        const routers = [await world.router(0), await world.router(1)];
        const cursors: (string | undefined)[] = [undefined, undefined];
        for (let turn = 0; !cursors.includes('ready'); turn++) {
          const index = turn % 2;
          cursors[index] = await routers[index]!.finishOnce(cursors[index]);
          expect(cursors[index]).toBeDefined();
        }
        const slower = cursors.indexOf('ready') === 0 ? 1 : 0;
        expect(await routers[slower]!.finishOnce(cursors[slower])).toBeUndefined();
        expect(await world.box(device)).toEqual([2, 4, 5]);
        expect(await world.outcomes()).toEqual({ replaced: 2, dropped: 1 });
      }));

    test('who takes over folds on and begins again; the one before is fenced', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const before = await world.router(0);
        for (let i = 0; i < 4; i++) await world.put(device, { topic: 't' });
        await before.fold();
        const cursor = await before.finishOnce(await before.finishOnce(undefined));
        expect(cursor).toBeDefined();
        const after = await world.router(1);
        await world.put(device, { topic: 't' });
        await world.put(device, { ttlSeconds: 1, agoMs: 9_000 });
        for (let i = 0; i < 3; i++) await world.put(device);
        await after.fold();
        expect(await before.finishOnce(cursor)).toBeUndefined();
        await after.finish(1);
        expect(await world.box(device)).toEqual([6, 7, 8]);
        expect(await world.outcomes()).toEqual({ replaced: 4, expired: 1, dropped: 1 });
      }));

    test('an abandoned walk can be taken up from its middle or begun again', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const router = await world.router();
        for (let i = 0; i < 6; i++) await world.put(device, i % 2 ? { topic: 't' } : {});
        await router.fold();
        let cursor: string | undefined;
        for (let i = 0; i < 8; i++) cursor = await router.finishOnce(cursor);
        expect(cursor).not.toBe('ready');
        await (await world.router(1)).finish(2);
        expect(await world.box(device)).toEqual([2, 4, 5]);
      }));

    test('the view that comes after a loss counts anew what the log holds', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const router = await world.readyRouter();
        await world.put(device);
        await world.put(device);
        await router.apply();
        await world.settle(0, 'delivered');
        await world.lose();
        const next = await world.readyRouter();
        expect(await world.outcomes()).toEqual({});
        expect(await world.box(device)).toEqual([0, 1]);
        world.outcome(0, 'delivered');
        await next.apply();
        expect(await world.outcomes()).toEqual({ delivered: 1 });
        expect(await world.box(device)).toEqual([1]);
      }));
  });

  describe('gone sweep', () => {
    for (const limit of [1, 1_000]) {
      test(`in chunks of ${limit}: settles what has no subscription, never TTL 0`, () =>
        inWorld(harness, async (world) => {
          const { device } = await unswept(world);
          const announced = await sweep(world, limit);
          expect(outcomesOf(announced)).toEqual({ 1: 'gone', 3: 'gone' });
          expect(await world.box(device)).toEqual([0, 4]);
          expect(await world.pending()).toBe(3);
          expect((await world.view.mark(P))?.isSwept).toBe(true);
          expect((await world.client(0).subscriptions.mark(P))?.isSwept).toBe(true);
          expect(await sweepOnce(world, undefined)).toBeUndefined();
        }));
    }

    test('waits until both views are ready', () =>
      inWorld(harness, async (world) => {
        const router = await world.router();
        const keeper = await world.keeper();
        await world.put(world.device());
        await router.fold();
        expect(await sweepOnce(world, undefined)).toBeUndefined();
        await router.finish();
        expect(await sweepOnce(world, undefined)).toBeUndefined();
        expect(await world.pending()).toBe(1);
        await keeper.setReady();
        expect(outcomesOf(await sweep(world))).toEqual({ 0: 'gone' });
      }));

    test('waits for the notifications too', () =>
      inWorld(harness, async (world) => {
        await world.readyKeeper();
        const router = await world.router();
        await world.put(world.device());
        await router.fold();
        expect(await sweepOnce(world, undefined)).toBeUndefined();
        expect(await world.outcomes()).toEqual({});
      }));

    test('is fenced by the id of either view, from the first chunk to the last', () =>
      inWorld(harness, async (world) => {
        await unswept(world);
        const views = await viewsOf(world);
        for (const stale of [
          { ...views, notifications: 'other' },
          { ...views, subscriptions: 'other' },
        ]) {
          expect(await world.view.sweepGone(P, stale, { limit: 100 })).toBeUndefined();
        }
        const cursor = await sweepOnce(world, undefined);
        expect(cursor).toBeDefined();
        await world.lose();
        await world.readyKeeper();
        await world.readyRouter();
        const step = { cursor: cursor!, limit: 100 };
        expect(await world.view.sweepGone(P, views, step)).toBeUndefined();
        expect((await world.view.mark(P))?.isSwept).toBe(false);
        expect((await world.client(0).subscriptions.mark(P))?.isSwept).toBe(false);
      }));

    test('two who sweep at once settle each once', () =>
      inWorld(
        harness,
        async (world) => {
          await unswept(world);
          for (let i = 0; i < 5; i++) await sweepOnce(world, undefined);
          let [mine, yours]: (string | undefined)[] = [undefined, undefined];
          do {
            mine = await sweepOnce(world, mine);
            yours = await sweepOnce(world, yours);
          } while (mine !== 'swept' && yours !== 'swept');
          expect(await world.outcomes()).toEqual({ gone: 2 });
        },
        { mailboxMax: 9 },
      ));

    test('goes on beside puts, acks and expiry, and misses nothing that was there', () =>
      inWorld(
        harness,
        async (world) => {
          const router = await world.readyRouter();
          const keeper = await world.keeper();
          const devices = Array.from({ length: 20 }, () => world.device());
          for (const device of devices) {
            await world.put(device, { ttlSeconds: 60, agoMs: 55_000 });
            await world.put(device, { ttlSeconds: 1, agoMs: 9_000 });
          }
          await router.apply();
          const kept = world.device();
          const subscription = await world.subscribed(kept);
          await keeper.apply();
          await keeper.setReady();
          let cursor: string | undefined;
          for (let turn = 0; cursor !== 'swept'; turn++) {
            cursor = await sweepOnce(world, cursor);
            if (turn % 3 === 0) await router.expire(1);
            if (turn % 3 === 1) {
              await world.put(kept, { subscription, topic: 't', ttlSeconds: 30 });
              await router.apply();
            }
          }
          for (const device of devices) expect(await world.box(device)).toEqual([]);
          expect(await world.box(kept)).toHaveLength(1);
        },
        { mailboxMax: 9 },
      ));
  });
}

/** Offsets 0 and 4 have their subscription, 1 and 3 have none, 2 has none and TTL 0. */
async function unswept(world: World) {
  const router = await world.readyRouter();
  const keeper = await world.keeper();
  const [device, other] = [world.device(), world.device()];
  const subscription = await world.subscribed(device);
  await world.put(device, { subscription });
  await world.put(device);
  await world.put(device, { ttlSeconds: 0 });
  await world.put(other, { subscription });
  await world.put(device, { subscription });
  await router.apply();
  await keeper.apply();
  await keeper.setReady();
  return { device };
}

async function viewsOf(world: World) {
  const subscriptions = (await world.client(0).subscriptions.mark(P))?.viewId ?? '';
  return { notifications: (await world.view.mark(P))?.viewId ?? '', subscriptions };
}

/** One chunk. The next cursor, `'swept'` after the last, undefined when fenced or swept before. */
async function sweepOnce(
  world: World,
  cursor: string | undefined,
  step: { readonly limit?: number; readonly into?: Announcement[] } = {},
): Promise<string | undefined> {
  const { limit = 1, into = [] } = step;
  const walk = cursor === undefined ? { limit } : { cursor, limit };
  const chunk = await world.view.sweepGone(P, await viewsOf(world), walk);
  if (!chunk) return undefined;
  into.push(...world.note(chunk.announcements));
  return chunk.cursor ?? 'swept';
}

async function sweep(world: World, limit = 1): Promise<readonly Announcement[]> {
  const into: Announcement[] = [];
  let cursor: string | undefined;
  do {
    cursor = await sweepOnce(world, cursor, { limit, into });
    if (cursor === undefined) throw new Error('fenced');
  } while (cursor !== 'swept');
  return into;
}
