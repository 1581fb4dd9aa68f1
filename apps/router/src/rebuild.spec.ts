import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { encodeCancel } from '#streams';
import type { Holder, PartitionView } from '#view';
import {
  Field,
  Gate,
  deviceId,
  intercepted,
  messageId,
  subscriptionId,
} from '../../../test/support/field.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { CHUNK_ENTRIES_MAX } from './fold.js';
import { LOG_BEHIND_MS_MAX } from './router.js';

const device = deviceId();
const subscription = subscriptionId();
const HELD: Holder = { gateway: 'g1', epoch: 7, connection: 70 };
type Ports = ConstructorParameters<typeof HandDrivenRouter>[1];
let field: Field;

beforeEach(async () => {
  field = await Field.open({ mailboxMax: 5 });
  await field.tape('notifications');
  await stand();
});
afterEach(() => field.close());

/** What stands in the store beside the view of `notifications`. */
async function stand(): Promise<void> {
  await field.subscribed({ device, subscription });
  await field.held(device, HELD);
}
async function lose(): Promise<void> {
  field.store.lose();
  await stand();
}
const put = (about: object = {}) => field.put({ device, subscription, ...about });
const waiting = async () => field.mailbox.offsets(device);
const mark = async () => field.view.mark(0);
const accounts = async () => field.view.accounts(0);
async function owning(ports: Ports = {}): Promise<HandDrivenRouter> {
  const owner = new HandDrivenRouter(field, ports);
  await owner.own();
  return owner;
}
/** A router whose view is lost at one call of a method, before or after it is executed. */
function losing(method: keyof PartitionView, side: 'before' | 'after') {
  let isLost = false;
  const view = intercepted(field.view, async (name, call) => {
    if (name !== method || isLost) return call();
    isLost = true;
    if (side === 'before') await lose();
    const answer = await call();
    if (side === 'after') await lose();
    return answer;
  });
  return { view, isLost: () => isLost };
}

describe('the fold', () => {
  test('puts everything without an outcome back, in order', async () => {
    const first = await owning();
    const offsets = [await put(), await put(), await put()];
    await first.readOn();
    await field.view.settle(0, [{ device, offset: offsets[1] ?? -1, outcome: 'delivered' }]);
    await lose();
    await first.readOn();
    // The ack was not announced: it is as if it had never been, and the device gets it again.
    expect(await waiting()).toEqual(offsets);
  });

  test('executes announcements and cancels that it reads', async () => {
    const id = messageId();
    const acked = await put();
    const cancelled = await put({ id });
    const stays = await put();
    const told = { device, id: messageId(), outcome: 'delivered' as const, at: field.now };
    await field.announcer.announce(0, undefined, [{ ...told, offset: acked }]);
    await field.append(encodeCancel(device, id));
    await owning();
    expect(await waiting()).toEqual([stays]);
    expect(await accounts()).toMatchObject({
      accepted: 3,
      pending: 1,
      outcomes: { delivered: 1, deleted: 1 },
    });
    expect(await field.announced()).toMatchObject([
      { offset: acked, outcome: 'delivered' },
      { offset: cancelled, outcome: 'deleted' },
    ]);
  });

  test('delivers nothing: the gateways are told, and drain', async () => {
    await put();
    await owning();
    expect(await field.deliveries('g1')).toEqual([{ kind: 'ready', partition: 0 }]);
  });

  test('replaces by the highest of a topic, and lets expire what is due, before the bound counts', async () => {
    await put({ topic: 'quote' });
    const offsets: number[] = [];
    for (let i = 0; i < 4; i++) offsets.push(await put());
    await put({ ttlSeconds: 5 });
    offsets.push(await put({ topic: 'quote' }));
    field.now += 5_001;
    await owning();
    expect(await waiting()).toEqual(offsets);
    expect(await accounts()).toMatchObject({
      accepted: 7,
      outcomes: { replaced: 1, expired: 1, dropped: 0 },
    });
  });

  test('drops the oldest beyond the bound', async () => {
    const offsets: number[] = [];
    for (let i = 0; i < 7; i++) offsets.push(await put());
    await owning();
    expect(await waiting()).toEqual(offsets.slice(2));
  });

  test('asks for the end after the mark was read, and reads what came meanwhile after it', async () => {
    await put();
    const gate = new Gate('finish', 'before');
    const owner = new HandDrivenRouter(field, { view: gate.around(field.view) });
    await owner.assign();
    const finishing = owner.step();
    await gate.reached;
    const late = await put();
    gate.letGo();
    await finishing;
    await owner.readOn();
    expect(await waiting()).toEqual([0, late]);
    expect(await field.delivered('g1')).toEqual([late]);
  });

  test('of an empty log is over at once', async () => {
    const owner = new HandDrivenRouter(field);
    await owner.assign();
    expect(await mark()).toMatchObject({ state: 'ready', applied: 0, isTold: true });
  });

  test('ends when nothing is left below its end', async () => {
    const offset = await put();
    const told = { offset, device, id: messageId(), outcome: 'delivered' as const, at: field.now };
    await field.announcer.announce(0, undefined, [told]);
    const owner = new HandDrivenRouter(field);
    await owner.assign();
    expect(await mark()).toMatchObject({ state: 'rebuilding' });
    // As after a restart: the record and its announcement are compacted away.
    expect(await owner.router.onIdle(0)).toBe(2);
    expect(await mark()).toMatchObject({ state: 'ready', applied: 2, routed: 2 });
  });

  test('goes on over chunks, and gives others a turn between them', async () => {
    const many = CHUNK_ENTRIES_MAX + 10;
    for (let i = 0; i < many; i++) {
      await field.put({ device: i % 300 === 0 ? device : deviceId(), subscription });
    }
    let chunks = 0;
    const view = intercepted(field.view, (method, call) => {
      if (method === 'finish') chunks++;
      return call();
    });
    const owner = new HandDrivenRouter(field, { view });
    await owner.own();
    expect(chunks).toBeGreaterThan(2);
    expect(await mark()).toMatchObject({ state: 'ready' });
    expect(await accounts()).toMatchObject({ accepted: many });
  });

  test('leaves what it decided to the outbox sweep', async () => {
    await put({ topic: 'quote' });
    await put({ topic: 'quote' });
    await owning();
    expect(await field.announced()).toEqual([]);
    const belief = await mark();
    const left = belief && (await field.view.outbox(0, belief, { olderThanMs: 0, limit: 9 }));
    expect(left).toMatchObject([{ offset: 0, outcome: 'replaced' }]);
  });
});

describe('two routers that fold the same view', () => {
  test('fence each other and lose nothing', async () => {
    for (let i = 0; i < 4; i++) await put();
    const one = new HandDrivenRouter(field);
    const two = new HandDrivenRouter(field);
    await one.assign();
    await two.assign();
    for (let i = 0; i < 12; i++) await (i % 2 === 0 ? one : two).step(1);
    await one.readOn();
    await two.readOn();
    expect(await waiting()).toEqual([0, 1, 2, 3]);
    expect(await accounts()).toMatchObject({ accepted: 4, pending: 4 });
    expect(await mark()).toMatchObject({ state: 'ready', applied: 4, isTold: true });
  });

  test('do not finish for each other: who comes later begins with the first pass', async () => {
    await put();
    const gate = new Gate('finish', 'before');
    const zombie = new HandDrivenRouter(field, { view: gate.around(field.view) });
    await zombie.assign();
    const late = zombie.step();
    await gate.reached;
    await owning();
    const fresh = await put();
    gate.letGo();
    await late;
    await zombie.readOn();
    expect(await waiting()).toEqual([0, fresh]);
    expect(await mark()).toMatchObject({ state: 'ready', applied: fresh + 1 });
  });
});

describe('a view that is lost', () => {
  const places = [
    ['mark', 'after'],
    ['createMark', 'after'],
    ['apply', 'before'],
    ['apply', 'after'],
    ['finish', 'before'],
    ['finish', 'after'],
    ['setTold', 'before'],
    ['setTold', 'after'],
    ['setRouted', 'before'],
    ['setRouted', 'after'],
    ['settle', 'before'],
    ['settle', 'after'],
  ] as const;

  test.each(places)(
    'at %s (%s it is executed) is rebuilt, and nothing is missing',
    async (...at) => {
      const owner = new HandDrivenRouter(field, losing(...at));
      const stored = await put();
      await owner.own();
      const instant = await put({ ttlSeconds: 0 });
      await field.presence.release(device, HELD);
      const fresh = await put();
      await owner.readOn();
      await owner.readOn(); // what was lost with its last look is found by the next
      field.now += 30_001;
      const belief = await mark();
      if (belief) await field.view.expire(0, belief, 9);
      expect(await waiting()).toEqual([stored, fresh]);
      expect(await mark()).toMatchObject({
        state: 'ready',
        isTold: true,
        applied: belief?.applied,
      });
      expect(await accounts()).toMatchObject({ pending: 2, outcomes: { dropped: 1 } });
      expect(instant).toBe(stored + 1);
    },
  );

  test('between the script and the deliveries: they go out, `routed` does not move, all is folded anew', async () => {
    const gate = new Gate('apply', 'after');
    await owning();
    const owner = new HandDrivenRouter(field, { view: gate.around(field.view) });
    await owner.assign();
    const offset = await put();
    const step = owner.step();
    await gate.reached;
    await lose();
    gate.letGo();
    await step;
    await owner.readOn();
    expect(await field.delivered('g1')).toEqual([offset]);
    expect(owner.router.counts.fenced).toBe(1);
    expect(await waiting()).toEqual([offset]);
  });

  test('counts anew from what the log holds', async () => {
    const owner = await owning();
    await put();
    await put({ ttlSeconds: 0 });
    await owner.readOn();
    await lose();
    await owner.readOn();
    expect(await accounts()).toMatchObject({ accepted: 2, pending: 2 });
  });
});

describe('a log that ends below what was applied', () => {
  const ended = (end: number): Ports => ({
    catalog: intercepted(field.catalog, async () => end),
  });

  test('for a minute was replaced: the router says so and stops', async () => {
    await put();
    await owning();
    const owner = new HandDrivenRouter(field, ended(0));
    await owner.own();
    field.now += LOG_BEHIND_MS_MAX - 10_000;
    await owner.step();
    expect(owner.stopped).toEqual([]);
    field.now += 10_000;
    await owner.step();
    expect(owner.stopped[0]?.message).toMatch(/Partition 0 .* ends at 0.* has applied 1.*replaced/);
  });

  test('for a moment only was not', async () => {
    await put();
    await owning();
    let end = 0;
    const catalog = intercepted(field.catalog, async () => end);
    const owner = new HandDrivenRouter(field, { catalog });
    await owner.own();
    field.now += LOG_BEHIND_MS_MAX / 2;
    end = 1;
    await owner.step();
    end = 0;
    field.now += LOG_BEHIND_MS_MAX / 2;
    await owner.step();
    expect(owner.stopped).toEqual([]);
  });
});
