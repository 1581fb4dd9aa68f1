import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakeCluster, OFFSET } from './fake-cluster.contract.js';
import { KafkaProducer } from './producer.kafka.js';
import { NOTIFICATIONS, SUBSCRIPTIONS } from './streams.js';

const LEADER_NOT_AVAILABLE = 5;
const NOT_LEADER_FOR_PARTITION = 6;
/** Longer than a repeat takes. */
const NO_REPEAT_MS = 450;

const record = { key: Buffer.from('k'), value: Buffer.from('v') };
const closed = () => Object.assign(new Error('closed'), { name: 'KafkaJSConnectionClosedError' });

let cluster: FakeCluster;
let producer: KafkaProducer;
const failures: Error[] = [];

beforeEach(async () => {
  cluster = new FakeCluster();
  cluster.leaders.set(NOTIFICATIONS, [1, 2, 1]);
  failures.length = 0;
  producer = await KafkaProducer.connect({
    ...{ kafka: cluster.kafka, prefix: '', deadlineMs: 2_000, waitingBytesMax: 1_000_000 },
    onFailure: (error) => failures.push(error),
  });
});
afterEach(() => producer.close());

const append = (partition: number, stream = NOTIFICATIONS): Promise<unknown> =>
  producer.append(stream, partition, record).catch((error: unknown) => error);
const sentTo = (): readonly (readonly [number, readonly number[]])[] =>
  cluster.sent.map(({ nodeId, partitions }) => [nodeId, partitions]);
const sentTimes = (times: number): Promise<void> =>
  vi.waitFor(() => expect(cluster.sent).toHaveLength(times));

test('each leader is sent its share, and the shares are answered by themselves', async () => {
  const appends = [0, 1, 2].map((partition) => append(partition));
  await sentTimes(2);
  expect(sentTo()).toEqual([
    [1, [0, 2]],
    [2, [1]],
  ]);
  cluster.sent[0]?.answer();
  expect(await Promise.all([appends[0], appends[2]])).toEqual([OFFSET, OFFSET]);
  cluster.sent[1]?.answer();
  expect(await appends[1]).toBe(OFFSET);
});

test('a leader that goes takes with it what it was sent, which is not sent again, and nothing else', async () => {
  const [first, second] = [append(0), append(1)];
  await sentTimes(2);
  cluster.sent[1]?.fail(closed());
  expect(await second).toMatchObject({ isFateUnknown: true });
  cluster.sent[0]?.answer();
  expect(await first).toBe(OFFSET);
  await pause(NO_REPEAT_MS);
  expect(cluster.sent).toHaveLength(2);
  expect([cluster.removed, cluster.looks.length]).toEqual([[2], 2]);
});

test('what a leader was not sent since nobody can connect to it is sent when somebody can', async () => {
  cluster.away.add(2);
  const [first, second] = [append(0), append(1)];
  await sentTimes(1);
  cluster.sent[0]?.answer();
  expect(await first).toBe(OFFSET);
  await vi.waitFor(() => expect(failures).toHaveLength(1));
  cluster.away.clear();
  await sentTimes(2);
  cluster.sent[1]?.answer();
  expect(await second).toBe(OFFSET);
  expect(sentTo()).toEqual([
    [1, [0]],
    [2, [1]],
  ]);
});

test('what a broker has surely not appended is sent to the leader that there is now', async () => {
  const appended = append(0);
  await sentTimes(1);
  cluster.leaders.set(NOTIFICATIONS, [3, 2, 1]);
  cluster.sent[0]?.answer({ 0: LEADER_NOT_AVAILABLE });
  await sentTimes(2);
  cluster.sent[1]?.answer();
  expect(await appended).toBe(OFFSET);
  expect(sentTo()).toEqual([
    [1, [0]],
    [3, [0]],
  ]);
});

test('what a former leader may have appended is sent again only if it may be there twice', async () => {
  const repeated = producer.appendUntilIn(NOTIFICATIONS, 0, [record]);
  await sentTimes(1);
  cluster.leaders.set(NOTIFICATIONS, [3, 3, 3]);
  cluster.sent[0]?.answer({ 0: NOT_LEADER_FOR_PARTITION });
  await sentTimes(2);
  expect(cluster.sent[1]?.nodeId).toBe(3);
  cluster.sent[1]?.answer();
  await repeated;
  const once = append(1);
  await sentTimes(3);
  cluster.sent[2]?.answer({ 1: NOT_LEADER_FOR_PARTITION });
  expect(await once).toMatchObject({ isFateUnknown: true });
  await pause(NO_REPEAT_MS);
  expect(cluster.sent).toHaveLength(3);
});

test('who leads instead of a broker that does not answer is looked up', async () => {
  const repeated = producer.appendUntilIn(NOTIFICATIONS, 0, [record]);
  await sentTimes(1);
  cluster.leaders.set(NOTIFICATIONS, [3, 2, 1]);
  cluster.sent[0]?.fail(new Error('timed out'));
  await sentTimes(2);
  cluster.sent[1]?.answer();
  await repeated;
  expect(sentTo()).toEqual([
    [1, [0]],
    [3, [0]],
  ]);
});

test('a broker that refuses one partition of a request has appended to the others', async () => {
  const [first, third] = [append(0), append(2)];
  await sentTimes(1);
  cluster.sent[0]?.answer({ 2: NOT_LEADER_FOR_PARTITION });
  expect(await first).toBe(OFFSET);
  expect(await third).toMatchObject({ isFateUnknown: true });
});

test('a stream that is not there fails by itself, and is asked for only when something is for it', async () => {
  cluster.onSent = ({ answer }) => answer();
  const gone = append(0, SUBSCRIPTIONS);
  expect(await append(0)).toBe(OFFSET);
  await vi.waitFor(() => expect(failures.length).toBeGreaterThan(1));
  expect(failures[0]?.message).toMatch(/^Kafka: KafkaJSProtocolError: This server does not host/);
  expect(await append(1)).toBe(OFFSET);
  cluster.leaders.set(SUBSCRIPTIONS, [2]);
  expect(await gone).toBe(OFFSET);
  const looks = cluster.looks.length;
  expect(await Promise.all([append(0), append(0, SUBSCRIPTIONS)])).toEqual([OFFSET, OFFSET]);
  expect(cluster.looks).toHaveLength(looks);
});

test('a partition that its stream does not have is refused at once', async () => {
  const refused = append(3);
  expect(await refused).toMatchObject({ isFateUnknown: true });
  expect([cluster.sent, cluster.looks.length]).toEqual([[], 1]);
});

test('a partition without a leader waits for one, and holds up no other', async () => {
  cluster.onSent = ({ answer }) => answer();
  cluster.leaders.set(NOTIFICATIONS, [1, -1]);
  const leaderless = append(1);
  expect(await append(0)).toBe(OFFSET);
  await vi.waitFor(() => expect(failures.length).toBeGreaterThan(1));
  cluster.leaders.set(NOTIFICATIONS, [1, 2]);
  expect(await leaderless).toBe(OFFSET);
  expect(cluster.sent.at(-1)?.nodeId).toBe(2);
});

test('who leads is looked up once, and again when that is too old', async () => {
  cluster.onSent = ({ answer }) => answer();
  cluster.maxAgeMs = -1;
  await append(0);
  await append(1);
  cluster.maxAgeMs = 300_000;
  await append(2);
  await append(0);
  expect(cluster.looks).toEqual([[NOTIFICATIONS], [NOTIFICATIONS], [NOTIFICATIONS]]);
});
