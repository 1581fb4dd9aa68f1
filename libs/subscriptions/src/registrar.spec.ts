import { randomBytes } from 'node:crypto';
import { afterEach, describe, expect, test } from 'vitest';
import { SUBSCRIPTIONS, StreamProducer, decodeSubscriptionRecord } from '#streams';
import type { RecordBatch, StreamRecord } from '#streams';
import { EmbeddedConsumer, EmbeddedLog, EmbeddedProducer } from '#streams.embedded';
import {
  EmbeddedStore,
  EmbeddedSubscriptionLookup,
  EmbeddedSubscriptionsView,
} from '#view.embedded';
import { KeyRing, fingerprintOf, openReceiverId, partitionOf } from '#webpush';
import type { DeviceId, SubscriptionFact, SubscriptionId } from '#webpush';
import { vapidKeys } from '../../../test/support/sender.js';
import { Registrar, SEEN_AGAIN_AFTER_MS, type RegistrarOptions } from './registrar.js';

const PARTITIONS = 4;
const keyRing = KeyRing.parse(randomBytes(32).toString('base64url'));
const device = randomBytes(16).toString('hex') as DeviceId;
const subscription = randomBytes(16).toString('hex') as SubscriptionId;
const other = randomBytes(16).toString('hex') as SubscriptionId;

const logs: EmbeddedLog[] = [];
afterEach(async () => {
  for (const log of logs.splice(0)) await log.close();
});

async function setUp(
  options: Partial<RegistrarOptions> = {},
  producerOver: (real: StreamProducer) => StreamProducer = (real) => real,
) {
  const log = await EmbeddedLog.open({ path: ':memory:', partitions: PARTITIONS });
  logs.push(log);
  const store = new EmbeddedStore({ partitions: PARTITIONS, mailboxMax: 10 });
  const view = new EmbeddedSubscriptionsView(store);
  const lookup = new EmbeddedSubscriptionLookup(store);
  const tapped = new TappedProducer(new EmbeddedProducer(log));
  const producer = producerOver(tapped);
  const registrar = new Registrar(
    { producer, view, lookup },
    {
      keyRing,
      publicEndpointUrl: 'https://push.example',
      partitions: PARTITIONS,
      subscriptionsPerDeviceMax: 2,
      deadlineMs: 500,
      ...options,
    },
  );
  const makeReady = async (): Promise<void> => {
    const partition = partitionOf(device, PARTITIONS);
    await view.createMark(partition);
    const mark = await view.mark(partition);
    if (mark) await view.setReady(partition, mark);
  };
  return { log, lookup, registrar, facts: tapped.facts, makeReady };
}

/** Keeps what is appended: the embedded log compacts at once, and a Kafka log after a while. */
class TappedProducer extends StreamProducer {
  readonly facts: SubscriptionFact[] = [];
  constructor(private readonly real: StreamProducer) {
    super();
  }
  override append(stream: string, partition: number, record: StreamRecord): Promise<number> {
    expect(stream).toBe(SUBSCRIPTIONS);
    const fact = decodeSubscriptionRecord({ ...record, offset: 0, at: 0 });
    expect(partition).toBe(partitionOf(fact.device, PARTITIONS));
    this.facts.push(fact);
    return this.real.append(stream, partition, record);
  }
  override appendUntilIn(): Promise<void> {
    throw new Error('a subscription is appended once');
  }
}

/** What a rebuild would find: the records that the compacted log still has. */
async function rebuilt(log: EmbeddedLog): Promise<readonly SubscriptionFact[]> {
  const found: SubscriptionFact[] = [];
  const idle = new Set<number>();
  await new Promise<void>((resolve, reject) => {
    const reader = {
      onAssigned: () => Promise.resolve(0),
      onBatch: (batch: RecordBatch) => {
        found.push(...batch.records.map(decodeSubscriptionRecord));
        return Promise.resolve(batch.next);
      },
      onIdle: (partition: number) => {
        if (idle.add(partition).size === PARTITIONS) resolve();
        return Promise.resolve(undefined);
      },
      onRevoked: () => undefined,
    };
    new EmbeddedConsumer(log).read({ stream: SUBSCRIPTIONS }, reader).catch(reject);
  });
  return found;
}

/** A log that is away: its appends never end. */
class SilentProducer extends StreamProducer {
  override append(): Promise<number> {
    return new Promise(() => undefined);
  }
  override appendUntilIn(): Promise<void> {
    return new Promise(() => undefined);
  }
}

describe('register', () => {
  test('answers with an endpoint whose receiver id opens to what was registered', async () => {
    const { registrar } = await setUp();
    const answer = await registrar.register(device, subscription);
    expect(answer).toMatchObject({ kind: 'registered' });
    if (answer.kind !== 'registered') return;
    expect(answer.endpoint).toBe(`https://push.example/wpush/v1/${answer.receiver}`);
    expect(openReceiverId(keyRing, answer.receiver)).toEqual({
      kind: 'opened',
      device,
      subscription,
    });
  });

  test('seals the fingerprint of a key, with or without padding, into a v2 endpoint', async () => {
    const { registrar, lookup } = await setUp();
    const key = vapidKeys().publicKey;
    for (const spelling of [key, `${key}=`]) {
      const answer = await registrar.register(device, subscription, { key: spelling });
      if (answer.kind !== 'registered') throw new Error(answer.reason);
      expect(answer.endpoint).toContain('/wpush/v2/');
      const fingerprint = fingerprintOf(key);
      expect(openReceiverId(keyRing, answer.receiver)).toMatchObject({ fingerprint });
      expect((await lookup.find(device, subscription)).found?.fingerprint).toBe(fingerprint);
    }
  });

  test('has written through when it answers, whatever the state of the view', async () => {
    const { registrar, lookup } = await setUp();
    await registrar.register(device, subscription, { site: 'https://stocks.example' });
    expect(await lookup.find(device, subscription)).toEqual({
      state: 'none',
      found: { subscription, site: 'https://stocks.example' },
    });
  });

  test('is idempotent: the same again gives another id of the same subscription', async () => {
    const { registrar, lookup } = await setUp();
    const first = await registrar.register(device, subscription);
    const second = await registrar.register(device, subscription);
    if (first.kind !== 'registered' || second.kind !== 'registered') throw new Error('refused');
    expect(second.receiver).not.toBe(first.receiver);
    expect(openReceiverId(keyRing, second.receiver)).toEqual(
      openReceiverId(keyRing, first.receiver),
    );
    expect((await lookup.list(device)).subscriptions).toHaveLength(1);
  });

  test('with another key takes the place of the old terms', async () => {
    const { registrar, lookup } = await setUp();
    const [before, after] = [vapidKeys().publicKey, vapidKeys().publicKey];
    await registrar.register(device, subscription, { key: before });
    await registrar.register(device, subscription, { key: after });
    const { found } = await lookup.find(device, subscription);
    expect(found?.fingerprint).toBe(fingerprintOf(after));
  });

  test.each([
    ['nothing', ''],
    ['no base64url', '!'.repeat(87)],
    ['a point off the curve', `B${'A'.repeat(86)}`],
    ['64 bytes', 'A'.repeat(86)],
  ])('refuses %s as a key and appends nothing', async (_, key) => {
    const { registrar, facts } = await setUp();
    expect(await registrar.register(device, subscription, { key })).toEqual({
      kind: 'refused',
      reason: 'invalid key',
    });
    expect(facts).toEqual([]);
  });

  test('refuses one subscription more than a device may have, but not one that it has', async () => {
    const { registrar } = await setUp({ subscriptionsPerDeviceMax: 2 });
    await registrar.register(device, subscription);
    await registrar.register(device, other);
    const third = randomBytes(16).toString('hex') as SubscriptionId;
    expect(await registrar.register(device, third)).toEqual({
      kind: 'refused',
      reason: 'too many',
    });
    expect(await registrar.register(device, other)).toMatchObject({ kind: 'registered' });
    await registrar.unregister(device, subscription);
    expect(await registrar.register(device, third)).toMatchObject({ kind: 'registered' });
  });

  test('refuses what is one too many also among those that come at once', async () => {
    const { registrar, lookup } = await setUp({ subscriptionsPerDeviceMax: 2 });
    const wanted = Array.from({ length: 8 }, () => randomBytes(16).toString('hex'));
    const answers = await Promise.all(
      wanted.map((one) => registrar.register(device, one as SubscriptionId)),
    );
    expect(answers.map(({ kind }) => kind)).toEqual([
      ...['registered', 'registered'],
      ...Array<string>(6).fill('refused'),
    ]);
    expect((await lookup.list(device)).subscriptions).toHaveLength(2);
  });

  test('goes on with the next one of a device when one has failed', async () => {
    let failures = 2; // its last-seen and itself
    const { registrar } = await setUp({ subscriptionsPerDeviceMax: 1 }, (real) => {
      const append = real.append.bind(real);
      real.append = (...record) =>
        failures-- > 0 ? Promise.reject(new Error('away')) : append(...record);
      return real;
    });
    const failed = registrar.register(device, subscription);
    const next = registrar.register(device, other);
    await expect(failed).rejects.toThrow('away');
    expect(await next).toMatchObject({ kind: 'registered' });
  });

  test('appends a last-seen with the first subscription, and again after a week', async () => {
    let now = 1_000_000;
    const { registrar, facts } = await setUp({ clock: () => now });
    await registrar.register(device, subscription);
    now += SEEN_AGAIN_AFTER_MS;
    await registrar.register(device, subscription);
    now += 1;
    await registrar.register(device, subscription);
    expect(facts.filter((fact) => fact.kind === 'seen')).toEqual([
      { kind: 'seen', device, at: 1_000_000 },
      { kind: 'seen', device, at: now },
    ]);
  });

  test('rejects when the log has not answered by the deadline', async () => {
    const { registrar, lookup } = await setUp({ deadlineMs: 20 }, () => new SilentProducer());
    await expect(registrar.register(device, subscription)).rejects.toThrow(
      'register has not ended within 20 ms',
    );
    expect((await lookup.find(device, subscription)).found).toBeUndefined();
  });
});

describe('unregister and forget', () => {
  test('an unregistered subscription is not found, and an unknown one is no error', async () => {
    const { registrar, lookup } = await setUp();
    await registrar.register(device, subscription);
    await registrar.unregister(device, subscription);
    await registrar.unregister(device, other);
    expect((await lookup.list(device)).subscriptions).toEqual([]);
  });

  test('forget leaves a tombstone for each subscription, the device last, and nothing to rebuild', async () => {
    const { registrar, log, lookup, facts, makeReady } = await setUp();
    await makeReady();
    await registrar.register(device, subscription);
    await registrar.register(device, other);
    expect(await rebuilt(log)).toHaveLength(3);
    facts.length = 0;
    await registrar.forget(device);
    expect((await lookup.findDevice(device)).isKnown).toBe(false);
    expect(facts.slice(0, 2).map(({ kind }) => kind)).toEqual(['gone', 'gone']);
    expect(facts[2]).toEqual({ kind: 'forgotten', device });
    expect(await rebuilt(log)).toEqual([]);
  });

  test('a device is not forgotten while the view may not know all that it has', async () => {
    const { registrar, facts } = await setUp();
    await registrar.register(device, subscription);
    facts.length = 0;
    await expect(registrar.forget(device)).rejects.toThrow('the subscriptions view is none');
    expect(facts).toEqual([]);
  });
});

describe('seen', () => {
  test('is due when nothing is known, and after more than a week', async () => {
    const now = 10 * SEEN_AGAIN_AFTER_MS;
    const { registrar } = await setUp({ clock: () => now });
    expect(registrar.isSeenLongAgo(undefined)).toBe(true);
    expect(registrar.isSeenLongAgo(now - SEEN_AGAIN_AFTER_MS)).toBe(false);
    expect(registrar.isSeenLongAgo(now - SEEN_AGAIN_AFTER_MS - 1)).toBe(true);
  });

  test('is in the view when it answers', async () => {
    const { registrar, lookup } = await setUp({ clock: () => 77 });
    await registrar.seen(device);
    expect(await lookup.findDevice(device)).toEqual({ state: 'none', isKnown: true, seenAt: 77 });
  });
});
