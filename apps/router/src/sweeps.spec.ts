import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Log } from '#runtime';
import type { Fields } from '#runtime';
import { Announcer, GoneSweep } from '#outcomes';
import { Field, deviceId, intercepted, subscriptionId } from '../../../test/support/field.js';
import { Holding, settled } from '../../../test/support/hand-driven-gateway.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { EXPIRE_MAX, ExpirySweep } from './expiry-sweep.js';
import { OUTBOX_AGE_MS, OutboxSweep } from './outbox-sweep.js';
import { Sweeps, type Sweep } from './sweeps.js';

const device = deviceId();
const subscription = subscriptionId();
let field: Field;
let owner: HandDrivenRouter;
const said: Fields[] = [];

beforeEach(async () => {
  field = await Field.open();
  await field.subscribed({ device, subscription });
  owner = new HandDrivenRouter(field);
  await owner.own();
  said.length = 0;
});
afterEach(() => field.close());

const put = (about: object = {}) => field.put({ device, subscription, ...about });
const sweeps = (...those: Sweep[]) =>
  new Sweeps(
    owner.router.owned,
    those,
    Log.into((line) => said.push(line)),
  );
const outbox = async () => {
  const mark = await field.view.mark(0);
  return mark && field.view.outbox(0, mark, { olderThanMs: 0, limit: 99 });
};

describe('the expiry sweep', () => {
  test('ends by the store’s clock what is due, tells the log, and clears the outbox', async () => {
    const short = await put({ ttlSeconds: 10 });
    const long = await put({ ttlSeconds: 60 });
    await owner.readOn();
    field.now += 10_000;
    await sweeps(new ExpirySweep(field, owner.router.counts)).run(0);
    expect(await field.announced()).toMatchObject([{ offset: short, outcome: 'expired' }]);
    expect(await field.mailbox.offsets(device)).toEqual([long]);
    expect(await outbox()).toEqual([]);
    expect(owner.router.counts.expired).toBe(1);
  });

  test('drops TTL 0 that nobody acked within 30 s', async () => {
    await field.held(device, { gateway: 'g1', epoch: 7, connection: 70 });
    const offset = await put({ ttlSeconds: 0 });
    await owner.readOn();
    const sweep = sweeps(new ExpirySweep(field, owner.router.counts));
    field.now += 29_999;
    await sweep.run(0);
    expect(await field.announced()).toEqual([]);
    field.now += 1;
    await sweep.run(1_000);
    expect(await field.announced()).toMatchObject([{ offset, outcome: 'dropped' }]);
  });

  test('goes on to the end when more is due than one script takes', async () => {
    for (let i = 0; i < EXPIRE_MAX + 3; i++) await put({ ttlSeconds: 1 });
    await owner.readOn();
    field.now += 1_000;
    await sweeps(new ExpirySweep(field, owner.router.counts)).run(0);
    expect(await field.view.accounts(0)).toMatchObject({ pending: 0 });
    expect(await field.announced()).toHaveLength(EXPIRE_MAX + 3);
  });
});

describe('the outbox sweep', () => {
  const acked = async () => {
    const offset = await put();
    await owner.readOn();
    await field.view.settle(0, [{ device, offset, outcome: 'delivered' }]);
    return offset;
  };

  test('announces what its decider did not within 10 s', async () => {
    const offset = await acked();
    const sweep = sweeps(new OutboxSweep(field, owner.router.counts));
    const ageMs = (): number => owner.router.outboxAgeMs();
    field.now += OUTBOX_AGE_MS - 1;
    await sweep.run(0);
    expect(await field.announced()).toEqual([]);
    expect(ageMs()).toBe(0);
    field.now += 1;
    await sweep.run(60_000);
    expect(ageMs()).toBe(OUTBOX_AGE_MS);
    await sweep.run(120_000);
    expect(ageMs()).toBe(0);
    expect(await field.announced()).toMatchObject([{ offset, outcome: 'delivered' }]);
    expect(await outbox()).toEqual([]);
    expect(owner.router.counts.announcedLate).toBe(1);
  });

  test('shows how old they are while the log takes none', async () => {
    await acked();
    field.now += OUTBOX_AGE_MS;
    const log = new Holding('appendUntilIn', 'before');
    const announcer = new Announcer(log.around(field.producer), field.view);
    const held = new HandDrivenRouter(field, { announcer });
    await held.own();
    const router = held.router;
    const sweep = new OutboxSweep({ view: field.view, announcer }, router.counts);
    const round = new Sweeps(router.owned, [sweep], Log.silent()).run(0);
    await settled();
    field.now += 60_000;
    expect(router.outboxAgeMs()).toBe(OUTBOX_AGE_MS + 60_000);
    await log.letGo();
    await round;
    await sweep.sweep(router.owned.get(0)!);
    expect(router.outboxAgeMs()).toBe(0);
  });

  test('leaves nothing over to a log that learns it afterwards', async () => {
    await acked();
    field.now += OUTBOX_AGE_MS + 1;
    await sweeps(new OutboxSweep(field, owner.router.counts)).run(0);
    await owner.readOn();
    field.store.lose();
    await owner.readOn();
    expect(await field.view.accounts(0)).toMatchObject({ accepted: 1, pending: 0 });
  });
});

test('the `gone` sweep ends what waits without a subscription when the other view becomes ready', async () => {
  field.store.lose();
  await owner.readOn();
  const offset = await put({ subscription: subscriptionId() });
  const stays = await put();
  await owner.readOn();
  const gone = new GoneSweep(field);
  const sweep = sweeps({
    name: 'gone',
    everyMs: 1_000,
    sweep: async ({ partition }) => void (await gone.sweep(partition)),
  });
  await sweep.run(0);
  expect(await field.mailbox.offsets(device)).toEqual([offset, stays]);
  await field.subscribed({ device, subscription });
  await sweep.run(1_000);
  expect(await field.mailbox.offsets(device)).toEqual([stays]);
  expect(await field.announced()).toMatchObject([{ offset, outcome: 'gone' }]);
});

describe('a round of sweeps', () => {
  const counting = (everyMs: number) => {
    const swept: number[] = [];
    const sweep: Sweep = {
      name: 'counting',
      everyMs,
      sweep: async ({ partition }) => void swept.push(partition),
    };
    return { sweep, swept };
  };

  test('goes only through partitions that are owned and ready', async () => {
    const { sweep, swept } = counting(1_000);
    const round = sweeps(sweep);
    await round.run(0);
    expect(swept).toEqual([0]);
    owner.revoke();
    await round.run(1_000);
    field.store.lose();
    await put();
    await owner.assign();
    await round.run(2_000);
    expect(swept).toEqual([0]);
  });

  test('gives each sweep its turn when it is due', async () => {
    const often = counting(1_000);
    const seldom = counting(5_000);
    const round = sweeps(often.sweep, seldom.sweep);
    for (let second = 0; second <= 10; second++) await round.run(second * 1_000);
    expect(often.swept).toHaveLength(11);
    expect(seldom.swept).toHaveLength(3);
  });

  test('survives a store that is away, says so, and tries again', async () => {
    let isAway = true;
    const view = intercepted(field.view, async (_, call) => {
      if (isAway) throw new Error('the store is away');
      return call();
    });
    await put({ ttlSeconds: 1 });
    await owner.readOn();
    field.now += 1_000;
    const round = sweeps(
      new ExpirySweep({ view, announcer: field.announcer }, owner.router.counts),
    );
    await round.run(0);
    expect(said).toMatchObject([{ level: 'warn', partition: 0, class: 'expiry' }]);
    isAway = false;
    await round.run(1_000);
    expect(await field.view.accounts(0)).toMatchObject({ pending: 0 });
  });

  test('has ended when stopping has', async () => {
    const { sweep, swept } = counting(1_000);
    const round = sweeps(sweep);
    round.start();
    await round.stop();
    expect(swept).toEqual([]);
  });
});
