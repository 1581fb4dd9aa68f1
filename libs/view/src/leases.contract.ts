import { describe, expect, test } from 'vitest';
import { inWorld } from './view-harness.contract.js';
import type { ViewHarness } from './view-harness.contract.js';

/** Of a lease that ends in the test: a machine that works on other things may be late by a part of it. */
const SHORT_MS = 1_000;

export function leasesContract(harness: ViewHarness): void {
  describe('leases', () => {
    test('a lease is set only where none stands', () =>
      inWorld(harness, async (world) => {
        const [a, b] = [world.client(0).leases, world.client(1).leases];
        expect(await a.get('g')).toBeUndefined();
        expect(await a.set('g', 1, 5_000)).toBe(true);
        expect(await b.set('g', 2, 5_000)).toBe(false);
        expect(await a.set('g', 1, 5_000)).toBe(false);
        expect(await b.set('h', 2, 5_000)).toBe(true);
        const lease = await b.get('g');
        expect(lease?.epoch).toBe(1);
        expect(lease?.remainingMs).toBeGreaterThan(3_000);
        expect(lease?.remainingMs).toBeLessThanOrEqual(5_000);
        expect([...(await a.live())].sort()).toEqual(['g', 'h']);
      }));

    test('of two who set it at once one gets it', () =>
      inWorld(harness, async (world) => {
        const tries = [0, 1, 2].map((i) => world.client(i).leases.set('g', i + 1, 5_000));
        const won = (await Promise.all(tries)).flatMap((isSet, i) => (isSet ? [i + 1] : []));
        expect(won).toHaveLength(1);
        expect((await world.client(0).leases.get('g'))?.epoch).toBe(won[0]);
      }));

    test('a renewal extends only its own epoch', () =>
      inWorld(harness, async (world) => {
        const { leases } = world.client(0);
        const epoch = 2 ** 48 - 1;
        expect(await leases.renew('g', epoch, 5_000)).toBe('lost');
        expect(await leases.get('g')).toBeUndefined();
        await leases.set('g', epoch, 1_000);
        expect(await leases.renew('g', 2, 60_000)).toBe('replaced');
        expect((await leases.get('g'))?.remainingMs).toBeLessThanOrEqual(1_000);
        expect(await leases.renew('g', epoch, 60_000)).toBe('renewed');
        expect((await leases.get('g'))?.epoch).toBe(epoch);
        expect((await leases.get('g'))?.remainingMs).toBeGreaterThan(50_000);
      }));

    test('a lease that is not renewed ends, and is lost to its owner', () =>
      inWorld(harness, async (world) => {
        const { leases } = world.client(0);
        await leases.set('g', 1, SHORT_MS);
        await leases.set('h', 1, 60_000);
        await world.store.advance(0.6 * SHORT_MS);
        await leases.renew('g', 1, SHORT_MS);
        await world.store.advance(0.6 * SHORT_MS);
        expect((await leases.get('g'))?.epoch).toBe(1);
        await world.store.advance(0.6 * SHORT_MS);
        expect(await leases.get('g')).toBeUndefined();
        expect(await leases.live()).toEqual(['h']);
        expect(await leases.renew('g', 1, SHORT_MS)).toBe('lost');
        expect(await leases.set('g', 2, 5_000)).toBe(true);
        expect(await leases.renew('g', 1, SHORT_MS)).toBe('replaced');
      }));

    test('a release deletes the lease of that epoch only', () =>
      inWorld(harness, async (world) => {
        const { leases } = world.client(0);
        await leases.set('g', 1, 5_000);
        await leases.release('g', 2);
        await leases.release('h', 1);
        expect((await leases.get('g'))?.epoch).toBe(1);
        await leases.release('g', 1);
        expect(await leases.get('g')).toBeUndefined();
        expect(await leases.live()).toEqual([]);
        expect(await leases.set('g', 2, 5_000)).toBe(true);
      }));

    test('leases are lost with the store', () =>
      inWorld(harness, async (world) => {
        const { leases } = world.client(0);
        await leases.set('g', 1, 5_000);
        await world.lose();
        expect(await leases.live()).toEqual([]);
        expect(await leases.renew('g', 1, 5_000)).toBe('lost');
      }));
  });
}
