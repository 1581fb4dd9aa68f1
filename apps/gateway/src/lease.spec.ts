/** Rule 7 of the design: one lease per gateway, by epochs. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deliveriesOf, encodeDelivery } from '#streams';
import { Field } from '../../../test/support/field.js';
import {
  HandDrivenGateway,
  Holding,
  Outage,
  settled,
} from '../../../test/support/hand-driven-gateway.js';
import { intercepted } from '../../../test/support/field.js';
import { LEASE_TTL_MS } from './lease.js';

let field: Field;
beforeEach(async () => {
  field = await Field.open();
});
afterEach(() => field.close());

const lease = () => field.leases.get('g1');

describe('a gateway that starts', () => {
  test('sets its lease, after it has resolved the end of its stream', async () => {
    const ready = encodeDelivery({ kind: 'ready', partition: 0 });
    await field.catalog.ensure(deliveriesOf('g1'));
    await field.producer.appendUntilIn(deliveriesOf('g1'), 0, [ready]);
    const calls: string[] = [];
    const noted = async (method: string, call: () => Promise<unknown>): Promise<unknown> => {
      calls.push(method);
      return call();
    };
    const ports = {
      leases: intercepted(field.leases, noted),
      catalog: intercepted(field.catalog, noted),
    };
    const g1 = await new HandDrivenGateway(field, { ports }).begin();
    expect(calls).toEqual(['ensure', 'get', 'end', 'set']);
    expect(await lease()).toMatchObject({ epoch: g1.gateway.identity.epoch });
    expect(await g1.step()).toBe(false); // what stood there before is not its own
  });

  test('waits out the lease of its predecessor', async () => {
    await field.leases.set('g1', 7, LEASE_TTL_MS);
    const began = field.now;
    const g1 = await new HandDrivenGateway(field).begin();
    expect(field.now - began).toBeGreaterThanOrEqual(LEASE_TTL_MS);
    expect(await lease()).toMatchObject({ epoch: g1.gateway.identity.epoch });
  });

  test.each(['get', 'set'])(
    'asks again when the store does not answer its %s',
    async (unanswered) => {
      let asked = 0;
      const leases = intercepted(field.leases, async (method, call) => {
        if (method === unanswered && ++asked === 1) throw new Error('Command timed out');
        return call();
      });
      const g1 = await new HandDrivenGateway(field, { ports: { leases } }).begin();
      expect(asked).toBe(2);
      expect(await lease()).toMatchObject({ epoch: g1.gateway.identity.epoch });
    },
  );

  test('refuses to run beside another of its name, which renews', async () => {
    await field.leases.set('g1', 7, LEASE_TTL_MS);
    const leases = intercepted(field.leases, async (method, call) => {
      if (method === 'get') await field.leases.set('g1', 7, LEASE_TTL_MS); // its clock is ours
      return call();
    });
    const g1 = new HandDrivenGateway(field, { ports: { leases } });
    await expect(g1.begin()).rejects.toThrow(/named g1 is alive.*GATEWAY_ID/);
    expect(await lease()).toMatchObject({ epoch: 7 });
  });

  test('refuses when another of its name was quicker and renews', async () => {
    let isFirst = true;
    const leases = intercepted(field.leases, async (method, call) => {
      if (method === 'set' && isFirst) await field.leases.set('g1', 8, LEASE_TTL_MS);
      if (method === 'get' && !isFirst) await field.leases.set('g1', 8, LEASE_TTL_MS);
      isFirst &&= method !== 'set';
      return call();
    });
    const g1 = new HandDrivenGateway(field, { ports: { leases } });
    await expect(g1.begin()).rejects.toThrow(/g1 is alive/);
  });
});

describe('a lease', () => {
  test('is extended by its renewal', async () => {
    const g1 = await new HandDrivenGateway(field).begin();
    const { epoch } = g1.gateway.identity;
    field.now += 10_000;
    expect(g1.gateway.lease.ageMs).toBe(10_000);
    await g1.gateway.lease.renew();
    field.now += 10_000;
    expect(await lease()).toMatchObject({ epoch, remainingMs: LEASE_TTL_MS - 10_000 });
    expect(g1.gateway.counts.epochs).toBe(1);
  });

  test('survives an outage of the store that is shorter than it', async () => {
    const outage = new Outage();
    const ports = { leases: outage.around(field.leases) };
    const g1 = await new HandDrivenGateway(field, { ports }).begin();
    const { epoch } = g1.gateway.identity;
    outage.isAway = true;
    field.now += 9_000;
    await g1.gateway.lease.renew();
    outage.isAway = false;
    await g1.gateway.lease.renew();
    expect(g1.gateway.identity.epoch).toBe(epoch);
    expect(g1.gateway.counts.renewFailures).toBe(1);
  });

  test('that was lost is set anew, also when the answer to setting it got lost', async () => {
    let fails = 0;
    const leases = intercepted(field.leases, async (method, call) => {
      const answer = await call();
      if (method === 'set' && fails-- > 0) throw new Error('the answer is lost');
      return answer;
    });
    const g1 = await new HandDrivenGateway(field, { ports: { leases } }).begin();
    const { epoch } = g1.gateway.identity;
    field.now += LEASE_TTL_MS + 1;
    fails = 1;
    await g1.gateway.lease.renew(); // lost, and set, and the answer lost
    expect(g1.gateway.identity.epoch).toBe(epoch);
    await g1.gateway.lease.renew();
    expect(g1.gateway.identity.epoch).not.toBe(epoch);
    expect(await lease()).toMatchObject({ epoch: g1.gateway.identity.epoch });
    expect(g1.ended).toEqual([]);
  });

  test('is renewed once, whoever asks for it meanwhile', async () => {
    const renew = new Holding('renew', 'after');
    const ports = { leases: renew.around(field.leases) };
    const g1 = await new HandDrivenGateway(field, { ports }).begin();
    field.now += LEASE_TTL_MS + 1;
    const all = [g1.gateway.lease.renew(), g1.gateway.lease.renew()];
    await settled();
    await renew.letGo();
    await Promise.all(all);
    expect(g1.ended).toEqual([]);
    expect(g1.gateway.counts.epochs).toBe(2);
  });

  test('that was lost while another of the name set its own is given up', async () => {
    const g1 = await new HandDrivenGateway(field).begin();
    field.now += LEASE_TTL_MS + 1;
    await field.leases.set('g1', 9, LEASE_TTL_MS);
    await g1.gateway.lease.renew();
    expect(g1.ended[0]?.message).toMatch(/g1 has taken over/);
    await g1.gateway.lease.release();
    expect(await lease()).toMatchObject({ epoch: 9 });
  });
});
