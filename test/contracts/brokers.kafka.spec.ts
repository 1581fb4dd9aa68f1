/** Three brokers, of which one is killed: what is acknowledged is there, and reading goes on. */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Admin } from 'kafkajs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Log } from '#runtime';
import { createKafka } from '#runtime.kafka';
import { AppendFailed, NOTIFICATIONS } from '#streams';
import type { PartitionReader, RecordBatch } from '#streams';
import { KafkaConsumer, KafkaProducer, setUpStreams } from '#streams.kafka';
import { startKafkaBrokers } from '../support/kafka.js';
import type { KafkaBrokers } from '../support/kafka.js';
import { requires } from '../support/machine.js';

const PARTITIONS = 6;
const DEADLINE_MS = 2_000;

requires('kafka').describe('three brokers', () => {
  let kafka: KafkaBrokers;
  let admin: Admin;
  const closing: (() => Promise<unknown>)[] = [];
  const client = (retries?: number) => {
    const options = { clientId: 'test', log: Log.silent(), requestTimeoutMs: 10_000, retries };
    return createKafka({ brokers: kafka.brokers }, options);
  };
  beforeAll(async () => {
    kafka = await startKafkaBrokers();
    admin = client(5).admin();
    await admin.connect();
  }, 90_000);
  afterAll(async () => {
    for (const close of closing.reverse()) await close();
    await admin.disconnect();
    await kafka.stop();
  });

  test('of which one after the other is killed and started again lose and disorder nothing', async () => {
    const prefix = `brokers-${randomBytes(4).toString('hex')}.`;
    const copies = { replicationFactor: 3, minInsyncReplicas: 2 };
    await setUpStreams(admin, { prefix, partitions: PARTITIONS, ttlSecondsMax: 3600, ...copies });
    const producer = await KafkaProducer.connect({
      ...{ kafka: client(), prefix, deadlineMs: DEADLINE_MS, waitingBytesMax: 1e7 },
    });
    closing.push(() => producer.close());
    const consumer = new KafkaConsumer({
      ...{ kafka: client(), admin, prefix, sessionTimeoutMs: 6000 },
      onFatal: (error) => {
        throw error;
      },
    });
    const reader = new Reader();
    closing.push(await consumer.read({ stream: NOTIFICATIONS, group: 'readers' }, reader));
    const acknowledged: string[] = [];
    let refused = 0;
    let isOver = false;
    const load = Array.from({ length: PARTITIONS }, async (_, partition) => {
      for (let i = 0; !isOver; i++) {
        const key = `${partition}:${i}`;
        const record = { key: Buffer.from(key), value: Buffer.alloc(100) };
        try {
          await producer.append(NOTIFICATIONS, partition, record);
          acknowledged.push(key);
        } catch (error) {
          expect(error).toBeInstanceOf(AppendFailed);
          refused++;
        }
        await pause(10);
      }
    });
    for (const member of kafka.members) {
      await pause(1_000);
      await member.end('SIGKILL');
      await pause(3_000);
      await member.start();
    }
    await pause(3_000);
    isOver = true;
    await Promise.all(load);
    await expect
      .poll(() => acknowledged.filter((key) => !reader.keys.has(key)), { timeout: 30_000 })
      .toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(1_000);
    expect(refused).toBeLessThan(acknowledged.length / 10);
    expect(reader.disorders).toEqual([]);
  }, 120_000);
});

/** Reads on from where it was, and notes what does not follow. */
class Reader implements PartitionReader {
  readonly keys = new Set<string>();
  readonly disorders: string[] = [];
  private readonly next = new Map<number, number>();

  onAssigned(partition: number): Promise<number> {
    return Promise.resolve(this.next.get(partition) ?? 0);
  }

  onBatch({ partition, records, next }: RecordBatch): Promise<number> {
    for (const { key, offset } of records) {
      const expected = this.next.get(partition) ?? 0;
      if (offset !== expected) this.disorders.push(`${partition}: ${offset} after ${expected}`);
      this.next.set(partition, offset + 1);
      this.keys.add(key.toString());
    }
    this.next.set(partition, next);
    return Promise.resolve(next);
  }

  onIdle(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  onRevoked(): void {
    // It keeps its place for the next time.
  }
}
