import { describe, expect, test } from 'vitest';
import { deviceIdOf } from '#webpush';
import type { DeviceId, KeyFingerprint, MessageId, SubscriptionId } from '#webpush';
import type { Command } from './partition-view.js';
import {
  EmbeddedPartitionView,
  EmbeddedPresence,
  EmbeddedStore,
  EmbeddedSubscriptionsView,
} from './view.embedded.js';

const HOUR = 3_600_000;
const SUBSCRIPTION = '5'.repeat(32) as SubscriptionId;
const NOTHING = { devices: 0, pending: 0, outbox: 0, terms: 0, boots: 0, removals: 0, notes: 0 };

describe('the store in memory', () => {
  test('settled notifications leave nothing behind', async () => {
    const { store, view, belief } = await readyStore();
    let applied = 0;
    for (let round = 0; round < 200; round++) {
      const commands = Array.from({ length: 100 }, (_, i) => put(applied + i, device(i % 7)));
      await view.apply(0, { ...belief, applied }, { commands, next: applied + 100, routed: 0 });
      applied += 100;
      const settled = await view.settle(
        0,
        commands.map(({ device, offset }) => ({ device, offset, outcome: 'delivered' as const })),
      );
      if (settled.state === 'ready') {
        await view.clearOutbox(0, settled.viewId, settled.announcements);
      }
    }
    expect(store.footprint()).toEqual(NOTHING);
    expect((await view.accounts(0))?.outcomes).toMatchObject({ delivered: 20_000 });
  });

  test('a fold leaves no notes when the view is ready', async () => {
    const { store, view } = storeWithViews();
    await view.createMark(0);
    const mark = (await view.mark(0))!;
    const commands: Command[] = [put(0, device(1), 't')];
    commands.push({ kind: 'outcome', device: device(1), target: 0, outcome: 'delivered' });
    await view.apply(0, mark, { commands, next: 2, routed: 0 });
    expect(store.footprint()).toMatchObject({ devices: 0, notes: 1 });
    await view.finish(0, { ...mark, applied: 2 }, { limit: 9 });
    expect(store.footprint()).toEqual(NOTHING);
  });

  test('a device is kept for its connection, its subscriptions, its last-seen or its mail only', async () => {
    const { store, presence, subscriptions } = await readyStore();
    const holder = { gateway: 'a', epoch: 1, connection: 1 };
    await presence.hello(device(1), holder);
    const named = { device: device(1), subscription: SUBSCRIPTION };
    await subscriptions.writeThrough({ kind: 'present', ...named, offset: 0 });
    await presence.release(device(1), holder);
    expect(store.footprint().devices).toBe(1);
    await subscriptions.createMark(0);
    const mark = (await subscriptions.mark(0))!;
    await subscriptions.apply(0, mark, {
      changes: [{ kind: 'gone', ...named, offset: 1 }],
      next: 2,
    });
    expect(store.footprint()).toEqual(NOTHING);
  });

  test('a walk under way keeps no payload of what is settled', async () => {
    const { store, view } = storeWithViews();
    await view.createMark(0);
    const mark = (await view.mark(0))!;
    const commands = [put(0, device(1), 't'), put(1, device(1), 't'), put(2, device(1))];
    await view.apply(0, mark, { commands, next: 3, routed: 0 });
    await view.finish(0, { ...mark, applied: 3 }, { limit: 2 });
    const lengths = store.partition(0).walk?.entries.map(({ record }) => record.length);
    expect(lengths?.sort()).toEqual([0, 8, 8]);
  });

  test('a boot is kept once for all its claims, and no longer', async () => {
    const { store, presence } = await readyStore();
    const claim = (connection: number, epoch: number) => ({ gateway: 'a', epoch, connection });
    for (let i = 0; i < 9; i++) await presence.hello(device(i), claim(i, 1));
    expect(store.footprint()).toMatchObject({ devices: 9, boots: 1 });
    for (let i = 0; i < 9; i++) await presence.hello(device(i), claim(10 + i, 2));
    expect(store.footprint()).toMatchObject({ devices: 9, boots: 1 });
    for (let i = 0; i < 9; i++) await presence.release(device(i), claim(10 + i, 2));
    expect(store.footprint()).toEqual(NOTHING);
  });

  test('key and site are kept once for all who have them, and no longer', async () => {
    const { store, subscriptions } = await readyStore();
    const terms = { fingerprint: 'k'.repeat(43) as KeyFingerprint, site: 'https://s.example' };
    for (let i = 0; i < 50; i++) {
      const named = { device: device(i), subscription: SUBSCRIPTION };
      await subscriptions.writeThrough({ kind: 'present', ...named, ...terms, offset: i });
    }
    expect(store.footprint()).toMatchObject({ devices: 50, terms: 1 });
    await subscriptions.createMark(0);
    const changes = Array.from({ length: 50 }, (_, i) => {
      return { kind: 'forgotten', device: device(i), offset: 50 + i } as const;
    });
    for (const change of changes.slice(0, 20)) await subscriptions.writeThrough(change);
    expect(store.footprint()).toMatchObject({ devices: 30, terms: 1, removals: 20 });
    const mark = (await subscriptions.mark(0))!;
    await subscriptions.apply(0, mark, { changes, next: 100 });
    expect(store.footprint()).toEqual(NOTHING);
  });

  test('claims that lapsed are cleared away', async () => {
    const { store, time, view, presence, belief } = await readyStore();
    await view.expire(0, belief, 9);
    await presence.hello(device(1), { gateway: 'a', epoch: 1, connection: 1 });
    time.now += HOUR / 2;
    await presence.hello(device(2), { gateway: 'b', epoch: 1, connection: 2 });
    time.now += HOUR / 2;
    await view.expire(0, belief, 9);
    expect(store.footprint().devices).toBe(1);
    expect(
      (await presence.hello(device(2), { gateway: 'c', epoch: 1, connection: 3 })).displaced,
    ).toEqual({ gateway: 'b', epoch: 1, connection: 2 });
  });

  test('a hello after the clock was set back is still later than the one it displaces', async () => {
    const { time, presence } = await readyStore();
    const first = await presence.hello(device(1), { gateway: 'a', epoch: 1, connection: 1 });
    time.now -= HOUR;
    const second = { gateway: 'b', epoch: 1, connection: 2 };
    const { since } = await presence.hello(device(1), second);
    expect(since).toBeGreaterThan(first.since);
    const again = await presence.reclaim(
      device(1),
      { gateway: 'a', epoch: 1, connection: 1 },
      first.since,
    );
    expect(again).toEqual({ won: false, by: second });
  });

  test('a partition that is not one of its own is an error that says so', () => {
    const { store } = storeWithViews();
    expect(() => store.partition(1)).toThrow('partition 1 is not one of 0 … 0');
  });
});

function put(offset: number, to: DeviceId, topic?: string) {
  return {
    kind: 'put' as const,
    offset,
    at: 1_750_000_000_000,
    device: to,
    subscription: SUBSCRIPTION,
    id: `m${offset}` as MessageId,
    ttlSeconds: 60,
    record: Buffer.alloc(8),
    ...(topic === undefined ? {} : { topic }),
  };
}

function device(i: number): DeviceId {
  return deviceIdOf(i.toString(16).padStart(32, '0'));
}

function storeWithViews() {
  const time = { now: 1_750_000_000_000 };
  const store = new EmbeddedStore({
    partitions: 1,
    mailboxMax: 1_000,
    holderTtlMs: HOUR,
    clock: () => time.now,
  });
  return {
    store,
    time,
    view: new EmbeddedPartitionView(store),
    presence: new EmbeddedPresence(store),
    subscriptions: new EmbeddedSubscriptionsView(store),
  };
}

async function readyStore() {
  const views = storeWithViews();
  await views.view.createMark(0);
  const mark = (await views.view.mark(0))!;
  await views.view.finish(0, mark, { limit: 1 });
  return { ...views, belief: { ...mark, state: 'ready' as const } };
}
