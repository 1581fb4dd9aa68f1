/**
 * What a producer, a consumer and a catalog promise together, held to any adapter with several clients on one
 * log. The log may be shared with other tests and be full of older records: each test begins at the end that it
 * finds, and waits for what must come instead of a time.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { PartitionReader, StopReading, StreamCatalog, StreamConsumer } from './consumer.js';
import type { StreamProducer } from './producer.js';
import type { LogRecord, RecordBatch, StreamRecord } from './record.js';
import { NOTIFICATIONS, SUBSCRIPTIONS, deliveriesOf } from './streams.js';

/** One process's access to the log. */
export interface StreamsClient {
  readonly producer: StreamProducer;
  readonly consumer: StreamConsumer;
  readonly catalog: StreamCatalog;
}

export interface StreamsHarness {
  /** Of the streams by device; at least 2. */
  readonly partitions: number;
  /** A new client that shares nothing with the others but the log. */
  client(): Promise<StreamsClient>;
  /** Ends all clients and removes what they left. */
  close(): Promise<void>;
}

const PATIENCE_MS = 60_000;

export function streamsContract(open: () => Promise<StreamsHarness>): void {
  let harness: StreamsHarness;
  let ours: StreamsClient;
  let theirs: StreamsClient;
  const stops: StopReading[] = [];

  beforeAll(async () => {
    harness = await open();
    ours = await harness.client();
    theirs = await harness.client();
  }, PATIENCE_MS);

  afterAll(async () => {
    await Promise.all(stops.map((stop) => stop()));
    await harness.close();
  }, PATIENCE_MS);

  /** Reads with a client of `theirs` from the ends as they are now. */
  async function follow(stream: string, group?: string): Promise<Follower> {
    const follower = new Follower();
    const partitions = stream.startsWith('deliveries.') ? 1 : harness.partitions;
    for (let p = 0; p < partitions; p++) {
      follower.starts.set(p, await ours.catalog.end(stream, p));
    }
    const stop = await theirs.consumer.read({ stream, group }, follower);
    stops.push(stop);
    follower.stop = stop;
    await until(() => follower.assigned.length >= partitions, 'assignment');
    return follower;
  }

  describe('appending', () => {
    test('gives offsets that grow, and the end is the next one', async () => {
      const first = await ours.producer.append(NOTIFICATIONS, 0, recordOf('first'));
      const second = await theirs.producer.append(NOTIFICATIONS, 0, recordOf('second'));
      expect(second).toBe(first + 1);
      expect(await ours.catalog.end(NOTIFICATIONS, 0)).toBe(second + 1);
      expect(await theirs.catalog.end(NOTIFICATIONS, 0)).toBe(second + 1);
    });

    test('to one partition leaves the others alone', async () => {
      const before = await ours.catalog.end(NOTIFICATIONS, 0);
      await ours.producer.append(NOTIFICATIONS, 1, recordOf('elsewhere'));
      expect(await ours.catalog.end(NOTIFICATIONS, 0)).toBe(before);
    });

    test('many at once keeps the order of the calls', async () => {
      const keys = Array.from({ length: 300 }, (_, i) => `burst-${i}`);
      const follower = await follow(NOTIFICATIONS);
      const offsets = await Promise.all(
        keys.map((key) => ours.producer.append(NOTIFICATIONS, 0, recordOf(key))),
      );
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
      expect(new Set(offsets).size).toBe(keys.length);
      await until(() => follower.of(0).length >= keys.length, 'all records');
      expect(follower.of(0).map((r) => r.offset)).toEqual(offsets);
      expect(follower.keysOf(0)).toEqual(keys);
      await follower.stop?.();
    });

    test('until it is in keeps the given order, call after call', async () => {
      const follower = await follow(NOTIFICATIONS);
      const calls = Array.from({ length: 20 }, (_, call) =>
        Array.from({ length: 7 }, (_, i) => recordOf(`call-${call}-${i}`)),
      );
      await Promise.all(
        calls.map((records) => ours.producer.appendUntilIn(NOTIFICATIONS, 1, records)),
      );
      await until(() => follower.of(1).length >= 140, 'all records');
      expect(follower.keysOf(1)).toEqual(calls.flat().map((record) => record.key.toString()));
      await follower.stop?.();
    });

    test('until it is in resolves for no records at all', async () => {
      await expect(ours.producer.appendUntilIn(NOTIFICATIONS, 0, [])).resolves.toBeUndefined();
    });

    test('to a partition that does not exist fails', async () => {
      const nowhere = ours.producer.append(NOTIFICATIONS, harness.partitions, recordOf('lost'));
      await expect(nowhere).rejects.toThrow();
    });
  });

  describe('a record', () => {
    test('reaches a reader byte for byte, with offset, time and stream', async () => {
      const follower = await follow(SUBSCRIPTIONS);
      const value = Buffer.from(Array.from({ length: 65_536 }, (_, i) => i % 256));
      const key = Buffer.from([0, 255, 128, 10]);
      const headers = { outcome: 'delivered', at: '1', x: '' };
      const offset = await ours.producer.append(SUBSCRIPTIONS, 1, { key, value, headers });
      await until(() => follower.of(1).length > 0, 'the record');
      const [record] = follower.of(1);
      expect(record).toMatchObject({ offset, headers });
      expect(record?.key.equals(key)).toBe(true);
      expect(record?.value?.equals(value)).toBe(true);
      expect(Math.abs((record?.at ?? 0) - Date.now())).toBeLessThan(120_000);
      expect(follower.batches.every((b) => b.stream === SUBSCRIPTIONS)).toBe(true);
      await follower.stop?.();
    });

    test('may have an empty value, or none with and without headers', async () => {
      const follower = await follow(NOTIFICATIONS);
      const key = Buffer.from('void');
      const headers = { cancel: '1', device: 'd' };
      await ours.producer.append(NOTIFICATIONS, 0, { key, value: Buffer.alloc(0) });
      await ours.producer.append(NOTIFICATIONS, 0, { key, value: null, headers });
      await ours.producer.append(NOTIFICATIONS, 0, { key, value: null });
      await until(() => follower.of(0).length >= 3, 'three records');
      const [empty, cancel, tombstone] = follower.of(0);
      expect(empty?.value?.length).toBe(0);
      expect(cancel).toMatchObject({ value: null, headers });
      expect(tombstone?.value).toBeNull();
      expect(Object.keys(tombstone?.headers ?? {})).toEqual([]);
      await follower.stop?.();
    });

    test('that announces an outcome is seen behind the notification it is about', async () => {
      const follower = await follow(NOTIFICATIONS);
      const notification = recordOf('announced');
      const offset = await ours.producer.append(NOTIFICATIONS, 1, notification);
      const headers = { outcome: 'delivered', at: '7', device: 'd', offset: String(offset) };
      const announcement = { key: notification.key, value: null, headers };
      await theirs.producer.appendUntilIn(NOTIFICATIONS, 1, [announcement, announcement]);
      await until(() => follower.of(1).length >= 3, 'notification and announcements');
      expect(follower.of(1).map((r) => r.headers?.outcome)).toEqual([
        undefined,
        'delivered',
        'delivered',
      ]);
      await follower.stop?.();
    });

    test('that is open is there for a reader who comes later', async () => {
      const key = `late-${Math.random()}`;
      const offset = await ours.producer.append(NOTIFICATIONS, 0, recordOf(key));
      const late = new Follower();
      late.starts.set(0, offset);
      const stop = await theirs.consumer.read({ stream: NOTIFICATIONS }, late);
      stops.push(stop);
      await until(() => late.of(0).length > 0, 'the record');
      expect(late.keysOf(0)[0]).toBe(key);
      await stop();
    });
  });

  describe('a reader', () => {
    test('starts where it says when a partition is assigned, and is called for all partitions', async () => {
      const follower = await follow(NOTIFICATIONS);
      expect([...follower.assigned].sort()).toEqual(
        Array.from({ length: harness.partitions }, (_, i) => i),
      );
      await ours.producer.append(NOTIFICATIONS, 0, recordOf('fresh'));
      await until(() => follower.of(0).length > 0, 'the record');
      expect(follower.keysOf(0)).toEqual(['fresh']);
      await follower.stop?.();
    });

    test('seeks by the offset it returns', async () => {
      const follower = await follow(NOTIFICATIONS);
      const start = follower.starts.get(0) ?? 0;
      let seeks = 2;
      follower.answer = (batch) => (batch.partition === 0 && seeks-- > 0 ? start : batch.next);
      await ours.producer.append(NOTIFICATIONS, 0, recordOf('again'));
      await until(() => follower.of(0).length >= 3, 'the record three times');
      expect(follower.keysOf(0).slice(0, 3)).toEqual(['again', 'again', 'again']);
      await follower.stop?.();
    });

    test('seeks by the offset that an idle call returns', async () => {
      const follower = await follow(NOTIFICATIONS);
      const start = follower.starts.get(1) ?? 0;
      await ours.producer.append(NOTIFICATIONS, 1, recordOf('idle'));
      await until(() => follower.of(1).length > 0, 'the record');
      follower.onNextIdle.set(1, start);
      await until(() => follower.of(1).length > 1, 'the record again');
      expect(follower.keysOf(1).slice(0, 2)).toEqual(['idle', 'idle']);
      await follower.stop?.();
    });

    test('gets nothing from the old place when it seeks while records come', async () => {
      const keys: string[] = [];
      let start: number | undefined;
      let isSought = false;
      const stop = await ours.consumer.read(
        { stream: NOTIFICATIONS },
        {
          onAssigned: async (partition) => {
            const end = await ours.catalog.end(NOTIFICATIONS, partition);
            if (partition === 0) start = end;
            return end;
          },
          onBatch: ({ partition, records, next }) => {
            if (partition === 0) keys.push(...records.map(({ key }) => key.toString()));
            return Promise.resolve(next);
          },
          onIdle: async (partition) => {
            if (partition !== 0 || isSought || keys.length < 2) return undefined;
            isSought = true;
            for (const key of ['c', 'd']) {
              await ours.producer.append(NOTIFICATIONS, 0, recordOf(key));
              await pause(300); // what comes meanwhile waits for this call
            }
            return start;
          },
          onRevoked: () => undefined,
        },
      );
      await until(() => start !== undefined, 'the assignment');
      for (const key of ['a', 'b']) await ours.producer.append(NOTIFICATIONS, 0, recordOf(key));
      await until(() => isSought && keys.includes('d'), 'all after the seek');
      expect(keys).toEqual(['a', 'b', 'a', 'b', 'c', 'd']);
      await stop();
    });

    test('gets a batch again, and nothing before it, when it throws', async () => {
      const follower = await follow(NOTIFICATIONS);
      let failures = 3;
      follower.answer = (batch) => {
        if (batch.partition === 0 && failures-- > 0) throw new Error('a store is away');
        return batch.next;
      };
      await ours.producer.append(NOTIFICATIONS, 0, recordOf('one'));
      await ours.producer.append(NOTIFICATIONS, 0, recordOf('two'));
      await until(() => follower.seen.at(-1)?.key.toString() === 'two', 'the second record');
      const keys = follower.keysOf(0);
      expect(keys.slice(0, 4)).toEqual(
        Array.from({ length: 4 }, () => expect.stringMatching(/one|two/)),
      );
      expect(keys.filter((key) => key === 'one').length).toBeGreaterThanOrEqual(4);
      expect(keys.indexOf('one')).toBe(0);
      await follower.stop?.();
    });

    test.each([
      ['TypeError', new TypeError('a bug')],
      ['RangeError', new RangeError('a bug')],
    ])('that throws a %s is called again', async (_, error) => {
      const follower = await follow(NOTIFICATIONS);
      let failures = 1;
      follower.answer = (batch) => {
        if (failures-- > 0) throw error;
        return batch.next;
      };
      await ours.producer.append(NOTIFICATIONS, 0, recordOf('bug'));
      await until(() => follower.of(0).length >= 2, 'the record twice');
      await follower.stop?.();
    });

    test('that fails on assignment is asked again', async () => {
      const follower = new Follower();
      follower.assignmentFailures = 2;
      for (let p = 0; p < harness.partitions; p++) {
        follower.starts.set(p, await ours.catalog.end(NOTIFICATIONS, p));
      }
      const stop = await theirs.consumer.read({ stream: NOTIFICATIONS }, follower);
      stops.push(stop);
      await until(() => new Set(follower.assigned).size >= harness.partitions, 'assignment');
      await ours.producer.append(NOTIFICATIONS, 0, recordOf('patient'));
      await until(() => follower.of(0).length > 0, 'the record');
      await stop();
    });

    test('is told while there is nothing to read, again and again', async () => {
      const follower = await follow(SUBSCRIPTIONS);
      await until(() => follower.idles.filter((p) => p === 0).length >= 3, 'three idle calls');
      await until(() => follower.idles.filter((p) => p === 1).length >= 3, 'three idle calls');
      await follower.stop?.();
    });

    test('is never called twice at once for a partition', async () => {
      const follower = await follow(NOTIFICATIONS);
      follower.delayMs = 3;
      for (let i = 0; i < 30; i++) {
        await ours.producer.append(NOTIFICATIONS, i % 2, recordOf(`slow-${i}`));
      }
      await until(() => follower.of(0).length >= 15 && follower.of(1).length >= 15, 'all records');
      expect(follower.overlaps).toBe(0);
      await follower.stop?.();
    });

    test('gets nothing more once its reading has stopped', async () => {
      const follower = await follow(NOTIFICATIONS);
      await follower.stop?.();
      const calls = follower.calls;
      const other = await follow(NOTIFICATIONS);
      await ours.producer.append(NOTIFICATIONS, 0, recordOf('unread'));
      await until(() => other.of(0).length > 0, 'the other reader');
      expect(follower.calls).toBe(calls);
      await other.stop?.();
    });

    test('is not in the middle of a call once its reading has stopped', async () => {
      const follower = await follow(NOTIFICATIONS);
      follower.delayMs = 150;
      await ours.producer.append(NOTIFICATIONS, 0, recordOf('slow'));
      await until(() => follower.isRunning, 'a call');
      await follower.stop?.();
      expect(follower.isRunning).toBe(false);
    });

    test('that fails for ever can be stopped', async () => {
      const follower = await follow(NOTIFICATIONS);
      follower.answer = () => {
        throw new Error('a store is away for good');
      };
      await ours.producer.append(NOTIFICATIONS, 0, recordOf('never'));
      await until(() => follower.of(0).length >= 2, 'two attempts');
      await follower.stop?.();
      const calls = follower.calls;
      const other = await follow(NOTIFICATIONS);
      await until(() => other.idles.length > 0, 'the other reader');
      expect(follower.calls).toBe(calls);
      await other.stop?.();
    });

    test('without a group gets all that other readers get as well', async () => {
      const followers = [await follow(NOTIFICATIONS), await follow(NOTIFICATIONS)];
      await ours.producer.append(NOTIFICATIONS, 0, recordOf('for all'));
      for (const follower of followers) {
        await until(() => follower.keysOf(0).includes('for all'), 'the record');
        await follower.stop?.();
      }
    });
  });

  describe('the stream of a gateway', () => {
    test('is there once it is ensured, and ensuring it again changes nothing', async () => {
      const stream = deliveriesOf(`contract-${Math.random().toString(36).slice(2)}`);
      await ours.catalog.ensure(stream);
      const end = await ours.catalog.end(stream, 0);
      await theirs.producer.appendUntilIn(stream, 0, [recordOf('a'), recordOf('b')]);
      await theirs.catalog.ensure(stream);
      expect(await ours.catalog.end(stream, 0)).toBe(end + 2);
    });

    test('gives its reader what was appended between asking for its end and reading', async () => {
      const stream = deliveriesOf(`contract-${Math.random().toString(36).slice(2)}`);
      await ours.catalog.ensure(stream);
      const follower = new Follower();
      follower.starts.set(0, await ours.catalog.end(stream, 0));
      await theirs.producer.appendUntilIn(stream, 0, [recordOf('early')]);
      stops.push(await ours.consumer.read({ stream }, follower));
      await until(() => follower.of(0).length > 0, 'the early record');
      await theirs.producer.append(stream, 0, recordOf('later'));
      await until(() => follower.of(0).length > 1, 'the later record');
      expect(follower.keysOf(0)).toEqual(['early', 'later']);
    });
  });

  describe('readers of one group', () => {
    test('share the partitions, and hand them over without loss when one comes and one goes', async () => {
      const group = `group-${Math.random().toString(36).slice(2)}`;
      const marks = new Map<number, number>();
      const starts = new Map<number, number>();
      for (let p = 0; p < harness.partitions; p++) {
        starts.set(p, await ours.catalog.end(NOTIFICATIONS, p));
        marks.set(p, starts.get(p) ?? 0);
      }
      const member = async (client: StreamsClient): Promise<Follower> => {
        const follower = new Follower();
        // Where a partition goes on is kept outside, as a view's mark is.
        follower.starts = marks;
        follower.answer = (batch) => {
          marks.set(batch.partition, Math.max(marks.get(batch.partition) ?? 0, batch.next));
          return batch.next;
        };
        follower.stop = await client.consumer.read({ stream: NOTIFICATIONS, group }, follower);
        stops.push(follower.stop);
        return follower;
      };
      let appended = 0;
      const append = async (count: number): Promise<void> => {
        for (let i = 0; i < count; i++, appended++) {
          const partition = appended % harness.partitions;
          await ours.producer.append(NOTIFICATIONS, partition, recordOf(`shared-${appended}`));
        }
      };
      const keysSeen = (followers: readonly Follower[]): Set<string> =>
        new Set(followers.flatMap((f) => f.seen.map((r) => r.key.toString())));

      const first = await member(ours);
      await until(() => first.assigned.length >= harness.partitions, 'assignment');
      await append(40);
      const second = await member(theirs);
      await append(40);
      await until(() => second.held.size > 0 && first.held.size > 0, 'both hold partitions');
      await append(40);
      await until(() => keysSeen([first, second]).size >= appended, 'every record');
      await until(() => second.seen.length > 0, 'records for the second');
      expect(first.revoked.length).toBeGreaterThan(0);

      await first.stop?.();
      await append(40);
      await until(() => keysSeen([first, second]).size >= appended, 'every record');
      await until(() => second.held.size === harness.partitions, 'all partitions at the second');
      const keys = keysSeen([first, second]);
      for (let i = 0; i < appended; i++) expect(keys).toContain(`shared-${i}`);
      expect(first.disorders + second.disorders).toBe(0);
      await second.stop?.();
    });
  });
}

/** A reader that remembers what it was told. */
class Follower implements PartitionReader {
  starts = new Map<number, number>();
  readonly assigned: number[] = [];
  readonly revoked: number[] = [];
  readonly held = new Set<number>();
  readonly idles: number[] = [];
  readonly batches: RecordBatch[] = [];
  readonly seen: LogRecord[] = [];
  readonly onNextIdle = new Map<number, number>();
  answer: (batch: RecordBatch) => number = (batch) => batch.next;
  stop?: StopReading;
  assignmentFailures = 0;
  delayMs = 0;
  overlaps = 0;
  calls = 0;
  /** Batches that did not go on behind the one before, without a seek or an assignment between them. */
  disorders = 0;
  private readonly running = new Set<number>();
  private readonly expected = new Map<number, number>();

  get isRunning(): boolean {
    return this.running.size > 0;
  }

  of(partition: number): readonly LogRecord[] {
    return this.batches.filter((b) => b.partition === partition).flatMap((b) => b.records);
  }

  keysOf(partition: number): readonly string[] {
    return this.of(partition).map((record) => record.key.toString());
  }

  onAssigned(partition: number): Promise<number> {
    return this.alone(partition, () => {
      if (this.assignmentFailures-- > 0) throw new Error('a store is away');
      this.assigned.push(partition);
      this.held.add(partition);
      this.expected.delete(partition);
      return this.starts.get(partition) ?? Number.MAX_SAFE_INTEGER;
    });
  }

  onBatch(batch: RecordBatch): Promise<number> {
    return this.alone(batch.partition, () => {
      const offsets = batch.records.map((record) => record.offset);
      const floor = this.expected.get(batch.partition) ?? -1;
      const isInOrder = offsets.every((offset, i) => offset > (offsets[i - 1] ?? floor - 1));
      if (!isInOrder || batch.next <= (offsets.at(-1) ?? -1)) this.disorders += 1;
      this.batches.push(batch);
      const next = this.answer(batch);
      this.expected.set(batch.partition, next);
      this.seen.push(...batch.records);
      return next;
    });
  }

  onIdle(partition: number): Promise<number | undefined> {
    return this.alone(partition, () => {
      this.idles.push(partition);
      const seek = this.onNextIdle.get(partition);
      this.onNextIdle.delete(partition);
      return seek;
    });
  }

  onRevoked(partition: number): void {
    this.calls += 1;
    this.revoked.push(partition);
    this.held.delete(partition);
  }

  private async alone<T>(partition: number, act: () => T): Promise<T> {
    this.calls += 1;
    if (this.running.has(partition)) this.overlaps += 1;
    this.running.add(partition);
    try {
      if (this.delayMs > 0) await new Promise((resolve) => setTimeout(resolve, this.delayMs));
      return act();
    } finally {
      this.running.delete(partition);
    }
  }
}

function recordOf(key: string): StreamRecord {
  return { key: Buffer.from(key), value: Buffer.from(`value of ${key}`) };
}

/** Waits for a fact; the time is for a broker on a busy machine, nothing is measured by it. */
async function until(isSo: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS / 2;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
