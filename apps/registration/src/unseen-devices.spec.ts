import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SUBSCRIPTIONS } from '#streams';
import { Log } from '#runtime';
import type { Registrar } from '#subscriptions';
import { EmbeddedSubscriptionLookup } from '#view.embedded';
import type { DeviceId } from '#webpush';
import { Field, deviceId, intercepted, subscriptionId } from '../../../test/support/field.js';
import { HandDrivenKeeper, registrarOn } from '../../../test/support/hand-driven-keeper.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { CHUNK_MAX, UnseenDevices } from './unseen-devices.js';

const DAY_MS = 86_400_000;
let field: Field;
let registrar: Registrar;
let lookup: EmbeddedSubscriptionLookup;
let owner: HandDrivenKeeper;

beforeEach(async () => {
  field = await Field.open();
  await field.tape(SUBSCRIPTIONS);
  registrar = registrarOn(field);
  lookup = new EmbeddedSubscriptionLookup(field.store);
  owner = new HandDrivenKeeper(field);
});
afterEach(() => field.close());

function removal(forgetting: Pick<Registrar, 'forget'> = registrar): UnseenDevices {
  const { subscriptions } = field;
  return new UnseenDevices(
    { subscriptions, lookup, registrar: forgetting, keeper: owner.keeper },
    { deviceDaysMax: 60, log: Log.silent() },
  );
}

const registered = async (): Promise<DeviceId> => {
  const device = deviceId();
  await registrar.register(device, subscriptionId());
  return device;
};
const isKnown = async (device: DeviceId) => (await lookup.findDevice(device)).isKnown;

describe('a device that was not seen', () => {
  test('for longer than it may is removed, a younger one is not', async () => {
    const old = await registered();
    field.now += DAY_MS;
    const young = await registered();
    await owner.own();
    await owner.readOn();
    await removal().run(field.now + 59 * DAY_MS);
    expect([await isKnown(old), await isKnown(young)]).toEqual([true, true]);
    await removal().run(field.now + 59 * DAY_MS + 1);
    expect([await isKnown(old), await isKnown(young)]).toEqual([false, true]);
    expect(owner.keeper.counts.forgotten).toBe(1);
  });

  test('takes what waits for it along', async () => {
    const device = deviceId();
    const subscription = subscriptionId();
    await registrar.register(device, subscription);
    await owner.own();
    await owner.readOn();
    const router = new HandDrivenRouter(field);
    await router.own();
    await field.put({ device, subscription, ttlSeconds: 90 * 86_400 });
    await router.readOn();
    await removal().run(field.now + 61 * DAY_MS);
    await owner.readOn();
    expect(await field.announced()).toMatchObject([{ device, outcome: 'gone' }]);
  });

  test('is removed however many there are', async () => {
    for (let i = 0; i < 2 * CHUNK_MAX + 1; i++) await registered();
    await owner.own();
    await owner.readOn();
    await removal().run(field.now + 61 * DAY_MS);
    await owner.readOn();
    expect(owner.keeper.counts.forgotten).toBe(2 * CHUNK_MAX + 1);
    expect(field.store.footprint()).toMatchObject({ devices: 0, removals: 0 });
  });

  test('is kept while the view is being rebuilt, and by a keeper that has lost the partition', async () => {
    const device = await registered();
    field.store.lose();
    await owner.own();
    await owner.read(1);
    await removal().run(field.now + 61 * DAY_MS);
    await owner.readOn();
    expect(await isKnown(device)).toBe(true);
    owner.keeper.onRevoked(0);
    await removal().run(field.now + 61 * DAY_MS);
    expect(await isKnown(device)).toBe(true);
  });

  test('and comes back meanwhile is kept', async () => {
    const [first, second] = [await registered(), await registered()];
    await owner.own();
    await owner.readOn();
    field.now += 61 * DAY_MS;
    // The list has both; while the first is removed the other says hello.
    const slow = intercepted(registrar, async (_, call, [device]) => {
      await registrar.seen(device === first ? second : first);
      return call();
    });
    await removal(slow).run(field.now);
    expect([await isKnown(first), await isKnown(second)].sort()).toEqual([false, true]);
    expect(owner.keeper.counts.forgotten).toBe(1);
  });

  test('stays until the next round when the log is away', async () => {
    const device = await registered();
    await owner.own();
    await owner.readOn();
    const away = { forget: () => Promise.reject(new Error('away')) };
    await removal(away).run(field.now + 61 * DAY_MS);
    expect(await isKnown(device)).toBe(true);
    await removal().run(field.now + 61 * DAY_MS);
    expect(await isKnown(device)).toBe(false);
  });
});
