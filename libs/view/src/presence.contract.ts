import { describe, expect, test } from 'vitest';
import { inWorld } from './view-harness.contract.js';
import type { ViewHarness } from './view-harness.contract.js';

export function presenceContract(harness: ViewHarness): void {
  describe('presence', () => {
    test('a hello takes the time from the store and finds nobody', () =>
      inWorld(harness, async (world) => {
        const before = await world.store.now();
        const claimed = await world.client(0).presence.hello(world.device(), world.holder('a'));
        expect(claimed.displaced).toBeUndefined();
        expect(claimed.since).toBeGreaterThanOrEqual(before);
        expect(claimed.since).toBeLessThanOrEqual(await world.store.now());
      }));

    test('a hello always wins and names whom it displaces, on whatever gateway', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const [first, second, third] = [world.holder('a'), world.holder('b'), world.holder('b')];
        await world.client(0).presence.hello(device, first);
        const again = await world.client(1).presence.hello(device, second);
        expect(again.displaced).toEqual(first);
        expect((await world.client(1).presence.hello(device, third)).displaced).toEqual(second);
        expect(await world.holderOf(device)).toEqual(third);
      }));

    test('a connection that says hello again displaces nobody', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const holder = world.holder('a');
        await world.client(0).presence.hello(device, holder);
        const again = await world.client(0).presence.hello(device, { ...holder, epoch: 2 });
        expect(again.displaced).toBeUndefined();
        expect(await world.holderOf(device)).toEqual({ ...holder, epoch: 2 });
      }));

    test('of two hellos in the same moment the later has the later `since`, and keeps the device', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const [first, second] = [world.holder('a'), world.holder('b')];
        const { presence: a } = world.client(0);
        const { presence: b } = world.client(1);
        const early = await a.hello(device, first);
        const late = await b.hello(device, second);
        expect(late.since).toBeGreaterThan(early.since);
        expect(await a.reclaim(device, first, early.since)).toEqual({ won: false, by: second });
        expect(await a.reclaim(device, first, late.since)).toEqual({ won: false, by: second });
        expect(await b.reclaim(device, second, late.since)).toEqual({ won: true });
        expect(await world.holderOf(device)).toEqual(second);
      }));

    test('after a loss the connections claim again in any order, and the later hello keeps the device', () =>
      inWorld(harness, async (world) => {
        const [old, young] = [world.holder('a'), world.holder('b')];
        const { presence: a } = world.client(0);
        const { presence: b } = world.client(1);
        for (const order of ['old first', 'young first']) {
          const device = world.device();
          const early = await a.hello(device, old);
          const late = await b.hello(device, young);
          await world.lose();
          if (order === 'old first') {
            expect(await a.reclaim(device, old, early.since)).toEqual({ won: true });
            expect(await b.reclaim(device, young, late.since)).toEqual({
              won: true,
              displaced: old,
            });
          } else {
            expect(await b.reclaim(device, young, late.since)).toEqual({ won: true });
          }
          expect(await a.reclaim(device, old, early.since)).toEqual({ won: false, by: young });
          expect(await b.reclaim(device, young, late.since)).toEqual({ won: true });
        }
      }));

    test('an older connection of the same gateway loses its re-claim like any other', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const [ghost, current] = [world.holder('a'), world.holder('a')];
        const { presence } = world.client(0);
        const { since } = await presence.hello(device, ghost);
        await presence.hello(device, current);
        expect(await presence.reclaim(device, ghost, since)).toEqual({ won: false, by: current });
        expect(await world.holderOf(device)).toEqual(current);
      }));

    test('the same connection number on another gateway is another connection', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const [here, there] = [world.holder('a', 7), world.holder('b', 7)];
        await world.readyRouter();
        const { presence } = world.client(0);
        const { since } = await presence.hello(device, here);
        const { displaced } = await presence.hello(device, there);
        expect(displaced).toEqual(here);
        expect(await presence.reclaim(device, here, since)).toEqual({ won: false, by: there });
        await presence.release(device, here);
        expect(await world.holderOf(device)).toEqual(there);
      }));

    test('a re-claim of the holder carries its new epoch', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const holder = world.holder('a', 2 ** 53 - 1, 2 ** 48 - 1);
        const { presence } = world.client(0);
        const { since } = await presence.hello(device, holder);
        expect(await world.holderOf(device)).toEqual(holder);
        const renewed = { ...holder, epoch: 3 };
        expect(await presence.reclaim(device, renewed, since)).toEqual({ won: true });
        expect(await world.holderOf(device)).toEqual(renewed);
      }));

    test('a release by anyone but the holder does nothing', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const [ghost, current] = [world.holder('a'), world.holder('b')];
        await world.readyRouter();
        await world.client(0).presence.hello(device, ghost);
        await world.client(1).presence.hello(device, current);
        await world.client(0).presence.release(device, ghost);
        await world.client(0).presence.release(world.device(), ghost);
        expect(await world.holderOf(device)).toEqual(current);
      }));

    test('the holder releases, whatever epoch it had, and any re-claim wins over nothing', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const holder = world.holder('a');
        await world.readyRouter();
        const { presence } = world.client(0);
        const { since } = await presence.hello(device, holder);
        await presence.reclaim(device, { ...holder, epoch: 9 }, since);
        await presence.release(device, holder);
        expect(await world.holderOf(device)).toBeUndefined();
        const old = world.holder('b');
        expect(await presence.reclaim(device, old, since - 5)).toEqual({ won: true });
      }));

    test('claims work without a mark, releases wait for a view that is ready', () =>
      inWorld(harness, async (world) => {
        const device = world.device();
        const holder = world.holder('a');
        const { presence } = world.client(0);
        await presence.hello(device, holder);
        await presence.release(device, holder);
        expect(await world.holderOf(device)).toEqual(holder);
        const router = await world.router();
        await presence.release(device, holder);
        expect(await world.holderOf(device)).toEqual(holder);
        await router.finish();
        await presence.release(device, holder);
        expect(await world.holderOf(device)).toBeUndefined();
      }));

    test('a claim that nobody renews lapses', () =>
      inWorld(
        harness,
        async (world) => {
          const device = world.device();
          const holder = world.holder('a');
          const { presence } = world.client(0);
          const { since } = await presence.hello(device, holder);
          await world.store.advance(250);
          expect(await presence.reclaim(device, holder, since)).toEqual({ won: true });
          await world.store.advance(250);
          expect(await world.holderOf(device)).toEqual(holder);
          await world.store.advance(450);
          const next = await presence.hello(device, world.holder('b'));
          expect(next.displaced).toBeUndefined();
        },
        { holderTtlMs: 400 },
      ));
  });
}
