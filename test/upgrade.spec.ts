/**
 * What the README's section “Upgrades” says: records of several versions in one stream. Services of the version to come
 * are played by those of now, for whom its records (version 2, otherwise the same) are translated.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  SUBSCRIPTIONS,
  deliveriesOf,
  encodeNotification,
  encodeSubscriptionFact,
  type LogRecord,
  type RecordBatch,
} from '#streams';
import { EmbeddedSubscriptionLookup } from '#view.embedded';
import type { Command, Mailbox, MailboxEntry, PartitionView } from '#view';
import { rawMessageId, type Notification } from '#webpush';
import { Field, intercepted, messageId, subscriptionId } from './support/field.js';
import { HandDrivenGateway, newDevice, settled } from './support/hand-driven-gateway.js';
import { HandDrivenKeeper } from './support/hand-driven-keeper.js';
import { HandDrivenRouter } from './support/hand-driven-router.js';

const { secret, device } = newDevice();
const subscription = subscriptionId();
const trace = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', flags: 1 };
let field: Field;
let router: HandDrivenRouter;

beforeEach(async () => {
  field = await Field.open();
  await field.tape(SUBSCRIPTIONS);
  await field.subscribed({ device, subscription });
  router = new HandDrivenRouter(field);
  await router.own();
});
afterEach(() => field.close());

function recordOf(text: string, about: Partial<Notification> = {}): Buffer {
  const payload = Buffer.from(text);
  const id = messageId();
  const encoding = 'aes128gcm';
  return encodeNotification({
    ...{ id, device, subscription, ttlSeconds: 3_600, urgency: 'normal', encoding, payload },
    ...about,
  });
}

/** As the first version wrote it, by its grammar and by no code of now. */
function firstVersion(text: string): Buffer {
  const id = rawMessageId(messageId());
  const ids = Buffer.from(device + subscription, 'hex');
  const [ttl, flags] = [Buffer.from('00000e10', 'hex'), 0x06 | 0x10];
  const topic = Buffer.from('\x06quotes');
  const head = [Buffer.of(1), ids, ttl, Buffer.of(flags, id.length), id];
  return Buffer.concat([...head, topic, Buffer.from(text)]);
}

const append = (value: Buffer): Promise<number> =>
  field.append({ key: rawMessageId(messageId()), value });

/** What the version to come writes. */
function later(record: Buffer): Buffer {
  const copy = Buffer.from(record);
  copy[0] = 2;
  return copy;
}

/** As it reads it. */
function now<T extends Buffer | null>(record: T): T {
  if (record === null || record[0] !== 2) return record;
  const copy = Buffer.from(record);
  copy[0] = 1;
  return copy as T;
}

/** A router of the version to come. What it puts into mailboxes are the bytes of the log. */
function laterRouter(): HandDrivenRouter {
  const written = new Map<number, Buffer>();
  const read = (batch: RecordBatch | undefined): RecordBatch | undefined => {
    const records = batch?.records.map((record) => {
      if (record.value !== null) written.set(record.offset, record.value);
      return { ...record, value: now(record.value) };
    });
    return batch && { ...batch, records: records ?? [] };
  };
  const asWritten = (command: Command): Command =>
    command.kind === 'put'
      ? { ...command, record: written.get(command.offset) ?? command.record }
      : command;
  const view = intercepted(field.view, (method, call, args) => {
    if (method !== 'apply') return call();
    const [partition, belief, batch] = args as Parameters<PartitionView['apply']>;
    const commands = batch.commands.map(asWritten);
    return field.view.apply(partition, belief, { ...batch, commands });
  });
  const reading = intercepted(field, async (method, call) =>
    method === 'batch' ? read((await call()) as RecordBatch | undefined) : call(),
  );
  return new HandDrivenRouter(reading, { view });
}

/** A gateway of the version to come. */
function laterGateway(id: string): HandDrivenGateway {
  const mailbox: Mailbox = intercepted(field.mailbox, async (method, call) => {
    const answer = await call();
    if (method !== 'read') return answer;
    return (answer as readonly MailboxEntry[] | undefined)?.map((entry) => ({
      ...entry,
      record: now(entry.record),
    }));
  });
  return new HandDrivenGateway(field, { id, ports: { mailbox } });
}

class LaterKeeper extends HandDrivenKeeper {
  override async records(): Promise<readonly LogRecord[]> {
    return (await super.records()).map((record) => ({ ...record, value: now(record.value) }));
  }
}

const accounts = () => field.view.accounts(0);

describe('records of the first version and of this one, in one stream', () => {
  test('are delivered in order by the services of now, and accounted for', async () => {
    const gateway = await new HandDrivenGateway(field).begin();
    const texts = ['first version', 'this one, untraced', 'traced', 'first version again'];
    await append(firstVersion(texts[0]!));
    const phone = await gateway.greeted(secret);
    await append(recordOf(texts[1]!));
    await append(recordOf(texts[2]!, { trace, topic: 'traced' }));
    await router.readOn();
    await gateway.readOn();
    expect(phone.payloads).toEqual(texts.slice(0, 3));
    await append(firstVersion(texts[3]!));
    await router.readOn();
    await gateway.readOn();
    expect(phone.payloads).toEqual(texts);
    phone.ack(...phone.notifications);
    await settled();
    // The last has replaced the first, of one topic.
    expect(await accounts()).toMatchObject({
      accepted: 4,
      pending: 0,
      outcomes: { delivered: 3, replaced: 1 },
    });
    expect(router.router.counts.undecodable + gateway.gateway.counts.undecodable).toBe(0);
  });

  test('are both there again when a view is rebuilt', async () => {
    await append(firstVersion('first version'));
    await append(recordOf('traced', { trace }));
    field.store.lose();
    await field.subscribed({ device, subscription });
    await router.readOn();
    const gateway = await new HandDrivenGateway(field).begin();
    const phone = await gateway.greeted(secret);
    expect(phone.payloads).toEqual(['first version', 'traced']);
  });
});

describe('a notification of a version to come', () => {
  const mixed = async (): Promise<number> => {
    await append(recordOf('before'));
    const offset = await append(later(recordOf('later')));
    await append(recordOf('after'));
    return offset;
  };

  test('is skipped by a router of now: counted, named in its log, and nothing else is held up', async () => {
    const offset = await mixed();
    await router.readOn();
    expect(router.router.counts.undecodable).toBe(1);
    expect(router.said).toContainEqual(
      expect.objectContaining({ stream: 'notifications', partition: 0, offset }),
    );
    const gateway = await new HandDrivenGateway(field).begin();
    expect((await gateway.greeted(secret)).payloads).toEqual(['before', 'after']);
    expect(await accounts()).toMatchObject({ accepted: 2, pending: 2 });
  });

  test('stays in the log: when the view is rebuilt by routers that read it, it is delivered', async () => {
    await mixed();
    await router.readOn();
    field.store.lose();
    await field.subscribed({ device, subscription });
    await laterRouter().own();
    const gateway = await laterGateway('g2').begin();
    const phone = await gateway.greeted(secret);
    expect(phone.payloads).toEqual(['before', 'later', 'after']);
    phone.ack(...phone.notifications);
    await settled();
    expect(await accounts()).toMatchObject({ accepted: 3, pending: 0 });
  });

  test('that a later router has routed waits in its mailbox for a gateway that reads it', async () => {
    const gateway = await new HandDrivenGateway(field).begin();
    const phone = await gateway.greeted(secret);
    const offset = await mixed();
    await laterRouter().own();
    await gateway.readOn();
    expect(phone.payloads).toEqual(['before', 'after']);
    expect(gateway.gateway.counts.undecodable).toBe(1);
    expect(gateway.said).toContainEqual(expect.objectContaining({ stream: 'deliveries' }));
    phone.ack(...phone.notifications);
    await settled();
    expect(await field.mailbox.offsets(device)).toEqual([offset]);

    // What could not be sent in order is a reason to come back: here once more, then at a later gateway.
    await gateway.recheckAll();
    expect(phone.closed).toBeDefined();
    const again = await gateway.greeted(secret);
    expect(again.payloads).toEqual([]);
    expect(gateway.said).toContainEqual(expect.objectContaining({ partition: 0, offset }));
    expect(await field.mailbox.offsets(device)).toEqual([offset]);
    const last = await (await laterGateway('g2').begin()).greeted(secret);
    expect(last.payloads).toEqual(['later']);
    last.ack(...last.notifications);
    await settled();
    expect(await accounts()).toMatchObject({ accepted: 3, pending: 0, outcomes: { delivered: 3 } });
  });
});

test('an outcome of a version to come is skipped by a router of now', async () => {
  const offset = await field.put({ device, subscription });
  const headers = { outcome: 'teleported', at: '1', device, offset: String(offset) };
  await field.append({ key: rawMessageId(messageId()), value: null, headers });
  await router.readOn();
  expect(router.router.counts.undecodable).toBe(1);
  expect(await accounts()).toMatchObject({ accepted: 1, pending: 1 });
});

test('a control record of a version to come is skipped by a gateway of now', async () => {
  const gateway = await new HandDrivenGateway(field).begin();
  const phone = await gateway.greeted(secret);
  const unknown = { key: Buffer.from([1, 9, 0]), value: null };
  await field.producer.appendUntilIn(deliveriesOf(gateway.id), 0, [unknown]);
  await append(recordOf('after'));
  await router.readOn();
  await gateway.readOn();
  expect(phone.payloads).toEqual(['after']);
  expect(gateway.gateway.counts.undecodable).toBe(1);
});

describe('a subscription of a version to come', () => {
  const found = async (): Promise<number> => {
    const lookup = new EmbeddedSubscriptionLookup(field.store);
    return (await lookup.list(device)).subscriptions.length;
  };

  test('is skipped by a keeper of now, and found by one that reads it', async () => {
    for (const version of [now, later]) {
      const fact = encodeSubscriptionFact({
        ...{ kind: 'present', device, subscription: subscriptionId() },
      });
      const value = fact.value && version(fact.value);
      await field.producer.append(SUBSCRIPTIONS, 0, { ...fact, value });
    }
    field.store.lose();
    const keeper = new HandDrivenKeeper(field);
    await keeper.own();
    await keeper.readOn();
    expect(keeper.keeper.counts).toMatchObject({ undecodable: 1, rebuilds: 1 });
    expect(keeper.said).toContainEqual(expect.objectContaining({ stream: SUBSCRIPTIONS }));
    expect(await found()).toBe(1);

    field.store.lose();
    const upgraded = new LaterKeeper(field);
    await upgraded.own();
    await upgraded.readOn();
    expect(upgraded.keeper.counts.undecodable).toBe(0);
    expect(await found()).toBe(2);
  });
});
