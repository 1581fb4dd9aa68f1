/** Kafka that is late, restarted, killed or paused, and streams that are not there: what our adapters make of it. */
import { createHook } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Log, StartRefused } from '#runtime';
import type { Fields } from '#runtime';
import { KafkaWatch, createKafka } from '#runtime.kafka';
import { AppendFailed, NOTIFICATIONS, SUBSCRIPTIONS, deliveriesOf } from '#streams';
import type { LogRecord, RecordBatch, StreamRecord } from '#streams';
import {
  KafkaCatalog,
  KafkaConsumer,
  KafkaDeliveryStreams,
  KafkaProducer,
  Membership,
  setUpStreams,
  streamProblems,
} from '#streams.kafka';
import type { FetchedPartition } from '#streams.kafka';
import { startKafka } from '../support/kafka.js';
import type { KafkaServer } from '../support/kafka.js';
import { requires } from '../support/machine.js';
import { whileStopped } from '../support/while-stopped.js';

const DEADLINE_MS = 1000;
/** The shortest that a broker grants. */
const SESSION_MS = 6_000;
const COPIES = { replicationFactor: 1, minInsyncReplicas: 1 };

requires('kafka').describe('Kafka', () => {
  let server: KafkaServer;
  let admin: Admin;
  const closing: (() => Promise<unknown>)[] = [];
  const said: Fields[] = [];
  const log = Log.into((line) => void said.push(line));
  const kafka = (retries?: number) =>
    createKafka(
      { brokers: server.brokers },
      { clientId: 'test', log, requestTimeoutMs: 10_000, retries },
    );

  beforeAll(async () => {
    server = await startKafka();
    admin = kafka(5).admin();
    await admin.connect();
  }, 60_000);
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    await admin.disconnect();
    await server.stop();
  });

  const newStreams = async (partitions = 2): Promise<string> => {
    const prefix = `away-${randomBytes(4).toString('hex')}.`;
    await setUpStreams(admin, { prefix, partitions, ttlSecondsMax: 3600, ...COPIES });
    return prefix;
  };
  const producerOf = async (prefix: string, metadataMaxAgeMs?: number): Promise<KafkaProducer> => {
    const options = { kafka: kafka(), prefix, deadlineMs: DEADLINE_MS, waitingBytesMax: 1e7 };
    const producer = await KafkaProducer.connect({ ...options, metadataMaxAgeMs });
    closing.push(() => producer.close());
    return producer;
  };
  const catalogOf = (prefix: string): KafkaCatalog =>
    new KafkaCatalog({ admin, prefix, ...COPIES });
  /** Everything in partition 0 of a stream, as it comes. */
  const readingOf = async (prefix: string, stream: string): Promise<LogRecord[]> => {
    const records: LogRecord[] = [];
    const consumer = new KafkaConsumer({
      ...{ kafka: kafka(), admin, prefix, sessionTimeoutMs: SESSION_MS },
      onFatal: (error) => said.push({ fatal: error.message }),
    });
    const stop = await consumer.read(
      { stream },
      {
        onAssigned: () => Promise.resolve(0),
        onBatch: (batch: RecordBatch) => {
          if (batch.partition === 0) records.push(...batch.records);
          return Promise.resolve(batch.next);
        },
        onIdle: () => Promise.resolve(undefined),
        onRevoked: () => undefined,
      },
    );
    closing.push(stop);
    return records;
  };
  const keysOf = (records: readonly LogRecord[]): string[] =>
    records.map(({ key }) => key.toString());

  describe('that is restarted', () => {
    test('has all that was acknowledged, and all that was repeated until it was in, in order', async () => {
      const prefix = await newStreams();
      await catalogOf(prefix).ensure(deliveriesOf('g'));
      const producer = await producerOf(prefix);
      const deliveries = await readingOf(prefix, deliveriesOf('g'));
      const notifications = await readingOf(prefix, NOTIFICATIONS);
      const outcomes: (Promise<number> | Promise<unknown>)[] = [];
      const untilIn: Promise<void>[] = [];
      const load = async (): Promise<void> => {
        for (let i = 0; i < 200; i++) {
          outcomes.push(producer.append(NOTIFICATIONS, 0, record(`n${i}`)).catch((e) => e));
          untilIn.push(producer.appendUntilIn(deliveriesOf('g'), 0, [record(`d${i}`)]));
          await pause(15);
        }
      };
      const running = load();
      await pause(500);
      await server.end('SIGTERM');
      await pause(2 * DEADLINE_MS);
      await server.start();
      await running;
      await Promise.all(untilIn);
      const answers = await Promise.all(outcomes);
      const acknowledged = answers.flatMap((one, i) => (typeof one === 'number' ? `n${i}` : []));
      const refused = answers.filter((one) => one instanceof AppendFailed);
      expect(acknowledged.length + refused.length).toBe(200);
      expect(refused.length).toBeGreaterThan(0);
      await until(() => keysOf(deliveries).includes('d199'));
      await until(() => acknowledged.every((key) => keysOf(notifications).includes(key)));
      expect(new Set(keysOf(notifications)).size).toBe(notifications.length);
      const firsts = [...new Set(keysOf(deliveries))];
      expect(firsts).toEqual(Array.from({ length: 200 }, (_, i) => `d${i}`));
      expect(said.filter(({ fatal }) => fatal)).toEqual([]);
    }, 60_000);
  });

  test('is not sent again what was on its way when it died', async () => {
    const prefix = await newStreams();
    // Patient enough to see it come back.
    const options = { kafka: kafka(), prefix, deadlineMs: 20_000, waitingBytesMax: 1e7 };
    const producer = await KafkaProducer.connect(options);
    closing.push(() => producer.close());
    await producer.append(NOTIFICATIONS, 0, record('before'));
    await server.signal('SIGSTOP');
    const lost = producer.append(NOTIFICATIONS, 0, record('lost')).catch((e) => e);
    await pause(200);
    await server.end('SIGKILL');
    const never = producer.append(NOTIFICATIONS, 1, record('never sent before'));
    await server.start();
    expect(await lost).toMatchObject({ isFateUnknown: true });
    expect(await never).toBe(0);
    expect(await producer.append(NOTIFICATIONS, 0, record('after'))).toBe(1);
  }, 60_000);

  describe('that answers no more', () => {
    test('refuses an append by its deadline, and takes the next when it is back', async () => {
      const prefix = await newStreams();
      const producer = await producerOf(prefix);
      await producer.append(NOTIFICATIONS, 0, record('before'));
      let later: Promise<void> | undefined;
      await whileStopped(server, async () => {
        const began = performance.now();
        const refused = await producer.append(NOTIFICATIONS, 0, record('lost')).catch((e) => e);
        later = producer.appendUntilIn(NOTIFICATIONS, 1, [record('later')]);
        expect(refused).toBeInstanceOf(AppendFailed);
        expect(refused).toMatchObject({ isFateUnknown: true });
        expect(performance.now() - began).toBeLessThan(DEADLINE_MS + 500);
        const waiting = await producer.append(NOTIFICATIONS, 0, record('waiting')).catch((e) => e);
        expect(waiting).toMatchObject({ isFateUnknown: false });
      });
      await later;
      expect(await producer.append(NOTIFICATIONS, 0, record('after'))).toBeGreaterThan(0);
    }, 30_000);

    test('is noticed by the watch, as is its return', async () => {
      const watch = new KafkaWatch({ brokers: server.brokers }, log, 'test');
      closing.push(() => watch.stop());
      expect(watch.absence).toMatch(/has not answered yet$/);
      await watch.start();
      expect(watch.absence).toBeUndefined();
      const isNoticed = (): boolean => /has not answered for \d+ s$/.test(watch.absence ?? '');
      await whileStopped(server, () => until(isNoticed));
      await until(() => watch.absence === undefined);
    }, 30_000);
  });

  describe('without a stream', () => {
    test('takes what is for others, before and after it was removed', async () => {
      const prefix = await newStreams();
      const catalog = catalogOf(prefix);
      const streams = new KafkaDeliveryStreams({ admin, prefix });
      const producer = await producerOf(prefix, 500);
      const never = producer.appendUntilIn(deliveriesOf('nobody'), 0, [record('x')]);
      never.catch(() => undefined);
      await producer.appendUntilIn(NOTIFICATIONS, 0, [record('a')]);
      await catalog.ensure(deliveriesOf('gone'));
      await producer.appendUntilIn(deliveriesOf('gone'), 0, [record('b')]);
      expect(await streams.gateways()).toEqual(['gone']);
      await streams.remove('gone');
      await streams.remove('gone');
      await until(async () => (await streams.gateways()).length === 0);
      const alsoNever = producer.appendUntilIn(deliveriesOf('gone'), 0, [record('c')]);
      alsoNever.catch(() => undefined);
      // kafkajs, asked for what it knows, fails for all streams because of the one: that is noticed once.
      let failures = 0;
      for (let i = 0; i < 30; i++) {
        await producer.append(NOTIFICATIONS, i % 2, record(`n${i}`)).catch(() => failures++);
        await producer.appendUntilIn(NOTIFICATIONS, i % 2, [record(`m${i}`)]);
        await pause(50);
      }
      expect(failures).toBeLessThanOrEqual(1);
      await catalog.ensure(deliveriesOf('gone'));
      await alsoNever;
    }, 30_000);
  });

  test('that has deleted the beginning of a stream is read from what is left of it', async () => {
    const prefix = await newStreams(1);
    const producer = await producerOf(prefix);
    const stream = deliveriesOf('old');
    await catalogOf(prefix).ensure(stream);
    await producer.appendUntilIn(
      stream,
      0,
      ['a', 'b', 'c'].map((key) => record(key)),
    );
    const partitions = [{ partition: 0, offset: '2' }];
    await admin.deleteTopicRecords({ topic: `${prefix}${stream}`, partitions });
    const records = await readingOf(prefix, stream);
    await until(() => keysOf(records).length > 0);
    expect(keysOf(records)).toEqual(['c']);
  });

  test('whose stream ends below where a reader goes on tells it so, and gives it what it then asks for', async () => {
    const prefix = await newStreams(1);
    const producer = await producerOf(prefix);
    for (const key of ['a', 'b', 'c']) await producer.append(NOTIFICATIONS, 0, record(key));
    const keys: string[] = [];
    let idles = 0;
    const consumer = new KafkaConsumer({
      ...{ kafka: kafka(), admin, prefix, sessionTimeoutMs: SESSION_MS },
      onFatal: (error) => said.push({ fatal: error.message }),
    });
    closing.push(
      await consumer.read(
        { stream: NOTIFICATIONS },
        {
          onAssigned: () => Promise.resolve(100),
          onBatch: (batch: RecordBatch) => {
            keys.push(...keysOf(batch.records));
            return Promise.resolve(batch.next);
          },
          onIdle: () => Promise.resolve(++idles === 2 ? 1 : undefined),
          onRevoked: () => undefined,
        },
      ),
    );
    await until(() => keys.length > 0);
    expect(keys).toEqual(['b', 'c']);
  });

  test('has a member again when kafkajs gives its consumer up for good', async () => {
    const prefix = await newStreams(1);
    const producer = await producerOf(prefix);
    let joins = 0;
    let crashes = 2;
    const keys: string[] = [];
    const partition = {
      ...{ partition: 0, fetchFrom: 0 },
      take({ records, next }: FetchedPartition): Promise<void> {
        keys.push(...records.map(({ key }) => String(key)));
        this.fetchFrom = next;
        return Promise.resolve();
      },
    };
    const membership: Membership = new Membership({
      ...{ kafka: kafka(), groupId: `${prefix}group`, sessionTimeoutMs: SESSION_MS },
      onJoin: () => joins++,
      readables: {
        topic: `${prefix}${NOTIFICATIONS}`,
        get: () => partition,
        all: () => {
          if (crashes-- > 0) throw new TypeError('nothing of ours: kafkajs ends for it');
          return [partition];
        },
        onOutside: () => undefined,
      },
      onFatal: (error) => said.push({ fatal: error.message }),
    });
    closing.push(() => membership.leave());
    await membership.join();
    await producer.append(NOTIFICATIONS, 0, record('a'));
    await until(() => joins === 2);
    await until(() => keys.includes('a'));
    expect([joins, membership.isMember]).toEqual([3, true]);
    expect(said.filter(({ fatal }) => fatal)).toEqual([]);
  }, 30_000);

  test('keeps a member that works on one batch for longer than its session', async () => {
    const prefix = await newStreams(1);
    const producer = await producerOf(prefix);
    let assignments = 0;
    const keys: string[] = [];
    const consumer = new KafkaConsumer({
      ...{ kafka: kafka(), admin, prefix, sessionTimeoutMs: SESSION_MS },
      onFatal: (error) => said.push({ fatal: error.message }),
    });
    const stop = await consumer.read(
      { stream: NOTIFICATIONS, group: 'slow' },
      {
        onAssigned: () => {
          assignments++;
          return Promise.resolve(0);
        },
        onBatch: async ({ records, next }: RecordBatch) => {
          if (keys.length === 0) await pause(SESSION_MS + 3_000);
          keys.push(...records.map(({ key }) => String(key)));
          return next;
        },
        onIdle: () => Promise.resolve(undefined),
        onRevoked: () => undefined,
      },
    );
    closing.push(stop);
    await producer.append(NOTIFICATIONS, 0, record('long'));
    await until(() => keys.includes('long'));
    await producer.append(NOTIFICATIONS, 0, record('after'));
    await until(() => keys.includes('after'));
    expect([keys, assignments]).toEqual([['long', 'after'], 1]);
  }, 30_000);

  test('costs an idle connection no look at its requests', async () => {
    const timers: string[] = [];
    await admin.describeCluster(); // the fault begins with an answer
    const hook = createHook({ init: (_, type) => void timers.push(type) }).enable();
    await pause(500);
    hook.disable();
    expect(timers.filter((type) => type === 'Timeout').length).toBeLessThan(10);
  });

  test('takes more at once than a broker takes in a request, in order', async () => {
    const prefix = await newStreams();
    const producer = await producerOf(prefix);
    const records = Array.from({ length: 700 }, (_, i) => record(`r${i}`, 4400));
    const appended = producer.appendUntilIn(NOTIFICATIONS, 0, records);
    const behind = producer.appendUntilIn(NOTIFICATIONS, 0, [record('last')]);
    await Promise.all([appended, behind]);
    expect(await catalogOf(prefix).end(NOTIFICATIONS, 0)).toBe(701);
    const read = await readingOf(prefix, NOTIFICATIONS);
    await until(() => read.length === 701);
    expect(keysOf(read)).toEqual([...records.map(({ key }) => key.toString()), 'last']);
  });

  describe('the shared streams', () => {
    const setup = { partitions: 3, ttlSecondsMax: 3600, ...COPIES };

    test('are created once and then found as they must be', async () => {
      const prefix = `set-${randomBytes(4).toString('hex')}.`;
      expect(await streamProblems(admin, { prefix, partitions: 3 })).toEqual([
        `${prefix}notifications is missing: run npm run streams`,
        `${prefix}subscriptions is missing: run npm run streams`,
      ]);
      expect(await setUpStreams(admin, { ...setup, prefix })).toEqual({
        created: [NOTIFICATIONS, SUBSCRIPTIONS],
        found: [],
      });
      expect(await setUpStreams(admin, { ...setup, prefix })).toEqual({
        created: [],
        found: [NOTIFICATIONS, SUBSCRIPTIONS],
      });
      expect(await streamProblems(admin, { prefix, partitions: 3 })).toEqual([]);
    });

    test('that differ are refused with all that differs', async () => {
      const prefix = await newStreams(2);
      const refused = setUpStreams(admin, { ...setup, prefix, ttlSecondsMax: 60 });
      await expect(refused).rejects.toThrow(StartRefused);
      await expect(refused).rejects.toThrow(
        new RegExp(
          `${prefix}notifications has 2 partitions, PARTITIONS says 3\n.*` +
            `${prefix}notifications has retention.ms 90000000, not 86460000\n.*` +
            `${prefix}subscriptions has 2 partitions, PARTITIONS says 3$`,
          's',
        ),
      );
      expect(await streamProblems(admin, { prefix, partitions: 3 })).toEqual([
        `${prefix}notifications has 2 partitions, PARTITIONS says 3`,
        `${prefix}subscriptions has 2 partitions, PARTITIONS says 3`,
      ]);
    });
  });
});

function record(key: string, bytes = 10): StreamRecord {
  return { key: Buffer.from(key), value: Buffer.alloc(bytes, 7) };
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 20_000;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error('it has not come about');
    await pause(20);
  }
}
