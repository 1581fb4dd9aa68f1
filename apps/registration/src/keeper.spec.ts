import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SUBSCRIPTIONS, encodeSubscriptionFact, type StreamRecord } from '#streams';
import type { Registrar } from '#subscriptions';
import { EmbeddedSubscriptionLookup } from '#view.embedded';
import { Field, deviceId, intercepted, subscriptionId } from '../../../test/support/field.js';
import { HandDrivenKeeper, registrarOn } from '../../../test/support/hand-driven-keeper.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { LOG_BEHIND_MS_MAX } from './keeper.js';

const device = deviceId();
let field: Field;
let registrar: Registrar;
let lookup: EmbeddedSubscriptionLookup;

beforeEach(async () => {
  field = await Field.open();
  // From the beginning on: a tape that starts late misses what was compacted.
  await field.tape(SUBSCRIPTIONS);
  registrar = registrarOn(field);
  lookup = new EmbeddedSubscriptionLookup(field.store);
});
afterEach(() => field.close());

const append = (record: StreamRecord): Promise<number> =>
  field.producer.append(SUBSCRIPTIONS, 0, record);
/** In the log, but not written through: its Registrar died between the two. */
const appendedOnly = (subscription = subscriptionId()): Promise<number> =>
  append(encodeSubscriptionFact({ kind: 'present', device, subscription }));
const registered = async (subscription = subscriptionId()) => {
  await registrar.register(device, subscription);
  return subscription;
};
const known = async () =>
  new Set((await lookup.list(device)).subscriptions.map(({ subscription }) => subscription));
const mark = () => field.subscriptions.mark(0);

describe('a view that is not there', () => {
  test('is ready at once when the log is empty', async () => {
    await new HandDrivenKeeper(field).own();
    expect(await mark()).toMatchObject({ state: 'ready', applied: 0, isSwept: false });
  });

  test('is rebuilding until all that was in the log is applied', async () => {
    const subscriptions = [await registered(), await registered(), await registered()];
    field.store.lose();
    const owner = new HandDrivenKeeper(field);
    expect(await owner.own()).toBe(0);
    await owner.read(2);
    expect(await owner.keeper.lag()).toEqual({ 0: 2 });
    expect(await lookup.find(device, subscriptions[2]!)).toEqual({ state: 'rebuilding' });
    await owner.readOn();
    expect(await mark()).toMatchObject({ state: 'ready', applied: 4 });
    expect(await owner.keeper.lag()).toEqual({ 0: 0 });
    expect(await known()).toEqual(new Set(subscriptions));
    expect(owner.keeper.counts).toMatchObject({ rebuilds: 1, fenced: 0 });
  });

  test('is ready when the end that was asked stands: what came meanwhile may have taken older records away', async () => {
    await appendedOnly();
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    const late = subscriptionId();
    await appendedOnly(late);
    await owner.read();
    expect(owner.position).toBe(1);
    expect(await mark()).toMatchObject({ state: 'rebuilding', applied: 1 });
    await owner.readOn();
    expect(await mark()).toMatchObject({ state: 'ready', applied: 2 });
    expect((await known()).has(late)).toBe(true);
  });

  test('is ready when nothing is left below that end', async () => {
    await registered();
    field.store.lose();
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    // Compacted away meanwhile: there is nothing to read.
    await owner.idle();
    expect(await mark()).toMatchObject({ state: 'ready', applied: 2 });
    expect(owner.position).toBe(2);
  });

  test('that gets lost again is built again', async () => {
    const subscription = await registered();
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    await owner.readOn();
    field.store.lose();
    await owner.idle();
    expect(owner.position).toBe(0);
    await owner.readOn();
    expect(await mark()).toMatchObject({ state: 'ready', applied: 2 });
    expect(await known()).toEqual(new Set([subscription]));
    expect(owner.keeper.counts).toMatchObject({ fenced: 1, rebuilds: 2 });
  });

  test('that gets lost while it is read is built again, and nothing is applied to the new one twice', async () => {
    await registered();
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    await owner.readOn();
    const subscription = await registered();
    field.store.lose();
    await owner.read();
    expect(owner.position).toBe(0);
    await owner.readOn();
    expect((await known()).has(subscription)).toBe(true);
    expect((await known()).size).toBe(2);
  });
});

describe('what is written through beside the keeper', () => {
  test('stands before the view is there, and creating it clears nothing', async () => {
    const subscription = await registered();
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    expect(await lookup.find(device, subscription)).toMatchObject({
      state: 'rebuilding',
      found: { subscription },
    });
  });

  test('writes nothing below what is applied: a late Registrar does not bring back what is gone', async () => {
    const subscription = subscriptionId();
    const offset = await appendedOnly(subscription);
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    await owner.readOn();
    await registrar.unregister(device, subscription);
    await owner.readOn();
    await field.subscriptions.writeThrough({ kind: 'present', device, subscription, offset });
    expect(await known()).toEqual(new Set());
  });

  test('is not undone by an older record that the keeper reads after it', async () => {
    const subscription = subscriptionId();
    await appendedOnly(subscription);
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    await registrar.unregister(device, subscription);
    await owner.read(1);
    expect(await lookup.find(device, subscription)).toEqual({ state: 'rebuilding' });
    await owner.readOn();
    expect(await lookup.find(device, subscription)).toEqual({ state: 'ready' });
    expect(await known()).toEqual(new Set());
    expect(field.store.footprint()).toMatchObject({ removals: 0 });
  });

  test('is made up for by the keeper when its Registrar died before', async () => {
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    const subscription = subscriptionId();
    await appendedOnly(subscription);
    expect(await known()).toEqual(new Set());
    await owner.readOn();
    expect(await known()).toEqual(new Set([subscription]));
  });
});

describe('a keeper that was replaced', () => {
  test('writes nothing with a stale belief, reads the mark and goes on behind the other', async () => {
    const zombie = new HandDrivenKeeper(field);
    await zombie.own();
    const first = await registered();
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    await owner.readOn();
    await registrar.unregister(device, first);
    await owner.readOn();
    const applied = (await mark())?.applied;
    await zombie.read(1);
    expect(zombie.position).toBe(applied);
    expect(zombie.keeper.counts).toMatchObject({ fenced: 1 });
    expect(await known()).toEqual(new Set());
    expect(await mark()).toMatchObject({ applied });
  });

  test('does not make a view ready that another began anew', async () => {
    const subscription = await registered();
    field.store.lose();
    const zombie = new HandDrivenKeeper(field);
    await zombie.own();
    field.store.lose();
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    await zombie.read(1);
    expect(await mark()).toMatchObject({ state: 'rebuilding', applied: 0 });
    await owner.readOn();
    await zombie.readOn();
    expect(await mark()).toMatchObject({ state: 'ready', applied: 2 });
    expect(await known()).toEqual(new Set([subscription]));
  });

  test('is told to let go, and answers for nothing that it does not have', async () => {
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    await registered();
    owner.keeper.onRevoked(0);
    await owner.read();
    expect(await owner.keeper.onIdle(0)).toBeUndefined();
    expect(await mark()).toMatchObject({ applied: 0 });
    expect(owner.keeper.states()).toEqual({ ready: 0, rebuilding: 0 });
  });
});

describe('what waits for a subscription that is given up', () => {
  const bothReady = async () => {
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    const router = new HandDrivenRouter(field);
    await router.own();
    return { owner, router };
  };

  test('is settled gone, announced, and taken out of the outbox', async () => {
    const { owner, router } = await bothReady();
    const subscription = await registered();
    await owner.readOn();
    const offset = await field.put({ device, subscription });
    await router.readOn();
    await registrar.unregister(device, subscription);
    await owner.readOn();
    expect(await field.announced()).toMatchObject([{ offset, device, outcome: 'gone' }]);
    expect(field.store.footprint()).toMatchObject({ outbox: 0, pending: 0 });
    expect(owner.keeper.counts.gone).toBe(1);
  });

  test('is settled gone with the whole device', async () => {
    const { owner, router } = await bothReady();
    const subscription = await registered();
    await owner.readOn();
    await field.put({ device, subscription });
    await router.readOn();
    await registrar.forget(device);
    await owner.readOn();
    expect(await field.announced()).toMatchObject([{ outcome: 'gone' }]);
    expect(field.store.footprint()).toMatchObject({ outbox: 0, pending: 0, devices: 0 });
  });

  test('is found by the sweep when the view was not ready as it came', async () => {
    const router = new HandDrivenRouter(field);
    await router.own();
    const offset = await field.put({ device, subscription: subscriptionId() });
    await router.readOn();
    expect(await field.announced()).toEqual([]);
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    await owner.idle();
    expect(await field.announced()).toMatchObject([{ offset, outcome: 'gone' }]);
    expect(await mark()).toMatchObject({ isSwept: true });
    expect((await field.view.mark(0))?.isSwept).toBe(true);
  });
});

describe('bad records and bad stores', () => {
  test('bytes that are no record of ours are counted, said with their place, and skipped', async () => {
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    await append({ key: Buffer.from('odd'), value: Buffer.from([9]) });
    const subscription = await registered();
    await owner.readOn();
    expect(await known()).toEqual(new Set([subscription]));
    expect(owner.keeper.counts.undecodable).toBe(1);
    expect(owner.said).toContainEqual(
      expect.objectContaining({ class: 'undecodable', partition: 0, offset: 0 }),
    );
  });

  test.each(['mark', 'createMark', 'apply', 'setReady'])(
    'a store that fails in %s, before or after, costs a repetition and nothing else',
    async (method) => {
      for (const side of ['before', 'after']) {
        field.store.lose();
        const subscription = await registered();
        let isAway = true;
        const flaky = intercepted(field.subscriptions, async (name, call) => {
          if (name !== method || !isAway) return call();
          isAway = false;
          if (side === 'after') await call();
          throw new Error('the store is away');
        });
        const owner = new HandDrivenKeeper(field, flaky);
        const insist = async (work: () => Promise<unknown>) => {
          await work().catch(work);
        };
        await insist(() => owner.own());
        await insist(() => owner.readOn());
        await insist(() => owner.idle());
        await insist(() => owner.readOn());
        expect(isAway).toBe(false);
        expect((await mark())?.state).toBe('ready');
        expect((await known()).has(subscription)).toBe(true);
      }
    },
  );

  test('a batch that was fetched for the old place is not applied at the new one', async () => {
    const first = await registered();
    let isAway = false;
    const catalog = intercepted(field.catalog, (_, call) => {
      if (!isAway) return call();
      isAway = false;
      throw new Error('the log is away');
    });
    const owner = new HandDrivenKeeper(field, field.subscriptions, catalog);
    await owner.own();
    await owner.readOn();
    const second = await registered();
    field.store.lose();
    isAway = true;
    // Fenced; the mark of the new view is read, and then the log does not say where it ends.
    await expect(owner.read()).rejects.toThrow('the log is away');
    await owner.read();
    expect(owner.position).toBe(0);
    await owner.readOn();
    expect(await known()).toEqual(new Set([first, second]));
  });

  test.each([
    ['read from its beginning', (owner: HandDrivenKeeper) => owner.read()],
    ['idle', (owner: HandDrivenKeeper) => owner.idle()],
  ])('a log that ends below what is applied for a minute was replaced: %s', async (_, look) => {
    const owner = new HandDrivenKeeper(field);
    await owner.own();
    const ahead = await mark();
    await field.subscriptions.apply(0, ahead!, { changes: [], next: 5 });
    await owner.own();
    await appendedOnly();
    const again = async () => {
      owner.position = 0;
      await look(owner);
    };
    await again();
    field.now += LOG_BEHIND_MS_MAX - 1;
    await again();
    expect(owner.stopped).toEqual([]);
    field.now += 1;
    await again();
    expect(owner.stopped.map(String)).toEqual([
      expect.stringContaining('ends at 1, but its view has applied 5: the log was replaced'),
    ]);
    expect(await mark()).toMatchObject({ applied: 5 });
  });
});
