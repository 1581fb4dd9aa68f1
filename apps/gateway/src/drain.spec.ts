import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Field, intercepted, subscriptionId } from '../../../test/support/field.js';
import {
  HandDrivenGateway,
  Outage,
  newDevice,
  settled,
} from '../../../test/support/hand-driven-gateway.js';
import type { MemoryDevice } from '../../../test/support/hand-driven-gateway.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';

let field: Field;
let router: HandDrivenRouter;
beforeEach(async () => {
  field = await Field.open();
  await field.subscribed();
  router = new HandDrivenRouter(field);
  await router.own();
});
afterEach(() => field.close());

describe('a drain', () => {
  test('closes every connection with 1001, and leaves neither claim nor lease', async () => {
    const g1 = await new HandDrivenGateway(field).begin();
    const phones = [await g1.greeted(), await g1.greeted(), g1.open()];
    await g1.gateway.drain();
    expect(phones.map(({ closed }) => closed?.code)).toEqual([1001, 1001, 1001]);
    expect(field.store.footprint().devices).toBe(0);
    expect(await field.leases.get('g1')).toBeUndefined();
  });

  test('spreads the closes of many over its time, and serves the rest meanwhile', async () => {
    const g1 = await new HandDrivenGateway(field, { env: { DRAIN_SECONDS: '2' } }).begin();
    const phones: MemoryDevice[] = [];
    for (let i = 0; i < 2_000; i++) phones.push(g1.open());
    const began = field.now;
    const { secret } = newDevice();
    const phone = await g1.greeted(secret);
    const drained = g1.gateway.drain();
    phone.say('{}');
    expect(phone.frames.at(-1)).toEqual({});
    await drained;
    expect(phones.every(({ closed }) => closed?.code === 1001)).toBe(true);
    expect(field.now - began).toBeGreaterThan(1_500);
    expect(field.now - began).toBeLessThan(3_000);
  });

  test('of few takes no time', async () => {
    const g1 = await new HandDrivenGateway(field).begin();
    for (let i = 0; i < 20; i++) g1.open();
    const began = field.now;
    const drained = g1.gateway.drain();
    expect(g1.gateway.connections.size).toBe(0);
    await drained;
    expect(field.now).toBe(began);
  });

  test('settles the last acks and releases the claims before the lease', async () => {
    const { secret, device } = newDevice();
    const subscription = subscriptionId();
    await field.subscribed({ device, subscription });
    await field.put({ device, subscription });
    await router.readOn();
    const calls: string[] = [];
    const noted = async (method: string, call: () => Promise<unknown>): Promise<unknown> => {
      const answer = await call();
      calls.push(method);
      return answer;
    };
    const ports = {
      presence: intercepted(field.presence, noted),
      leases: intercepted(field.leases, (method, call) => noted(`${method} lease`, call)),
    };
    const g1 = await new HandDrivenGateway(field, { ports }).begin();
    const phone = await g1.greeted(secret);
    phone.ack(...phone.notifications);
    await g1.gateway.drain();
    expect(calls.slice(-2)).toEqual(['release', 'release lease']);
    expect(await field.announced()).toMatchObject([{ outcome: 'delivered' }]);
  });

  test('ends although the store is away', async () => {
    const outage = new Outage();
    const ports = {
      presence: outage.around(field.presence, 'release'),
      leases: outage.around(field.leases, 'release'),
    };
    const g1 = await new HandDrivenGateway(field, { ports }).begin();
    await g1.greeted();
    outage.isAway = true;
    await g1.gateway.drain();
    await settled();
    expect(g1.gateway.counts.releaseFailures).toBe(1);
    expect(outage.calls).toBe(2);
  });
});
