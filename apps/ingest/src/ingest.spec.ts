import { afterEach, describe, expect, test } from 'vitest';
import { AppendFailed, StreamProducer, decodeOutcomeRecord, type StreamRecord } from '#streams';
import { SubscriptionLookup, type FoundDevice, type FoundSubscription } from '#view';
import { KeyRing, openMessageId, partitionOf, sealReceiverId, type Receiver } from '#webpush';
import {
  IngestDoor,
  PARTITIONS,
  keyText,
  newDevice,
  newSubscription,
  type DoorOptions,
} from '../../../test/support/ingest-door.js';
import { token, vapid, vapidKeys } from '../../../test/support/sender.js';
import type { Answer, PushFields } from './ingest.js';

const ORIGIN = 'http://push.example';
const BODY = Buffer.from('opaque');
const FINE: PushFields = { ttl: '60', contentEncoding: 'aes128gcm' };

const doors: IngestDoor[] = [];
afterEach(async () => {
  for (const door of doors.splice(0)) await door.close();
});

async function open(options?: DoorOptions): Promise<IngestDoor> {
  const door = await IngestDoor.open(options);
  doors.push(door);
  return door;
}

interface Push {
  readonly receiver: string;
  readonly fields?: PushFields;
  readonly payload?: Buffer | undefined;
  readonly needsKey?: boolean;
}

/** Both halves of the line, as the server calls them. */
async function push(door: IngestDoor, request: Push): Promise<Answer> {
  const { receiver, fields = FINE, needsKey = false } = request;
  const opened = door.ingest.open({ receiver, needsKey }, fields);
  if (opened.kind === 'refused') return opened;
  return door.ingest.accept(opened, fields, 'payload' in request ? request.payload : BODY);
}

/** A log that answers as it is told to. */
class TroubledProducer extends StreamProducer {
  constructor(private readonly appended: () => Promise<number>) {
    super();
  }
  override append(_stream: string, _partition: number, _record: StreamRecord): Promise<number> {
    return this.appended();
  }
  override appendUntilIn(): Promise<void> {
    throw new Error('a notification is appended once');
  }
}

/** A view that is away. */
class AbsentLookup extends SubscriptionLookup {
  override find(): Promise<FoundSubscription> {
    return Promise.reject(new Error('connection refused'));
  }
  override findDevice(): Promise<FoundDevice> {
    return Promise.reject(new Error('connection refused'));
  }
  override list(): Promise<never> {
    return Promise.reject(new Error('connection refused'));
  }
}

const refusal = (answer: Answer) => (answer.kind === 'refused' ? answer.refusal : answer.kind);

describe('an accepted notification', () => {
  test('stands in the partition of its device, with what the sender said, under its message id', async () => {
    const door = await open();
    const { receiver, device, subscription } = await door.subscribed();
    const answer = await push(door, {
      receiver,
      fields: { ...FINE, topic: 'quotes=', urgency: 'high', ttl: '99999999999' },
    });
    if (answer.kind !== 'accepted') throw new Error(refusal(answer));
    expect(answer.ttlSeconds).toBe(2_592_000);
    expect(openMessageId(door.keyRing, answer.id)).toMatchObject({ device, subscription });
    const [record] = await door.appended();
    expect(record?.partition).toBe(partitionOf(device, PARTITIONS));
    expect(record?.key.toString('base64url')).toBe(answer.id);
    expect(await door.notifications()).toMatchObject([
      {
        id: answer.id,
        device,
        subscription,
        ttlSeconds: 2_592_000,
        urgency: 'high',
        topic: 'quotes',
        encoding: 'aes128gcm',
        payload: BODY,
      },
    ]);
    expect(door.counts).toMatchObject({ accepted: 1 });
  });

  test('has its payload copied before the call returns: the server reclaims the memory', async () => {
    const door = await open();
    const { receiver } = await door.subscribed();
    const payload = Buffer.from('as it came');
    const answer = push(door, { receiver, payload });
    payload.fill(0);
    await answer;
    expect((await door.notifications())[0]?.payload.toString()).toBe('as it came');
  });

  test('without a body has no encryption, whatever crypto headers came with it', async () => {
    const door = await open();
    const { receiver } = await door.subscribed();
    const fields = { ...FINE, contentEncoding: 'gzip', encryption: 'salt=x' };
    expect(refusal(await push(door, { receiver, fields, payload: Buffer.alloc(0) }))).toBe(
      'accepted',
    );
    const [notification] = await door.notifications();
    expect(notification).toMatchObject({ encoding: undefined, encryption: undefined });
  });

  test('needs no ready view when its subscription is found', async () => {
    const door = await open({ isUnready: true });
    const { receiver } = await door.subscribed();
    expect(refusal(await push(door, { receiver }))).toBe('accepted');
  });
});

describe('a receiver id', () => {
  test('that does not open, or was sealed with a key that nobody holds, is unknown', async () => {
    const door = await open();
    const receiver: Receiver = { device: newDevice(), subscription: newSubscription() };
    const foreign = sealReceiverId(KeyRing.parse(keyText()), receiver, Buffer.alloc(12, 7));
    for (const id of ['', 'x', 'A'.repeat(87), foreign]) {
      expect(refusal(await push(door, { receiver: id }))).toBe('receiverUnknown');
    }
  });

  test('whose key another live service holds is unavailable, not dead', async () => {
    const foreignRing = KeyRing.parse(keyText());
    const door = await open({ isHeldElsewhere: (keyId) => keyId === foreignRing.sealingKeyId });
    const receiver: Receiver = { device: newDevice(), subscription: newSubscription() };
    const foreign = sealReceiverId(foreignRing, receiver, Buffer.alloc(12, 7));
    expect(refusal(await push(door, { receiver: foreign }))).toBe('unavailable');
    const stranger = sealReceiverId(KeyRing.parse(keyText()), receiver, Buffer.alloc(12, 7));
    expect(refusal(await push(door, { receiver: stranger }))).toBe('receiverUnknown');
  });

  test('without a key is unknown on a path that promises one', async () => {
    const door = await open();
    const { receiver } = await door.subscribed();
    expect(refusal(await push(door, { receiver, needsKey: true }))).toBe('receiverUnknown');
  });

  test('with a key wants that key on any path', async () => {
    const door = await open();
    const [keys, others] = [vapidKeys(), vapidKeys()];
    const { receiver } = await door.subscribed(keys.publicKey);
    const of = (authorization?: string) =>
      push(door, { receiver, fields: { ...FINE, authorization } });
    expect(await of()).toMatchObject({
      refusal: 'vapidInvalid',
      reason: expect.stringContaining('no Authorization') as string,
    });
    expect(await of(vapid(others, ORIGIN))).toMatchObject({
      refusal: 'vapidInvalid',
      reason: 'this endpoint belongs to another key',
    });
    expect(refusal(await of(vapid(keys, ORIGIN)))).toBe('accepted');
  });
});

describe('a subscription that is not there', () => {
  test('is gone when the view is ready: the subscription, or the whole device', async () => {
    const door = await open();
    const one = await door.subscribed();
    const two = await door.subscribed(undefined, one.device);
    await door.registrar.unregister(one.device, one.subscription);
    expect(refusal(await push(door, one))).toBe('subscriptionGone');
    await door.registrar.forget(one.device);
    expect(refusal(await push(door, one))).toBe('deviceGone');
    expect(refusal(await push(door, two))).toBe('deviceGone');
  });

  test('is unavailable while the view is being rebuilt, or is not there', async () => {
    const door = await open({ isUnready: true });
    const receiver = sealReceiverId(
      door.keyRing,
      { device: newDevice(), subscription: newSubscription() },
      Buffer.alloc(12, 7),
    );
    expect(refusal(await push(door, { receiver }))).toBe('unavailable');
    for (let partition = 0; partition < PARTITIONS; partition++) {
      await door.view.createMark(partition);
    }
    expect(refusal(await push(door, { receiver }))).toBe('unavailable');
    await door.makeReady();
    expect(refusal(await push(door, { receiver }))).toBe('deviceGone');
  });

  test('is gone when the channel was registered again with another key, or without one', async () => {
    const door = await open();
    const [keys, others] = [vapidKeys(), vapidKeys()];
    const before = await door.subscribed(keys.publicKey);
    const fields = { ...FINE, authorization: vapid(keys, ORIGIN) };
    for (const key of [others.publicKey, undefined]) {
      await door.subscribed(key, before.device, before.subscription);
      expect(refusal(await push(door, { ...before, fields }))).toBe('subscriptionGone');
    }
  });

  test('with another key is unavailable while the view is not ready', async () => {
    const door = await open({ isUnready: true });
    const keys = vapidKeys();
    const before = await door.subscribed();
    await door.subscribed(keys.publicKey, before.device, before.subscription);
    expect(refusal(await push(door, before))).toBe('unavailable');
  });
});

describe('the order of refusals', () => {
  test('is receiver id, VAPID, subscription, size, headers, append', async () => {
    let log = (): Promise<number> => Promise.reject(new AppendFailed('disk full', false));
    const door = await open({ producer: () => new TroubledProducer(() => log()) });
    const keys = vapidKeys();
    const { receiver, device, subscription } = await door.subscribed(keys.publicKey);
    const wrong: PushFields = { ttl: 'soon', authorization: 'vapid t=a.b.c, k=x' };
    const signed = { ...wrong, authorization: vapid(keys, ORIGIN) };
    const tooLong = { receiver, payload: undefined };

    expect(refusal(await push(door, { ...tooLong, receiver: 'x', fields: wrong }))).toBe(
      'receiverUnknown',
    );
    await door.registrar.unregister(device, subscription);
    expect(refusal(await push(door, { ...tooLong, fields: wrong }))).toBe('vapidInvalid');
    expect(refusal(await push(door, { ...tooLong, fields: signed }))).toBe('subscriptionGone');
    await door.registrar.register(device, subscription, { key: keys.publicKey });
    expect(refusal(await push(door, { ...tooLong, fields: signed }))).toBe('payloadTooLarge');
    expect(refusal(await push(door, { receiver, fields: signed }))).toBe('ttlInvalid');
    const fine = { ...signed, ...FINE };
    expect(refusal(await push(door, { receiver, fields: fine }))).toBe('unavailable');
    log = () => Promise.resolve(0);
    expect(refusal(await push(door, { receiver, fields: fine }))).toBe('accepted');
  });

  test('of headers is TTL, topic, urgency, encryption', async () => {
    const door = await open();
    const { receiver } = await door.subscribed();
    const of = async (fields: PushFields) => refusal(await push(door, { receiver, fields }));
    const worst = { topic: '!', urgency: '!', contentEncoding: '!' };
    expect(await of(worst)).toBe('ttlInvalid');
    expect(await of({ ...worst, ttl: '-1' })).toBe('ttlNegative');
    expect(await of({ ...worst, ttl: '0' })).toBe('topicInvalid');
    expect(await of({ ...worst, ttl: '0', topic: 'a' })).toBe('urgencyInvalid');
    expect(await of({ ...worst, ttl: '0', topic: 'a', urgency: 'low' })).toBe('cryptoInvalid');
    expect(await door.appended()).toEqual([]);
  });
});

describe('an outage', () => {
  test('of the log is unavailable, with one sampled line that names the cause', async () => {
    const disk = new AppendFailed('database or disk is full', false);
    const door = await open({ producer: () => new TroubledProducer(() => Promise.reject(disk)) });
    const { receiver } = await door.subscribed();
    for (let i = 0; i < 3; i++) {
      expect(refusal(await push(door, { receiver }))).toBe('unavailable');
    }
    expect(door.said).toHaveLength(1);
    expect(JSON.stringify(door.said)).toContain('database or disk is full');
    expect(door.counts.accepted).toBe(0);
  });

  test('of the view is unavailable', async () => {
    const door = await open({ lookup: () => new AbsentLookup() });
    const { receiver } = await door.subscribed();
    expect(refusal(await push(door, { receiver }))).toBe('unavailable');
    expect(await door.appended()).toEqual([]);
  });
});

describe('a cancel', () => {
  test('of any message id that opens stands in the partition of its device', async () => {
    const door = await open();
    const { receiver, device } = await door.subscribed();
    const answer = await push(door, { receiver });
    if (answer.kind !== 'accepted') throw new Error(refusal(answer));
    expect(await door.ingest.cancel(answer.id)).toEqual({ kind: 'canceled' });
    const cancels = (await door.appended()).filter(({ value }) => value === null);
    expect(cancels.map((record) => [record.partition, decodeOutcomeRecord(record)])).toEqual([
      [partitionOf(device, PARTITIONS), { kind: 'cancel', device, id: answer.id }],
    ]);
    expect(door.counts).toMatchObject({ canceled: 1 });
  });

  test('of an id that does not open, of a receiver id, and of a changed id is refused', async () => {
    const door = await open();
    const { receiver } = await door.subscribed();
    const answer = await push(door, { receiver });
    if (answer.kind !== 'accepted') throw new Error(refusal(answer));
    const changed = `${answer.id.slice(0, -4)}AAAA`;
    for (const id of ['nonsense', receiver, changed]) {
      expect(refusal(await door.ingest.cancel(id))).toBe('messageUnknown');
    }
  });

  test('is unavailable while the log is away', async () => {
    let isAway = false;
    const door = await open({
      producer: () =>
        new TroubledProducer(() =>
          isAway ? Promise.reject(new AppendFailed('away', true)) : Promise.resolve(1),
        ),
    });
    const { receiver } = await door.subscribed();
    const answer = await push(door, { receiver });
    if (answer.kind !== 'accepted') throw new Error(refusal(answer));
    isAway = true;
    expect(refusal(await door.ingest.cancel(answer.id))).toBe('unavailable');
  });
});

test('a verified token is good until it expires, by the clock that is given', async () => {
  let now = Date.now();
  const door = await open({ clock: () => now });
  const keys = vapidKeys();
  const { receiver } = await door.subscribed(keys.publicKey);
  const jwt = token(keys, ORIGIN, { exp: Math.floor(now / 1_000) + 600 });
  const fields = { ...FINE, authorization: `vapid t=${jwt}, k=${keys.publicKey}` };
  expect(refusal(await push(door, { receiver, fields }))).toBe('accepted');
  now += 700_000;
  expect(refusal(await push(door, { receiver, fields }))).toBe('vapidInvalid');
});
