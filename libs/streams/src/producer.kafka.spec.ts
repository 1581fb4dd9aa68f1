import { setImmediate as turn } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakeCluster, type Sent } from './fake-cluster.contract.js';
import { KafkaProducer } from './producer.kafka.js';
import { NOTIFICATIONS } from './streams.js';

let sent: readonly Sent[];
let producer: KafkaProducer;

beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval'] });
  const cluster = new FakeCluster();
  cluster.leaders.set(NOTIFICATIONS, [1, 1, 1]);
  ({ sent } = cluster);
  const limits = { deadlineMs: 5_000, waitingBytesMax: 1_000_000 };
  producer = await KafkaProducer.connect({ kafka: cluster.kafka, prefix: '', ...limits });
});
afterEach(() => void vi.useRealTimers());

function append(partition: number, bytes = 10): Promise<number> {
  const record = { key: Buffer.from('k'), value: Buffer.alloc(bytes) };
  return producer.append(NOTIFICATIONS, partition, record);
}

test('what comes while a request is in flight fills the next', async () => {
  const first = append(0);
  await turn();
  const others = [append(1), append(2)];
  await turn();
  expect(sent.map(({ partitions }) => partitions)).toEqual([[0]]);
  sent[0]?.answer();
  expect(await first).toBe(7);
  await turn();
  expect(sent.map(({ partitions }) => partitions)).toEqual([[0], [1, 2]]);
  sent[1]?.answer();
  expect(await Promise.all(others)).toEqual([7, 7]);
});

test('enough for a request of its own leaves beside the one in flight', async () => {
  void append(0);
  await turn();
  void append(1, 65_536);
  await turn();
  expect(sent.map(({ partitions }) => partitions)).toEqual([[0], [1]]);
});

test('a request that is late holds up nothing but its own partition', async () => {
  void append(0);
  await turn();
  void append(1);
  void append(0);
  await turn();
  expect(sent).toHaveLength(1);
  vi.advanceTimersByTime(200);
  await turn();
  expect(sent.map(({ partitions }) => partitions)).toEqual([[0], [1]]);
});
