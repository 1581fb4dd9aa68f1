import { describe, expect, test } from 'vitest';
import type { ReadLimits } from './mailbox.js';
import { inWorld } from './view-harness.contract.js';
import type { ViewHarness } from './view-harness.contract.js';

const ALL: ReadLimits = { above: -1, countMax: 100, bytesMax: 1_000_000 };

export function mailboxContract(harness: ViewHarness): void {
  describe('mailbox', () => {
    test('a read gives what waits, in log order, byte for byte, above the given offset', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const { mailbox } = world.client(1);
        const [device, other] = [world.device(), world.device()];
        const offsets = [await world.put(device), await world.put(device, { bytes: 0 })];
        await world.put(other);
        offsets.push(await world.put(device, { bytes: 300 }));
        await router.apply();
        const entries = offsets.map((offset) => ({ offset, record: world.putAt(offset).record }));
        expect(await mailbox.read(device, ALL)).toEqual(entries);
        expect(await mailbox.offsets(device)).toEqual(offsets);
        const above = { ...ALL, above: offsets[0]! };
        expect(await mailbox.read(device, above)).toEqual(entries.slice(1));
        expect(await mailbox.read(device, { ...ALL, above: offsets[2]! })).toEqual([]);
        expect(await mailbox.read(world.device(), ALL)).toEqual([]);
        expect(await mailbox.offsets(world.device())).toEqual([]);
      }));

    test('a read stops at the count and before the bytes, but gives one whatever its size', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        for (let i = 0; i < 3; i++) await world.put(device, { bytes: 100 });
        await router.apply();
        const count = async (limits: Partial<ReadLimits>) =>
          (await world.client(1).mailbox.read(device, { ...ALL, ...limits }))?.length;
        expect(await count({ countMax: 2 })).toBe(2);
        expect(await count({ bytesMax: 200 })).toBe(2);
        expect(await count({ bytesMax: 199 })).toBe(1);
        expect(await count({ bytesMax: 1 })).toBe(1);
      }));

    test('twelve expired ones before a live one hide nothing', () =>
      inWorld(
        harness,
        async (world) => {
          const router = await world.readyRouter();
          const { mailbox } = world.client(1);
          const device = world.device();
          for (let i = 0; i < 12; i++) await world.put(device, { ttlSeconds: 5, agoMs: 6_000 });
          const live = await world.put(device);
          await router.apply();
          const read = await mailbox.read(device, { above: -1, countMax: 1, bytesMax: 1 });
          expect(read?.map(({ offset }) => offset)).toEqual([live]);
          expect(await mailbox.offsets(device)).toEqual([live]);
        },
        { mailboxMax: 20 },
      ));

    test('what expires is not read any more, though nobody has swept it', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const { mailbox } = world.client(1);
        const device = world.device();
        const offset = await world.put(device, { ttlSeconds: 60, agoMs: 59_500 });
        await router.apply();
        expect(await mailbox.offsets(device)).toEqual([offset]);
        await world.store.advance(600);
        expect(await mailbox.offsets(device)).toEqual([]);
        expect(await mailbox.read(device, ALL)).toEqual([]);
        expect(await world.pending()).toBe(1);
      }));

    test('TTL 0 is in no mailbox', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        await world.put(device, { ttlSeconds: 0 });
        await router.apply();
        expect(await world.client(1).mailbox.read(device, ALL)).toEqual([]);
        expect(await world.box(device)).toEqual([]);
        expect(await world.pending()).toBe(1);
      }));

    test('what has its outcome is not read', () =>
      inWorld(harness, async (world) => {
        const router = await world.readyRouter();
        const device = world.device();
        const [first, second, third] = [
          await world.put(device),
          await world.put(device),
          await world.put(device),
        ];
        await router.apply();
        await world.settle(second, 'delivered');
        expect(await world.box(device)).toEqual([first, third]);
        await world.settle(first, 'rejected');
        await world.settle(third, 'undecryptable');
        expect(await world.box(device)).toEqual([]);
        expect(await world.pending()).toBe(0);
      }));

    test('a view that is not ready answers neither a read nor a re-check', () =>
      inWorld(harness, async (world) => {
        const { mailbox } = world.client(1);
        const device = world.device();
        const notReady = async () => {
          expect(await mailbox.read(device, ALL)).toBeUndefined();
          expect(await mailbox.offsets(device)).toBeUndefined();
        };
        await notReady();
        const router = await world.router();
        await world.put(device);
        await router.fold();
        await notReady();
        await router.finish();
        expect(await mailbox.offsets(device)).toEqual([0]);
        await world.lose();
        await notReady();
      }));
  });
}
