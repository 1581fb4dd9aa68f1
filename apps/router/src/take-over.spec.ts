import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Holder } from '#view';
import {
  Field,
  Gate,
  deviceId,
  failing,
  intercepted,
  messageId,
  subscriptionId,
} from '../../../test/support/field.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { UNANNOUNCED_MAX } from './router.js';

const device = deviceId();
const subscription = subscriptionId();
const HELD: Holder = { gateway: 'g1', epoch: 7, connection: 70 };
let field: Field;

beforeEach(async () => {
  field = await Field.open();
  await field.subscribed({ device, subscription });
  await field.held(device, HELD);
  await field.tape('notifications');
});
afterEach(() => field.close());

const put = (about: object = {}) => field.put({ device, subscription, ...about });
const waiting = async () => field.mailbox.offsets(device);
const mark = async () => field.view.mark(0);
const router = (ports: ConstructorParameters<typeof HandDrivenRouter>[1] = {}) =>
  new HandDrivenRouter(field, ports);
async function owning(ports: ConstructorParameters<typeof HandDrivenRouter>[1] = {}) {
  const owner = router(ports);
  await owner.own();
  return owner;
}

describe('who takes a partition over', () => {
  test('reads on from what is routed, never from the beginning', async () => {
    const first = await owning();
    await put();
    await first.readOn();
    expect(await router().assign()).toBe(1);
  });

  test('delivers again what was applied and not delivered, and counts it once', async () => {
    const gate = new Gate('apply', 'after');
    const first = await owning();
    const crashing = router({ view: gate.around(field.view) });
    await crashing.assign();
    first.revoke();
    const offset = await put();
    void crashing.step(); // crashes between apply and deliver: its answer never comes
    await gate.reached;
    expect(await mark()).toMatchObject({ applied: offset + 1, routed: offset });
    await owning();
    expect(await field.delivered('g1')).toEqual([offset]);
    expect(await field.view.accounts(0)).toMatchObject({ accepted: 1, pending: 1 });
    expect(await mark()).toMatchObject({ routed: offset + 1 });
  });

  test('delivers TTL 0 again as well, while its 30 s last', async () => {
    const gate = new Gate('apply', 'after');
    await owning();
    const crashing = router({ view: gate.around(field.view) });
    await crashing.assign();
    const offset = await put({ ttlSeconds: 0 });
    void crashing.step();
    await gate.reached;
    await owning();
    expect(await field.delivered('g1')).toEqual([offset]);
  });

  test('does not deliver what has got its outcome meanwhile', async () => {
    const gate = new Gate('apply', 'after');
    await owning();
    const crashing = router({ view: gate.around(field.view) });
    await crashing.assign();
    const settled = await put();
    const open = await put();
    void crashing.step();
    await gate.reached;
    await field.view.settle(0, [{ device, offset: settled, outcome: 'delivered' }]);
    await owning();
    expect(await field.delivered('g1')).toEqual([open]);
  });

  test('delivers again what was delivered and not marked as routed: a double, no loss', async () => {
    await owning();
    const crashing = router();
    await crashing.assign();
    const offset = await put();
    await crashing.step(); // and never another
    await owning();
    expect(await field.delivered('g1')).toEqual([offset, offset]);
    expect(await field.view.accounts(0)).toMatchObject({ accepted: 1 });
  });

  test('goes through what is applied already in small batches as well', async () => {
    await owning();
    const gate = new Gate('apply', 'after');
    const crashing = router({ view: gate.around(field.view) });
    await crashing.assign();
    for (let i = 0; i < 6; i++) await put();
    void crashing.step();
    await gate.reached;
    const next = router();
    await next.assign();
    expect(next.position).toBe(0);
    while (await next.step(2));
    expect(next.router.counts).toMatchObject({ fenced: 0, delivered: 6, batches: 3 });
  });

  test('forgets the leases that it knew', async () => {
    const first = await owning();
    await put();
    await first.step(); // and no idle look, which would forget them as well
    await put();
    await owning();
    await field.leases.release('g1', HELD.epoch);
    const offset = await put({ ttlSeconds: 0 });
    await first.readOn();
    expect(first.router.counts.fenced).toBe(1);
    expect(await field.announced()).toMatchObject([{ offset, outcome: 'dropped' }]);
  });

  test('mixes what is applied already with what is new, in one batch', async () => {
    const gate = new Gate('apply', 'after');
    await owning();
    const crashing = router({ view: gate.around(field.view) });
    await crashing.assign();
    const applied = await put();
    void crashing.step();
    await gate.reached;
    const fresh = await put();
    await owning();
    expect(await field.delivered('g1')).toEqual([applied, fresh]);
    expect(await waiting()).toEqual([applied, fresh]);
  });
});

describe('a zombie', () => {
  test('that wakes before its script finds another `applied`, and writes nothing', async () => {
    const gate = new Gate('apply', 'before');
    const zombie = await owning({ view: gate.around(field.view) });
    const offset = await put();
    const late = zombie.step();
    await gate.reached;
    const second = await owning();
    gate.letGo();
    await late;
    expect(zombie.router.counts.fenced).toBe(1);
    expect(second.router.counts.fenced).toBe(0);
    expect(await waiting()).toEqual([offset]);
    expect(await field.view.accounts(0)).toMatchObject({ accepted: 1 });
    expect(await field.delivered('g1')).toEqual([offset]);
    expect(zombie.position).toBe(offset + 1);
  });

  test('that applies before its successor fences the successor, who delivers what the zombie put', async () => {
    await owning();
    const second = router();
    await second.assign();
    const gate = new Gate('apply', 'after');
    const paused = router({ view: gate.around(field.view) });
    await paused.assign();
    const offset = await put();
    void paused.step();
    await gate.reached;
    await second.step();
    expect(second.router.counts.fenced).toBe(1);
    await second.readOn();
    expect(await field.delivered('g1')).toEqual([offset]);
  });

  test('that sets `routed` late does not move it back', async () => {
    const gate = new Gate('setRouted', 'before');
    const zombie = await owning({ view: gate.around(field.view) });
    await put();
    await zombie.step();
    const late = zombie.step();
    await gate.reached;
    await owning();
    const behind = await put();
    await owning();
    gate.letGo();
    await late;
    expect(await mark()).toMatchObject({ routed: behind + 1 });
  });

  test('that delivers late names the connection of its own time', async () => {
    const gate = new Gate('apply', 'after');
    const zombie = await owning({ view: gate.around(field.view) });
    const offset = await put();
    const late = zombie.step();
    await gate.reached;
    await field.presence.hello(device, { ...HELD, connection: 71 });
    await owning();
    gate.letGo();
    await late;
    expect((await field.deliveries('g1')).slice(1)).toMatchObject([
      { offset, connection: 71 },
      { offset, connection: 70 },
    ]);
  });
});

describe('a revocation', () => {
  test('in mid-batch ends it before the deliveries; the next owner makes them', async () => {
    const gate = new Gate('apply', 'after');
    const first = await owning({ view: gate.around(field.view) });
    const offset = await put();
    const late = first.step();
    await gate.reached;
    first.revoke();
    gate.letGo();
    await late;
    expect(await field.delivered('g1')).toEqual([]);
    await owning();
    expect(await field.delivered('g1')).toEqual([offset]);
  });

  test('leaves nothing that a sweep would work on', async () => {
    const first = await owning();
    expect(first.router.owned.ready()).toHaveLength(1);
    first.revoke();
    expect(first.router.owned.ready()).toEqual([]);
  });

  test('and a new assignment to the same router begin with the mark', async () => {
    const first = await owning();
    first.revoke();
    await owning();
    const offset = await put();
    await owning();
    await first.own();
    expect(first.position).toBe(offset + 1);
    expect(await field.view.accounts(0)).toMatchObject({ accepted: 1 });
  });
});

describe('a store that is away', () => {
  test('before a batch is applied: the same batch is applied when it is back', async () => {
    await owning();
    const owner = router({ view: failing(field.view, { method: 'apply', side: 'before' }) });
    await owner.assign();
    const offset = await put();
    await expect(owner.step()).rejects.toThrow('away');
    await owner.readOn();
    expect(await field.delivered('g1')).toEqual([offset]);
    expect(owner.router.counts.fenced).toBe(0);
  });

  test('before it can answer: the batch counts as another’s, and what it put is delivered', async () => {
    await owning();
    const owner = router({ view: failing(field.view, { method: 'apply', side: 'after' }) });
    await owner.assign();
    const offset = await put();
    await expect(owner.step()).rejects.toThrow('away');
    await owner.readOn();
    expect(owner.router.counts.fenced).toBe(1);
    expect(await field.delivered('g1')).toEqual([offset]);
    expect(await field.view.accounts(0)).toMatchObject({ accepted: 1 });
  });

  test('when a lease is looked at: nothing is routed before the look has succeeded', async () => {
    let isAway = false;
    const leases = intercepted(field.leases, async (_, call) => {
      if (isAway) throw new Error('the store is away');
      return call();
    });
    const owner = await owning({ leases });
    const offset = await put();
    isAway = true;
    await expect(owner.step()).rejects.toThrow('away');
    expect(await mark()).toMatchObject({ applied: offset + 1, routed: offset });
    isAway = false;
    await owner.readOn();
    expect(await field.delivered('g1')).toEqual([offset]);
    expect(await mark()).toMatchObject({ routed: offset + 1 });
  });

  test('in the middle of a take-over: the batch in hand never meets the new view', async () => {
    const owner = await owning();
    for (let i = 0; i < 5; i++) await put();
    await owner.readOn();
    let isAway = false;
    const catalog = intercepted(field.catalog, async (_, call) => {
      if (isAway) throw new Error('the log is away');
      return call();
    });
    const second = await owning({ catalog });
    const last = await put();
    field.store.lose();
    await field.subscribed({ device, subscription });
    isAway = true;
    // Fenced; the mark is created anew and read, then the end of the log cannot be asked.
    await expect(second.step()).rejects.toThrow('away');
    expect(await mark()).toMatchObject({ state: 'rebuilding', applied: 0 });
    isAway = false;
    await second.readOn();
    expect(await waiting()).toEqual([0, 1, 2, 3, 4, last]);
  });
});

describe('an idle look at the mark', () => {
  test('finds that another has gone on, and reads from there', async () => {
    const first = await owning();
    await owning();
    const second = await owning();
    const offset = await put();
    await second.readOn();
    expect(await first.step()).toBe(true);
    expect(first.position).toBe(offset + 1);
  });

  test('finds that the view is lost, and rebuilds it', async () => {
    const owner = await owning();
    const offset = await put();
    await owner.readOn();
    field.store.lose();
    await owner.readOn();
    expect(owner.router.counts.rebuilds).toBe(2);
    expect(await waiting()).toEqual([offset]);
  });
});

describe('a view that is ready and not told', () => {
  test('is told to every live gateway by who takes it over, before it reads', async () => {
    const gate = new Gate('setTold', 'before');
    const crashing = router({ view: gate.around(field.view) });
    await field.held(deviceId(), { gateway: 'g2', epoch: 9, connection: 90 });
    void crashing.own();
    await gate.reached;
    expect(await mark()).toMatchObject({ state: 'ready', isTold: false });
    await router().assign();
    expect(await mark()).toMatchObject({ isTold: true });
    const ready = { kind: 'ready', partition: 0 };
    expect(await field.deliveries('g1')).toEqual([ready, ready]);
    expect(await field.deliveries('g2')).toEqual([ready, ready]);
  });

  test('is told once when nothing goes wrong', async () => {
    await owning();
    await owning();
    expect(await field.deliveries('g1')).toHaveLength(1);
  });

  test('is not called told when it was lost meanwhile', async () => {
    const gate = new Gate('setTold', 'before');
    const owner = router({ view: gate.around(field.view) });
    const owned = owner.own();
    await gate.reached;
    field.store.lose();
    await field.held(device, HELD);
    await field.subscribed({ device, subscription });
    gate.letGo();
    await owned;
    expect(owner.router.counts.rebuilds).toBe(2);
    expect(await mark()).toMatchObject({ state: 'ready', isTold: true });
  });
});

describe('a batch from below the place where reading goes on', () => {
  test('is not applied, and reading is sent back up', async () => {
    const owner = await owning();
    await put();
    await put();
    await owner.readOn();
    const low = await field.batch(0, 1);
    expect(low && (await owner.router.onBatch(low))).toBe(2);
    expect(await field.view.accounts(0)).toMatchObject({ accepted: 2 });
  });
});

const cleared = (): Promise<void> => Promise.resolve();

test('announcements that do not reach the log hold up the partition when they are too many', async () => {
  let letGo = (): void => undefined;
  const slow = new Promise<void>((resolve) => (letGo = resolve));
  const owner = await owning({ announcer: { announce: () => slow, cleared } });
  await field.presence.release(device, HELD);
  let count = 0;
  const fill = async (to: number): Promise<void> => {
    for (; count < to; count++) await put({ ttlSeconds: 0 });
  };
  await fill(UNANNOUNCED_MAX + 1);
  await owner.step();
  await fill(count + 1);
  let isThrough = false;
  const last = owner.step().then(() => (isThrough = true));
  await turn();
  expect(isThrough).toBe(false);
  letGo();
  await last;
  expect(await field.view.accounts(0)).toMatchObject({ pending: 0 });
});

test('announcing that fails leaves the partition alone, and the outcome in the outbox', async () => {
  const announcer = {
    announce: async () => {
      throw new Error('the producer is closed');
    },
    cleared,
  };
  const owner = await owning({ announcer });
  const offset = await put({ ttlSeconds: 0 });
  await field.presence.release(device, HELD);
  const stays = await put({ id: messageId() });
  await owner.readOn();
  expect(await waiting()).toEqual([stays]);
  const view = await mark();
  const left = view && (await field.view.outbox(0, view, { olderThanMs: 0, limit: 9 }));
  expect(left).toMatchObject([{ offset, outcome: 'dropped' }]);
});
