/**
 * How a member of a group reads, in the place of kafkajs's own way (2.2.4): one fetch after the other from each broker,
 * and what it brings handed over at once. kafkajs goes through workers, offsets and copies of the assignment for each
 * of them, which at some hundred fetches a second was a sixth of what a router and a gateway did, and keeps positions
 * of its own, which have to be sought again after each rebalance. Connections, metadata, the group, and what to do when
 * one of them fails stay kafkajs's.
 */
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';
import type { EachBatchHandler } from 'kafkajs';
import { atMost } from '#runtime';
import { errorOf, type Broker } from './cluster.kafka.js';
import type { FetchedPartition, Place } from './fetch-bytes.kafka.js';
import { fetchFrom } from './fetch-request.kafka.js';

/** A partition that is read; see `PartitionTurns`. */
export interface Readable {
  readonly partition: number;
  /** The offset to fetch from now; undefined: it is busy with what it has, or nowhere yet. */
  readonly fetchFrom: number | undefined;
  /** Resolves when it can be fetched again. */
  take(fetched: FetchedPartition): Promise<void>;
}

export interface Readables {
  readonly topic: string;
  /** Those that are assigned to this member. */
  get(partition: number): Readable | undefined;
  all(): Iterable<Readable>;
  /** Nothing is there at that offset: it lies outside of the log. */
  onOutside(partition: number, offset: number): void;
}

interface PartitionMetadata {
  readonly partitionId: number;
  readonly leader: number;
}

interface Cluster {
  refreshMetadata(): Promise<void>;
  refreshMetadataIfNecessary(): Promise<void>;
  findBroker(of: { readonly nodeId: number }): Promise<Broker>;
  /** Another array after each refresh. */
  findTopicPartitionMetadata(topic: string): readonly PartitionMetadata[];
}

interface ConsumerGroup {
  readonly cluster: Cluster;
  getNodeIds(): readonly string[];
  /** Throws when the topic has other partitions than when the group was joined. */
  checkForStaleAssignment(): void;
  /** Resolves when fetching may go on; throws what it can do nothing about. */
  recoverFromFetch(error: unknown): Promise<void>;
}

/** Joins, and starts its fetch manager again and again until it is stopped. */
export interface Runner {
  readonly running: boolean;
  readonly consumerGroup: ConsumerGroup;
  readonly eachBatch: EachBatchHandler;
  fetchManager: unknown;
  start(): Promise<void>;
  /** If it is time. Rejects when the group has to be joined again. */
  heartbeat(): Promise<void>;
}

const require = createRequire(import.meta.url);
const { prototype } = require('kafkajs/src/consumer/runner') as { readonly prototype: Runner };
const { KafkaJSNoBrokerAvailableError: NoBrokerAvailable } = require('kafkajs/src/errors') as {
  readonly KafkaJSNoBrokerAvailableError: new () => Error;
};

const WAIT_MS_MAX = 500;
/** While partitions are busy that would be left out for as long as the broker waits. */
const BUSY_WAIT_MS_MAX = 50;
const BYTES_MAX = 10_485_760;
const PARTITION_BYTES_MAX = 1_048_576;
/** Partitions that take longer hold up the others no more: their store may be away alone. */
const LATE_MS = 1_000;
/** So many records are a backlog: more is fetched while they are worked on. */
const BACKLOG_RECORDS = 500;
const AGAIN_AFTER_MS = 100;
const OUT_OF_RANGE = 1;
/** Another broker leads it now, or none does for a moment. */
const MOVED = new Set([
  ...['NOT_LEADER_FOR_PARTITION', 'LEADER_NOT_AVAILABLE', 'REPLICA_NOT_AVAILABLE'],
  ...['FENCED_LEADER_EPOCH', 'UNKNOWN_LEADER_EPOCH', 'KAFKA_STORAGE_ERROR'],
]);

const readablesOf = new WeakMap<EachBatchHandler, Readables>();
const { start } = prototype;
prototype.start = function (this: Runner): Promise<void> {
  const readables = readablesOf.get(this.eachBatch);
  if (readables !== undefined) this.fetchManager = new FetchLoops(this, readables);
  return start.call(this);
};

/** For `consumer.run`: what stands for the partitions that are read in this way. */
export function readBy(readables: Readables): EachBatchHandler {
  const never: EachBatchHandler = () => Promise.reject(new Error('kafkajs reads by itself'));
  readablesOf.set(never, readables);
  return never;
}

/** A broker has come or gone. */
class BrokersChanged extends Error {}

/** One for each broker. */
export class FetchLoops {
  private isRunning = false;
  private ended: Promise<unknown> = Promise.resolve();
  private metadata: readonly PartitionMetadata[] = [];
  private readonly leaders = new Map<number, number>();

  constructor(
    private readonly runner: Runner,
    private readonly readables: Readables,
  ) {}

  /** Resolves when it was stopped; rejects when the group has to be joined again, or worse. */
  async start(): Promise<void> {
    for (;;) {
      const why = await this.readUntil();
      if (why === undefined) return;
      if (!(why instanceof BrokersChanged)) throw why;
    }
  }

  async stop(): Promise<void> {
    this.isRunning = false;
    await this.ended;
  }

  /** Resolves with why it ended; undefined: it was stopped. */
  private async readUntil(): Promise<unknown> {
    const nodes = this.group.getNodeIds();
    if (nodes.length === 0) throw new NoBrokerAvailable();
    this.isRunning = true;
    let why: unknown;
    const loops = nodes.map((node) =>
      this.readFrom(Number(node), nodes).catch((error: unknown) => {
        why ??= error;
        this.isRunning = false;
      }),
    );
    this.ended = Promise.all(loops);
    await this.ended;
    return why;
  }

  private get group(): ConsumerGroup {
    return this.runner.consumerGroup;
  }

  private async readFrom(nodeId: number, nodes: readonly string[]): Promise<void> {
    let ahead: Promise<readonly FetchedPartition[]> | undefined;
    while (this.isRunning && this.runner.running) {
      if (haveOthersCome(nodes, this.group.getNodeIds())) throw new BrokersChanged();
      const fetched = await (ahead ?? this.fetch(nodeId));
      if (fetched.length > 0) {
        const taken = this.handOver(fetched, ahead !== undefined);
        ahead = isBacklog(fetched) ? this.fetch(nodeId, fetched) : undefined;
        ahead?.catch(() => undefined); // said when it is waited for
        await atMost(LATE_MS, taken);
        await this.recover(fetched);
      } else ahead = undefined;
      await this.runner.heartbeat();
    }
  }

  /** `inHand`: of these partitions, from behind what was fetched before. */
  private async fetch(
    nodeId: number,
    inHand: readonly FetchedPartition[] = [],
  ): Promise<readonly FetchedPartition[]> {
    const { cluster } = this.group;
    try {
      await cluster.refreshMetadataIfNecessary();
      this.lookForLeaders();
      const { topic } = this.readables;
      const { places, isAnyBusy } = this.placesAt(nodeId, inHand);
      if (places.length === 0) {
        await pause(isAnyBusy ? BUSY_WAIT_MS_MAX : WAIT_MS_MAX);
        return [];
      }
      return await fetchFrom(await cluster.findBroker({ nodeId }), {
        ...{ topic, places, minBytes: 1, maxBytes: BYTES_MAX },
        partitionBytesMax: PARTITION_BYTES_MAX,
        maxWaitMs: isAnyBusy ? BUSY_WAIT_MS_MAX : WAIT_MS_MAX,
      });
    } catch (error) {
      await this.group.recoverFromFetch(error);
      return [];
    }
  }

  private placesAt(nodeId: number, inHand: readonly FetchedPartition[]) {
    const places: Place[] = [];
    let isAnyBusy = false;
    for (const { partition, fetchFrom } of this.readables.all()) {
      if (this.leaders.get(partition) !== nodeId) continue;
      const handed = inHand.find((one) => one.partition === partition);
      const offset = handed?.errorCode === 0 ? handed.next : fetchFrom;
      if (offset === undefined) isAnyBusy = true;
      else places.push({ partition, offset });
    }
    // A broker fills its answer in this order: none of them is always the last (KIP-74).
    const first = Math.floor(Math.random() * places.length);
    return { places: [...places.slice(first), ...places.slice(0, first)], isAnyBusy };
  }

  /** Resolves when all of it is taken. */
  private async handOver(fetched: readonly FetchedPartition[], isAhead: boolean): Promise<void> {
    const taken: Promise<void>[] = [];
    for (const one of fetched) {
      const readable = this.readables.get(one.partition);
      if (readable === undefined || one.errorCode !== 0) continue;
      // It is late with what came before: that must not pile up.
      if (isAhead && readable.fetchFrom === undefined) continue;
      taken.push(readable.take(one));
    }
    await Promise.all(taken);
  }

  /** From what the broker said of single partitions. */
  private async recover(fetched: readonly FetchedPartition[]): Promise<void> {
    for (const { partition, from, errorCode } of fetched) {
      if (errorCode === 0) continue;
      if (errorCode === OUT_OF_RANGE) {
        this.readables.onOutside(partition, from);
        continue;
      }
      const error = errorOf(errorCode);
      if (!MOVED.has(error.type)) return await this.group.recoverFromFetch(error);
      await pause(AGAIN_AFTER_MS);
      return await this.group.cluster.refreshMetadata();
    }
  }

  private lookForLeaders(): void {
    const metadata = this.group.cluster.findTopicPartitionMetadata(this.readables.topic);
    if (metadata === this.metadata) return;
    this.group.checkForStaleAssignment();
    this.metadata = metadata;
    this.leaders.clear();
    for (const { partitionId, leader } of metadata) this.leaders.set(partitionId, leader);
  }
}

/** Where none is known any more, those that were are asked again. */
function haveOthersCome(nodes: readonly string[], now: readonly string[]): boolean {
  if (now.length === 0) return false;
  return nodes.length !== now.length || !nodes.every((node) => now.includes(node));
}

function isBacklog(fetched: readonly FetchedPartition[]): boolean {
  let records = 0;
  for (const one of fetched) records += one.records.length;
  return records >= BACKLOG_RECORDS;
}
