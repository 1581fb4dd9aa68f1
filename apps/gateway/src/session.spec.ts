/** Rules 2, 3, 7 and 8 of the design: the interleavings that the model names, played by hand. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Announcer, Settler } from '#outcomes';
import { deliveriesOf, encodeDelivery } from '#streams';
import type { Delivery } from '#streams';
import { Field, subscriptionId } from '../../../test/support/field.js';
import {
  HandDrivenGateway,
  Holding,
  Outage,
  newDevice,
  settled,
} from '../../../test/support/hand-driven-gateway.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';

let field: Field;
let router: HandDrivenRouter;
let g1: HandDrivenGateway;
const { secret, device } = newDevice();
const subscription = subscriptionId();

beforeEach(async () => {
  field = await Field.open();
  await field.subscribed({ device, subscription });
  router = new HandDrivenRouter(field);
  await router.own();
  g1 = await new HandDrivenGateway(field).begin();
});
afterEach(() => field.close());

/** Accepted and routed, not yet read by the gateway. */
async function posted(...texts: readonly string[]): Promise<readonly number[]> {
  const offsets: number[] = [];
  for (const text of texts) {
    offsets.push(await field.put({ device, subscription, payload: Buffer.from(text) }));
  }
  await router.readOn();
  return offsets;
}

const waiting = () => field.mailbox.offsets(device);
const holder = () =>
  field.store.holders.of(field.store.partitionOf(device).devices.get(device), field.now);
const gatewayWith = (...of: ConstructorParameters<typeof HandDrivenGateway>) =>
  new HandDrivenGateway(...of).begin();

describe('what is stored', () => {
  test('comes after hello, in order, and then what is live goes out as it comes', async () => {
    await posted('a', 'b', 'c');
    const phone = await g1.greeted(secret);
    expect(phone.payloads).toEqual(['a', 'b', 'c']);
    const { reads } = g1.gateway.counts;
    await posted('d');
    await g1.step();
    expect(phone.payloads).toEqual(['a', 'b', 'c', 'd']);
    expect(g1.gateway.counts.reads).toBe(reads);
  });

  test('and unacknowledged comes again after a reconnect, what was acknowledged does not', async () => {
    await posted('a', 'b', 'c');
    const first = await g1.greeted(secret);
    first.ack(first.notifications[1]!);
    await settled();
    first.leave();
    const second = await g1.greeted(secret);
    expect(second.payloads).toEqual(['a', 'c']);
  });

  test('does not come again to who acknowledges, hangs up and is back at once, whatever acks wait for', async () => {
    await posted('a', 'b', 'c');
    const announcer = new Announcer(field.producer, field.view);
    const settler = new Settler(field.view, announcer, { gatherMs: 60_000 });
    const waits = await gatewayWith(field, { id: 'g2', ports: { settler } });
    const first = await waits.greeted(secret);
    first.ack(first.notifications[0]!, first.notifications[2]!);
    await settled();
    expect(await waiting()).toHaveLength(3);
    first.leave();
    const second = await waits.greeted(secret);
    expect(second.payloads).toEqual(['b']);
  });

  test('is not read while the view is being rebuilt, and is sent when the gateway is told', async () => {
    await posted('a');
    field.store.lose();
    await field.subscribed({ device, subscription });
    await g1.gateway.lease.renew();
    const phone = await g1.greeted(secret);
    expect(phone.frames).toHaveLength(1);
    await new HandDrivenRouter(field).own();
    await g1.readOn();
    expect(phone.payloads).toEqual(['a']);
  });

  test('that no device could read ends as rejected and holds up nothing', async () => {
    await posted('a');
    const [good] = (await field.records()).slice(-1);
    const record = Buffer.from(good!.value!);
    record[37] = (record[37]! & ~0x0c) | 0x0c; // no such content encoding
    await field.append({ key: Buffer.from('broken'), value: record });
    await posted('b');
    const phone = await g1.greeted(secret);
    await g1.settler.drain();
    expect(phone.payloads).toEqual(['a', 'b']);
    expect((await field.view.accounts(0))?.outcomes).toMatchObject({ rejected: 1 });
  });
});

describe('a live delivery', () => {
  test('during a read waits for the next read: in order, once', async () => {
    const read = new Holding('read', 'after');
    const g = await gatewayWith(field, {
      id: 'g2',
      ports: { mailbox: read.around(field.mailbox) },
    });
    await posted('a');
    const phone = await g.greeted(secret);
    await posted('b');
    await g.readOn();
    expect(phone.payloads).toEqual([]);
    await read.letGo();
    expect(phone.payloads).toEqual(['a', 'b']);
    await posted('c');
    await g.readOn();
    expect(phone.payloads).toEqual(['a', 'b', 'c']);
  });

  test('between an empty read and its answer is not missed', async () => {
    const read = new Holding('read', 'after');
    const g = await gatewayWith(field, {
      id: 'g2',
      ports: { mailbox: read.around(field.mailbox) },
    });
    const phone = await g.greeted(secret);
    expect(read.count).toBe(1);
    await posted('a');
    await g.readOn();
    expect(phone.session.isLevel).toBe(false);
    await read.letGo();
    expect(phone.payloads).toEqual(['a']);
    expect(phone.session.isLevel).toBe(true);
  });

  test('does not go out while an earlier one is being read', async () => {
    const read = new Holding('read', 'after');
    const g = await gatewayWith(field, {
      id: 'g2',
      ports: { mailbox: read.around(field.mailbox) },
    });
    const phone = await g.greeted(secret);
    await posted('a');
    await g.readOn();
    await read.letGo(true); // the empty one; the next, with a, is held
    expect(read.count).toBe(1);
    await posted('b');
    await g.readOn();
    expect(phone.payloads).toEqual([]);
    await read.letGo();
    expect(phone.payloads).toEqual(['a', 'b']);
  });

  test('during the claim of a hello is found by the read that follows it', async () => {
    const hello = new Holding('hello', 'after');
    const g = await gatewayWith(field, {
      id: 'g2',
      ports: { presence: hello.around(field.presence) },
    });
    const phone = await g.greeted(secret);
    await posted('a');
    await g.readOn();
    expect(phone.frames).toEqual([]);
    await hello.letGo();
    expect(phone.payloads).toEqual(['a']);
  });

  test('during a claim made again is read, and the session is level only after the claim', async () => {
    const reclaim = new Holding('reclaim', 'after');
    const presence = reclaim.around(field.presence);
    const g = await gatewayWith(field, { id: 'g2', ports: { presence } });
    const phone = await g.greeted(secret);
    await g.recheckAll();
    expect(phone.session.isLevel).toBe(false);
    await posted('a');
    await g.readOn();
    expect(phone.payloads).toEqual(['a']);
    expect(phone.session.isLevel).toBe(false);
    await reclaim.letGo();
    expect(phone.payloads).toEqual(['a']);
    expect(phone.session.isLevel).toBe(true);
  });

  test('does not make level a read that began before the claim’s reply', async () => {
    const reclaim = new Holding('reclaim', 'after');
    const read = new Holding('read', 'after');
    reclaim.isOn = read.isOn = false;
    const ports = {
      presence: reclaim.around(field.presence),
      mailbox: read.around(field.mailbox),
    };
    const g = await gatewayWith(field, { id: 'g2', ports });
    const phone = await g.greeted(secret);
    reclaim.isOn = read.isOn = true;
    await g.recheckAll(); // the claim is executed, its answer held up
    await posted('a');
    await g.readOn(); // the delivery asks for a read
    expect(read.count).toBe(1);
    await read.letGo();
    expect(phone.payloads).toEqual(['a']);
    expect(phone.session.isLevel).toBe(false);
    await reclaim.letGo();
    expect(phone.session.isLevel).toBe(true);
  });

  test.each([
    ['another epoch', { epoch: 1 }],
    ['another connection', { connection: 1 }],
  ])('for %s is dropped', async (_, other) => {
    const phone = await g1.greeted(secret);
    const [offset] = await posted('a');
    const [delivery] = (await field.deliveries('g1')).slice(-1);
    const record = encodeDelivery({ ...delivery, ...other } as Delivery);
    while (await g1.step());
    await field.producer.appendUntilIn(deliveriesOf('g1'), 0, [record]);
    await g1.readOn();
    expect(phone.payloads).toEqual(['a']);
    expect(await waiting()).toEqual([offset]);
    expect(g1.gateway.counts.misaddressed).toBe(1);
  });

  test('for a connection that is gone, whose claim was executed late, goes to the one that is here', async () => {
    const phone = await g1.greeted(secret);
    const { id, epoch } = g1.gateway.identity;
    await field.presence.hello(device, { gateway: id, epoch, connection: 1 });
    await posted('a');
    await g1.readOn();
    expect(phone.payloads).toEqual(['a']);
    expect(phone.closed).toBeUndefined();
    expect(holder()).toMatchObject({ gateway: id, connection: phone.session.connection });
  });

  test('for a connection that is gone takes back its claim: one elsewhere wins over nobody', async () => {
    const g2 = await gatewayWith(field, { id: 'g2' });
    const phone = await g2.greeted(secret);
    const { id, epoch } = g1.gateway.identity;
    await field.presence.hello(device, { gateway: id, epoch, connection: 1 });
    await posted('a');
    await g1.readOn();
    expect(holder()).toBeUndefined();
    await g2.recheckAll();
    expect(phone.payloads).toEqual(['a']);
    expect(phone.closed).toBeUndefined();
  });

  test.each([
    ['before', 'b'],
    ['behind', 'a'],
  ])('for another epoch is dropped %s one for this epoch, read with it', async (where, sent) => {
    const phone = await g1.greeted(secret);
    await posted('a', 'b');
    const [first, second] = (await field.deliveries('g1')).slice(-2);
    const old = where === 'before' ? first : second;
    const records = [first, second].map((one) =>
      encodeDelivery({ ...one, ...(one === old && { epoch: 1 }) } as Delivery),
    );
    records.forEach(() => g1.skip());
    await field.producer.appendUntilIn(deliveriesOf('g1'), 0, records);
    await g1.readOn();
    expect(phone.payloads).toEqual([sent]);
    expect(g1.gateway.counts.misaddressed).toBe(1);
  });

  test('that comes twice is sent once', async () => {
    const phone = await g1.greeted(secret);
    await posted('a');
    const twice = (await field.deliveries('g1')).map(encodeDelivery);
    await field.producer.appendUntilIn(deliveriesOf('g1'), 0, twice);
    await g1.readOn();
    expect(phone.payloads).toEqual(['a']);
  });

  test('above one that the stream has lost is sent; the re-check finds the lost one, and it comes after a reconnect', async () => {
    const phone = await g1.greeted(secret);
    await posted('a', 'b');
    g1.skip();
    await g1.readOn();
    expect(phone.payloads).toEqual(['b']);
    phone.ack(...phone.notifications);
    await settled();
    await g1.recheckAll();
    expect(phone.closed).toEqual({ code: 1012 });
    const again = await g1.greeted(secret);
    expect(again.payloads).toEqual(['a']);
  });
});

describe('the window', () => {
  const WINDOW = { WINDOW_MAX: '2' };

  test('bounds what is not acknowledged, and acks refill it in order', async () => {
    const g = await gatewayWith(field, { id: 'g2', env: WINDOW });
    await posted('a', 'b', 'c', 'd', 'e');
    const phone = await g.greeted(secret);
    expect(phone.payloads).toEqual(['a', 'b']);
    phone.ack(phone.notifications[1]!);
    await settled();
    expect(phone.payloads).toEqual(['a', 'b', 'c']);
    phone.ack(phone.notifications[0]!, phone.notifications[2]!);
    await settled();
    expect(phone.payloads).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('is filled by reads that go on from what was sent', async () => {
    const g = await gatewayWith(field, { id: 'g2', env: { WINDOW_MAX: '4' } });
    await posted('a', 'b', 'c', 'd', 'e');
    const phone = await g.greeted(secret);
    for (const one of phone.notifications.slice(1)) {
      phone.ack(one);
      await settled();
    }
    expect(phone.payloads).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(g.gateway.counts.reads).toBeLessThan(6);
  });

  test('when full sends live ones to the mailbox, and they come in order', async () => {
    const g = await gatewayWith(field, { id: 'g2', env: WINDOW });
    const phone = await g.greeted(secret);
    await posted('a', 'b', 'c', 'd');
    await g.readOn();
    expect(phone.payloads).toEqual(['a', 'b']);
    phone.ack(...phone.notifications);
    await settled();
    expect(phone.payloads).toEqual(['a', 'b', 'c', 'd']);
    phone.ack(...phone.notifications.slice(2));
    await settled();
    expect(phone.session.isLevel).toBe(true);
    await posted('e');
    await g.readOn();
    expect(phone.payloads.at(-1)).toBe('e');
  });

  test('bounds bytes too, but lets a single one of any size pass', async () => {
    const g = await gatewayWith(field, { id: 'g2', env: { WINDOW_BYTES_MAX: '1024' } });
    await posted('x'.repeat(3_000), 'b', 'c');
    const phone = await g.greeted(secret);
    expect(phone.payloads).toHaveLength(1);
    phone.ack(phone.notifications[0]!);
    await settled();
    expect(phone.payloads.slice(1)).toEqual(['b', 'c']);
  });
});

describe('a device that reads slowly', () => {
  test('gets no backlog until it has taken what it was sent', async () => {
    await posted(...Array.from({ length: 30 }, (_, i) => `${i}`.padEnd(4_000, '.')));
    const phone = g1.open();
    phone.network = 5; // hello and four notifications
    phone.say({ messageType: 'hello', uaid: secret });
    await settled();
    expect(phone.payloads).toHaveLength(4);
    const waiting = phone.buffered.length;
    expect(waiting).toBeLessThan(20); // what one read has brought
    phone.drain(1);
    await settled();
    expect(phone.buffered).toHaveLength(waiting - 1);
    phone.drain();
    await settled();
    expect(phone.payloads).toHaveLength(30);
  });

  test('and whose buffer is full is cut off, and loses nothing', async () => {
    const phone = await g1.greeted(secret);
    phone.network = 1;
    phone.bufferMax = 2;
    await posted('a', 'b', 'c', 'd', 'e');
    await g1.readOn();
    expect(phone.closed).toEqual({});
    expect(g1.gateway.counts.closes).toEqual({ slowReader: 1 });
    const again = await g1.greeted(secret);
    expect(again.payloads).toEqual(['a', 'b', 'c', 'd', 'e']);
  });
});

describe('the same device twice', () => {
  test('on one gateway: the older is closed, and its end takes nothing from the newer', async () => {
    const first = await g1.greeted(secret);
    const second = await g1.greeted(secret);
    await settled();
    expect(first.closed).toEqual({ code: 4001 });
    expect(holder()).toMatchObject({ connection: second.session.connection });
    await posted('a');
    await g1.readOn();
    expect(second.payloads).toEqual(['a']);
  });

  test('on one gateway, both in their hello: the later claim stays', async () => {
    const hello = new Holding('hello', 'after');
    const g = await gatewayWith(field, {
      id: 'g2',
      ports: { presence: hello.around(field.presence) },
    });
    const first = await g.greeted(secret);
    const second = await g.greeted(secret);
    await hello.letGo();
    expect(first.closed).toEqual({ code: 4001 });
    expect(second.closed).toBeUndefined();
    expect(holder()).toMatchObject({ connection: second.session.connection });
  });

  test('on one gateway, both in their hello and answered in the wrong order: the later claim stays', async () => {
    const hello = new Holding('hello', 'after');
    const presence = hello.around(field.presence);
    const g = await gatewayWith(field, { id: 'g2', ports: { presence } });
    const first = await g.greeted(secret);
    const second = await g.greeted(secret);
    await hello.letLastGo();
    await hello.letGo();
    expect(first.closed).toEqual({ code: 4001 });
    expect(second.closed).toBeUndefined();
    expect(holder()).toMatchObject({ connection: second.session.connection });
  });

  test('on two gateways: the older is told on its stream, and closed there', async () => {
    const g2 = await gatewayWith(field, { id: 'g2' });
    const first = await g1.greeted(secret);
    const second = await g2.greeted(secret);
    expect(first.closed).toBeUndefined();
    await g1.readOn();
    expect(first.closed).toEqual({ code: 4001 });
    await settled();
    expect(holder()).toMatchObject({ gateway: 'g2', connection: second.session.connection });
  });

  test('on two gateways and back: the late message closes only the connection that it names', async () => {
    const g2 = await gatewayWith(field, { id: 'g2' });
    const first = await g1.greeted(secret);
    await g2.greeted(secret);
    first.leave();
    const third = await g1.greeted(secret);
    await g1.readOn();
    expect(third.closed).toBeUndefined();
    await posted('a');
    await g1.readOn();
    expect(third.payloads).toEqual(['a']);
  });

  test('tells the displaced one even if the winner is gone before its claim is answered, and releases after that', async () => {
    const hello = new Holding('hello', 'after');
    const g2 = await gatewayWith(field, {
      id: 'g2',
      ports: { presence: hello.around(field.presence) },
    });
    const first = await g1.greeted(secret);
    const second = await g2.greeted(secret);
    second.leave();
    await settled();
    expect(holder()).toMatchObject({ gateway: 'g2' });
    await hello.letGo();
    expect(holder()).toBeUndefined();
    await g1.readOn();
    expect(first.closed).toEqual({ code: 4001 });
  });

  test('releases the winner’s claim only after the displaced one has been told', async () => {
    const hello = new Holding('hello', 'after');
    const append = new Holding('appendUntilIn', 'before');
    const ports = {
      presence: hello.around(field.presence),
      producer: append.around(field.producer),
    };
    const g2 = await gatewayWith(field, { id: 'g2', ports });
    await g1.greeted(secret);
    const second = await g2.greeted(secret);
    second.leave();
    await hello.letGo();
    expect(append.count).toBe(1);
    expect(holder()).toMatchObject({ gateway: 'g2' });
    await append.letGo();
    expect(holder()).toBeUndefined();
  });

  test('after a loss of the store, which knew of no holder: the older is closed all the same', async () => {
    const first = await g1.greeted(secret);
    field.store.lose();
    await field.subscribed({ device, subscription });
    const second = await g1.greeted(secret);
    expect(first.closed).toEqual({ code: 4001 });
    expect(second.closed).toBeUndefined();
  });
});

describe('a claim made again', () => {
  test('loses to a newer hello elsewhere, and its connection is the ghost', async () => {
    const g2 = await gatewayWith(field, { id: 'g2' });
    const ghost = await g1.greeted(secret);
    const phone = await g2.greeted(secret);
    await g1.recheckAll(); // the message on its stream is not read yet
    expect(ghost.closed).toEqual({ code: 4001 });
    expect(holder()).toMatchObject({ gateway: 'g2', connection: phone.session.connection });
    expect(g1.gateway.counts.reclaimsLost).toBe(1);
  });

  test('wins over an older hello elsewhere, and tells it', async () => {
    const g2 = await gatewayWith(field, { id: 'g2' });
    const old = await g1.greeted(secret);
    field.now += 1_000;
    const phone = await g2.greeted(secret);
    field.store.lose(); // and the ghost claims first
    await field.subscribed({ device, subscription });
    await g1.gateway.lease.renew();
    await g2.gateway.lease.renew();
    await settled();
    expect(holder()).toMatchObject({ gateway: 'g2', connection: phone.session.connection });
    await g1.readOn();
    expect(old.closed).toEqual({ code: 4001 });
    expect(phone.closed).toBeUndefined();
  });

  test('is repeated when the store comes back, and then what came meanwhile is sent', async () => {
    const outage = new Outage();
    const presence = outage.around(field.presence, 'reclaim');
    const g = await gatewayWith(field, { id: 'g2', ports: { presence } });
    const phone = await g.greeted(secret);
    outage.isAway = true;
    g.gateway.reclaims.add(phone.session);
    await settled();
    expect(phone.session.isLevel).toBe(false);
    expect(g.gateway.reclaims.pending).toBe(1);
    await posted('a');
    await g.step();
    outage.isAway = false;
    await expect.poll(() => phone.payloads, { timeout: 5_000 }).toEqual(['a']);
  });
});

describe('a lease that is renewed after an outage', () => {
  test('has every connection claim again: a claim that was given up may have been executed late', async () => {
    const outage = new Outage();
    const g = await gatewayWith(field, {
      id: 'g2',
      ports: { leases: outage.around(field.leases) },
    });
    const phone = await g.greeted(secret);
    outage.isAway = true;
    await g.gateway.lease.renew();
    await field.presence.release(device, { gateway: 'g2', connection: phone.session.connection });
    await posted('a'); // to nobody
    outage.isAway = false;
    await g.gateway.lease.renew();
    await settled();
    expect(phone.payloads).toEqual(['a']);
    expect(holder()).toMatchObject({ gateway: 'g2', connection: phone.session.connection });
    expect(g.gateway.counts).toMatchObject({ epochs: 1, reclaims: 1 });
    await g.gateway.lease.renew();
    expect(g.gateway.counts.reclaims).toBe(1);
  });
});

describe('a lost lease', () => {
  test('gets a new epoch, every connection claims again, and nothing is lost', async () => {
    const phone = await g1.greeted(secret);
    const { epoch } = g1.gateway.identity;
    field.now += 16_000;
    await posted('a'); // the router finds no lease: it stays in the mailbox
    expect(await g1.step()).toBe(false);
    await g1.gateway.lease.renew(); // finds it lost and sets it anew
    await settled();
    expect(g1.gateway.identity.epoch).not.toBe(epoch);
    expect(holder()).toMatchObject({ epoch: g1.gateway.identity.epoch });
    expect(phone.payloads).toEqual(['a']);
    await posted('b');
    await g1.readOn();
    expect(phone.payloads).toEqual(['a', 'b']);
  });

  test('while a hello is being claimed: it is claimed again, with the new epoch', async () => {
    const hello = new Holding('hello', 'after');
    const g = await gatewayWith(field, {
      id: 'g2',
      ports: { presence: hello.around(field.presence) },
    });
    const phone = await g.greeted(secret);
    field.now += 16_000;
    await g.gateway.lease.renew();
    await hello.letGo();
    expect(holder()).toMatchObject({ epoch: g.gateway.identity.epoch });
    await posted('a');
    await g.readOn();
    expect(phone.payloads).toEqual(['a']);
  });

  test('while a claim is made again: once more, with the new epoch', async () => {
    const reclaim = new Holding('reclaim', 'after');
    const presence = reclaim.around(field.presence);
    const g = await gatewayWith(field, { id: 'g2', ports: { presence } });
    await g.greeted(secret);
    await g.recheckAll();
    field.now += 16_000;
    await g.gateway.lease.renew();
    await reclaim.letGo();
    expect(holder()).toMatchObject({ epoch: g.gateway.identity.epoch });
  });

  test('with another’s in its place: everything is closed, nothing released, and the process ends', async () => {
    const phone = await g1.greeted(secret);
    field.now += 16_000;
    await field.leases.set('g1', 77, 15_000);
    await g1.gateway.lease.renew();
    await settled();
    expect(phone.closed).toEqual({ code: 1012 });
    expect(g1.ended).toHaveLength(1);
    expect(holder()).toBeDefined();
    expect(await field.leases.get('g1')).toMatchObject({ epoch: 77 });
  });
});

describe('the end of a connection', () => {
  test('releases the device', async () => {
    const phone = await g1.greeted(secret);
    expect(holder()).toBeDefined();
    phone.leave();
    await settled();
    expect(holder()).toBeUndefined();
    expect(g1.gateway.connections.size).toBe(0);
    expect(g1.gateway.connections.devices).toBe(0);
  });

  test('during its claim releases after the claim, not before', async () => {
    const hello = new Holding('hello', 'before');
    const g = await gatewayWith(field, {
      id: 'g2',
      ports: { presence: hello.around(field.presence) },
    });
    const phone = await g.greeted(secret);
    phone.leave();
    await settled();
    await hello.letGo();
    expect(holder()).toBeUndefined();
    expect(g.gateway.counts.hellos).toBe(0);
  });
});

describe('the re-check', () => {
  test('sends what a lost poke has left behind', async () => {
    const phone = await g1.greeted(secret);
    await posted('a');
    expect(phone.payloads).toEqual([]);
    await g1.recheckAll(); // without ever reading the stream
    expect(phone.payloads).toEqual(['a']);
  });

  test('closes a connection with an entry that can no longer be sent in order, and the device gets it', async () => {
    const phone = await g1.greeted(secret);
    await posted('a', 'b');
    await g1.readOn();
    // Decided by somebody who died before the log was told, and lost with the view.
    const decided = (await waiting())!.map((offset) => ({
      device,
      offset,
      outcome: 'delivered' as const,
    }));
    await field.view.settle(0, decided);
    phone.ack(...phone.notifications);
    await g1.settler.drain();
    field.store.lose();
    await field.subscribed({ device, subscription });
    const other = new HandDrivenRouter(field);
    await other.own();
    await g1.gateway.lease.renew();
    await g1.readOn();
    expect(await waiting()).toHaveLength(2);
    await g1.recheckAll();
    expect(phone.closed).toEqual({ code: 1012 });
    const again = await g1.greeted(secret);
    expect(again.payloads).toEqual(['a', 'b']);
  });

  test('leaves alone what waits in the window', async () => {
    const phone = await g1.greeted(secret);
    await posted('a', 'b');
    await g1.readOn();
    await g1.recheckAll();
    expect(phone.closed).toBeUndefined();
    expect(phone.payloads).toEqual(['a', 'b']);
  });

  test('leaves alone what has its ack under way, also when the ack is executed while it looks', async () => {
    const offsets = new Holding('offsets', 'after');
    const g = await gatewayWith(field, {
      id: 'g2',
      ports: { mailbox: offsets.around(field.mailbox) },
    });
    const phone = await g.greeted(secret);
    await posted('a');
    await g.readOn();
    phone.ack(...phone.notifications); // its script runs at the end of this turn
    g.gateway.connections.visitAll((session) => g.gateway.rechecks.add(session));
    await settled();
    expect(await waiting()).toEqual([]);
    await offsets.letGo();
    expect(phone.closed).toBeUndefined();
  });

  test('compares nothing while the view is being rebuilt', async () => {
    const phone = await g1.greeted(secret);
    await posted('a');
    await g1.readOn();
    field.store.lose();
    await g1.recheckAll();
    expect(phone.closed).toBeUndefined();
  });
});
