/**
 * Who leads each partition, and the way to it. A look at the metadata takes what it is told: kafkajs fails all of it
 * for one topic that is not there (the stream of a gateway that was taken down), and looks until every partition has
 * a leader. Here only what is appended to those fails.
 */
import { createRequire } from 'node:module';
import type { Kafka } from 'kafkajs';
import type { Load } from './append-queue.kafka.js';
import { ask, createCluster, errorOf, isClosed } from './cluster.kafka.js';
import type { Broker, Cluster, Metadata } from './cluster.kafka.js';

export interface LeadersOptions {
  readonly kafka: Kafka;
  /** How long leaders of partitions are believed, ms; default: 5 min. */
  readonly metadataMaxAgeMs?: number;
}

/** The loads of one request by who leads their partitions. */
export interface Split {
  readonly shares: ReadonlyMap<number, readonly Load[]>;
  /** Nobody is known to lead these. */
  readonly leaderless: readonly Load[];
}

const require = createRequire(import.meta.url);
const METADATA = 3;
const metadataApi = require('kafkajs/src/protocol/requests/metadata') as unknown;

const UNKNOWN_TOPIC_OR_PARTITION = 3;
const LEADER_NOT_AVAILABLE = 5;
/** The first may be another's, who did not ask for our topics. */
const LOOKS_MAX = 2;

export class Leaders {
  private readonly cluster: Cluster;
  /** From what the two below were made. */
  private seen: Metadata | null = null;
  private byTopic = new Map<string, readonly number[]>();
  private troubles = new Map<string, number>();
  private isOver = false;

  constructor({ kafka, metadataMaxAgeMs = 300_000 }: LeadersOptions) {
    this.cluster = createCluster(kafka, metadataMaxAgeMs);
    const { brokerPool } = this.cluster;
    const createBroker = brokerPool.createBroker.bind(brokerPool);
    brokerPool.createBroker = (options) => {
      const broker = createBroker(options);
      broker.metadata = (topics) => askMetadata(broker, topics);
      return broker;
    };
  }

  connect(): Promise<void> {
    return this.cluster.connect();
  }

  disconnect(): Promise<void> {
    this.isOver = true;
    return this.cluster.disconnect();
  }

  /** Looks before, if what is known is too old or not enough. Rejects when it cannot. */
  async split(loads: readonly Load[]): Promise<Split> {
    let split = this.isOld ? undefined : this.grouped(loads);
    for (let looks = 0; looks < LOOKS_MAX && this.isLookNeeded(split, looks); looks++) {
      for (const { place } of loads) this.cluster.targetTopics.add(place.topic);
      await this.cluster.refreshMetadata();
      split = this.grouped(loads);
    }
    return split ?? this.grouped(loads);
  }

  /** Connected. */
  async broker(nodeId: number): Promise<Broker> {
    const broker = this.cluster.brokerPool.brokers[nodeId];
    if (broker?.isConnected()) return broker;
    return this.cluster.findBroker({ nodeId });
  }

  /** Why nobody leads it. undefined: its topic has no such partition. */
  trouble({ place: { topic, partition } }: Load): Error | undefined {
    const leaders = this.byTopic.get(topic);
    if (!leaders) return errorOf(this.troubles.get(topic) ?? UNKNOWN_TOPIC_OR_PARTITION);
    return leaders[partition] === undefined ? undefined : errorOf(LEADER_NOT_AVAILABLE);
  }

  /** After a failure, which is often that another leads by now. As kafkajs's producer; never rejects. */
  async lookAround(error: unknown, broker?: Broker): Promise<void> {
    const { cluster } = this;
    if (this.isOver) return;
    try {
      // Another of that address may have taken its place already.
      const isKnown = broker && Object.values(cluster.brokerPool.brokers).includes(broker);
      if (isKnown && isClosed(error)) cluster.removeBroker(broker.connectionPool);
      if (!cluster.isConnected()) await cluster.connect();
      await cluster.refreshMetadata();
    } catch {
      // The next request looks again.
    }
  }

  private get isOld(): boolean {
    const { metadata, metadataExpireAt } = this.cluster.brokerPool;
    return metadata === null || metadataExpireAt === null || Date.now() > metadataExpireAt;
  }

  private isLookNeeded(split: Split | undefined, looks: number): boolean {
    if (split === undefined) return true;
    if (looks === 0) return split.leaderless.length > 0;
    const isUnasked = ({ place: { topic } }: Load): boolean =>
      !this.byTopic.has(topic) && !this.troubles.has(topic);
    return split.leaderless.some(isUnasked);
  }

  private grouped(loads: readonly Load[]): Split {
    this.read();
    const shares = new Map<number, Load[]>();
    const leaderless: Load[] = [];
    for (const load of loads) {
      const leader = this.byTopic.get(load.place.topic)?.[load.place.partition] ?? -1;
      const share = leader < 0 ? leaderless : shares.get(leader);
      if (share) share.push(load);
      else shares.set(leader, [load]);
    }
    return { shares, leaderless };
  }

  /** Of what is not there nothing is asked again before it is appended to. */
  private read(): void {
    const { metadata } = this.cluster.brokerPool;
    if (metadata === this.seen) return;
    this.seen = metadata;
    this.byTopic = new Map();
    this.troubles = new Map();
    for (const { topic, topicErrorCode, partitionMetadata } of metadata?.topicMetadata ?? []) {
      if (topicErrorCode === UNKNOWN_TOPIC_OR_PARTITION) this.cluster.targetTopics.delete(topic);
      if (topicErrorCode !== 0) {
        this.troubles.set(topic, topicErrorCode);
        continue;
      }
      const leaders: number[] = [];
      for (const { partitionId, leader } of partitionMetadata) leaders[partitionId] = leader;
      this.byTopic.set(topic, leaders);
    }
  }
}

/** As kafkajs asks, without its verdict on the answer. */
function askMetadata(broker: Broker, topics: readonly string[]): Promise<unknown> {
  const asked = { topics, allowAutoTopicCreation: false };
  const { request, response } = broker.lookupRequest(METADATA, metadataApi)(asked);
  const { decode } = response;
  return ask(broker, { request, response: { decode, parse: (told) => Promise.resolve(told) } });
}
