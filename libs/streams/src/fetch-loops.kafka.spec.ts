import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { Fetch, FetchedPartition } from './fetch-bytes.kafka.js';
import { FetchLoops, type Readable, type Runner } from './fetch-loops.kafka.js';

type Answer = (asked: Fetch) => Promise<readonly FetchedPartition[]> | readonly FetchedPartition[];

const TOPIC = 'notifications';
const NOT_LEADER = 6;
const OUT_OF_RANGE = 1;
const UNKNOWN_SERVER_ERROR = -1;

/** What kafkajs is to the loops: two brokers, of which the first leads the partitions below 2. */
class FakeGroup {
  nodes = ['1', '2'];
  metadata = metadataOf([1, 1, 2, 2]);
  readonly asked: Record<string, Fetch[]> = { 1: [], 2: [] };
  readonly recovered: unknown[] = [];
  refreshes = 0;
  heartbeats = 0;
  nextHeartbeat: () => Promise<void> = () => Promise.resolve();
  readonly answers: Record<string, Answer> = {};

  readonly runner = {
    running: true,
    consumerGroup: {
      getNodeIds: () => this.nodes,
      checkForStaleAssignment: () => undefined,
      recoverFromFetch: async (error: unknown) => {
        this.recovered.push(error);
        await pause(5);
      },
      cluster: {
        refreshMetadata: () => Promise.resolve(void this.refreshes++),
        refreshMetadataIfNecessary: () => Promise.resolve(),
        findTopicPartitionMetadata: () => this.metadata,
        findBroker: ({ nodeId }: { readonly nodeId: number }) =>
          Promise.resolve({
            lookupRequest: () => (asked: unknown) => asked,
            connectionPool: { send: (asked: Fetch) => this.answer(nodeId, asked) },
          }),
      },
    },
    heartbeat: () => {
      this.heartbeats++;
      return this.nextHeartbeat();
    },
  } as unknown as Runner;

  private async answer(nodeId: number, asked: Fetch) {
    this.asked[nodeId]?.push(asked);
    const partitions = (await this.answers[nodeId]?.(asked)) ?? [];
    if (partitions.length === 0) await pause(5);
    return { partitions };
  }
}

class Partition implements Readable {
  readonly taken: FetchedPartition[] = [];
  fetchFrom: number | undefined = 0;
  /** Takes at once, or when it is let. */
  isSlow = false;
  let: () => void = () => undefined;

  constructor(readonly partition: number) {}

  async take(fetched: FetchedPartition): Promise<void> {
    this.taken.push(fetched);
    this.fetchFrom = undefined;
    if (this.isSlow) await new Promise<void>((resolve) => (this.let = resolve));
    this.fetchFrom = fetched.next;
  }
}

const metadataOf = (leaders: readonly number[]) =>
  leaders.map((leader, partitionId) => ({ partitionId, leader }));

/** So many records from where each of these partitions was asked for. */
const records =
  (count: number, ...partitions: readonly number[]): Answer =>
  ({ places }) =>
    places
      .filter(({ partition }) => partitions.includes(partition))
      .map(({ partition, offset }) => ({
        ...{ partition, from: offset, errorCode: 0, next: offset + count },
        records: Array.from({ length: count }, (_, i) => ({
          ...{ offset: offset + i, at: 0, key: Buffer.alloc(0), value: null },
        })),
      }));

/** One answer after the other, then nothing. */
const once = (...answers: readonly Answer[]): Answer => {
  const left = [...answers];
  return (asked) => left.shift()?.(asked) ?? [];
};

const failed =
  (partition: number, errorCode: number): Answer =>
  ({ places }) => {
    const from = places.find((place) => place.partition === partition)?.offset ?? 0;
    return [{ partition, from, errorCode, records: [], next: from }];
  };

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

function reading() {
  const group = new FakeGroup();
  const partitions = [0, 1, 2, 3].map((partition) => new Partition(partition));
  const outside: [number, number][] = [];
  const loops = new FetchLoops(group.runner, {
    topic: TOPIC,
    get: (partition) => partitions[partition],
    all: () => partitions,
    onOutside: (...where) => outside.push(where),
  });
  const start = (): Promise<unknown> => {
    const ended = loops.start().then(
      () => 'stopped',
      (error: unknown) => error,
    );
    stops.push(() => loops.stop());
    return ended;
  };
  const [first, second] = partitions as [Partition, Partition];
  return { group, partitions, outside, loops, start, first, second };
}

describe('a loop', () => {
  test('asks the broker that leads a partition, from where the partition goes on', async () => {
    const { group, partitions, start, loops } = reading();
    for (const [i, one] of partitions.entries()) one.fetchFrom = 10 * i;
    group.answers[1] = once(records(3, 1));
    const ended = start();
    await expect.poll(() => partitions[1]?.fetchFrom).toBe(13);
    await expect.poll(() => group.asked[1]?.length).toBeGreaterThan(2);
    await loops.stop();
    expect(await ended).toBe('stopped');
    const placesOf = (node: number, at: number) =>
      [...(group.asked[node]?.at(at)?.places ?? [])].sort((a, b) => a.partition - b.partition);
    expect(placesOf(1, 0)).toEqual([at(0, 0), at(1, 10)]);
    expect(placesOf(1, 1)).toEqual([at(0, 0), at(1, 13)]);
    expect(placesOf(2, 0)).toEqual([at(2, 20), at(3, 30)]);
    expect(new Set(group.asked[1]?.map(({ places }) => places[0]?.partition))).toEqual(
      new Set([0, 1]),
    );
    expect(group.heartbeats).toBeGreaterThan(2);
  });

  test('goes on without a partition that takes long, and waits no long time at the broker meanwhile', async () => {
    const { group, start, first, second } = reading();
    first.isSlow = true;
    group.answers[1] = once(records(1, 0, 1), records(1, 1), records(1, 1));
    void start();
    await expect.poll(() => second.taken.length, { timeout: 5_000 }).toBe(3);
    expect(first.taken.length).toBe(1);
    const waits = group.asked[1]?.map(({ maxWaitMs, places }) => [places.length, maxWaitMs]);
    expect(waits?.[0]).toEqual([2, 500]);
    expect(waits?.[1]).toEqual([1, 50]);
    first.let();
    await expect.poll(() => group.asked[1]?.at(-1)?.places.length).toBe(2);
  });

  test('fetches what comes behind a backlog while that is worked on, and only then', async () => {
    const { group, start, first } = reading();
    first.isSlow = true;
    group.answers[1] = once(records(499, 0), records(500, 0), records(1, 0));
    void start();
    await expect.poll(() => first.taken.length).toBe(1);
    await pause(50);
    expect(group.asked[1]?.length).toBe(1);
    first.let();
    await expect.poll(() => group.asked[1]?.length).toBe(3);
    expect(first.taken.length).toBe(2);
    expect(group.asked[1]?.[2]?.places).toContainEqual(at(0, 999));
    first.let();
    await expect.poll(() => first.taken.length).toBe(3);
    expect(first.taken.map(({ from }) => from)).toEqual([0, 499, 999]);
    first.let();
  });

  test('gives a partition that is late with its backlog nothing more to keep', async () => {
    const { group, start, first } = reading();
    first.isSlow = true;
    group.answers[1] = once(records(500, 0), records(500, 0), records(500, 0));
    void start();
    await expect.poll(() => group.asked[1]?.length, { timeout: 5_000 }).toBeGreaterThan(4);
    expect(first.taken.length).toBe(1);
    expect(group.asked[1]?.at(-1)?.places).not.toContainEqual(at(0, expect.any(Number)));
    first.let();
    await expect.poll(() => group.asked[1]?.at(-1)?.places).toContainEqual(at(0, 500));
  });

  test('says that a place is outside of the log, and gives the others what they have', async () => {
    const { group, start, outside, second } = reading();
    group.answers[1] = once((asked) => [
      ...(failed(0, OUT_OF_RANGE)(asked) as FetchedPartition[]),
      ...(records(2, 1)(asked) as FetchedPartition[]),
    ]);
    void start();
    await expect.poll(() => outside).toEqual([[0, 0]]);
    expect(second.taken.length).toBe(1);
  });

  test('looks around for a partition that has moved, without leaving the group', async () => {
    const { group, start } = reading();
    group.answers[1] = once(failed(0, NOT_LEADER));
    void start();
    await expect.poll(() => group.refreshes).toBe(1);
    group.metadata = metadataOf([2, 1, 2, 2]);
    await expect.poll(() => group.asked[2]?.at(-1)?.places).toContainEqual(at(0, 0));
    expect(group.recovered).toEqual([]);
  });

  test('leaves to kafkajs what else a partition or a broker says', async () => {
    const { group, start } = reading();
    group.answers[1] = once(failed(0, UNKNOWN_SERVER_ERROR), () =>
      Promise.reject(new Error('gone')),
    );
    void start();
    await expect.poll(() => group.recovered.length).toBe(2);
    expect(group.recovered.map((error) => (error as { readonly type?: string }).type)).toEqual([
      'UNKNOWN',
      undefined,
    ]);
  });

  test('is one for each broker that is there now', async () => {
    const { group, start } = reading();
    void start();
    await expect.poll(() => group.asked[1]?.length).toBeGreaterThan(0);
    group.nodes = [];
    const asked = group.asked[1]?.length ?? 0;
    await expect.poll(() => group.asked[1]?.length).toBeGreaterThan(asked + 2);
    group.asked[3] = [];
    group.metadata = metadataOf([3, 3, 3, 3]);
    group.nodes = ['3'];
    await expect.poll(() => group.asked[3]?.at(-1)?.places.length).toBe(4);
  });

  test('ends all of them when the group has to be joined again', async () => {
    const { group, start } = reading();
    const rebalancing = new Error('rebalancing');
    const ended = start();
    await expect.poll(() => group.heartbeats).toBeGreaterThan(0);
    group.nextHeartbeat = () => Promise.reject(rebalancing);
    expect(await ended).toBe(rebalancing);
    const asked = group.asked[2]?.length;
    await pause(30);
    expect(group.asked[2]?.length).toBe(asked);
  });
});

function at(partition: number, offset: number) {
  return { partition, offset };
}
