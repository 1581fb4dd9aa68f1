/** What kafkajs keeps below its producer, without a network: leaders as a test wants them, and answers as it gives. */
import type { Kafka } from 'kafkajs';
import type { Broker, Cluster, Exchange } from './cluster.kafka.js';
import type { PartitionAnswer } from './produce-request.kafka.js';

export const OFFSET = 7;

/** A request that a broker was sent. */
export interface Sent {
  readonly nodeId: number;
  readonly topics: readonly { readonly topic: string; readonly partitions: readonly number[] }[];
  readonly partitions: readonly number[];
  /** With {@link OFFSET}, but for the partitions named here. */
  readonly answer: (errorCodes?: Readonly<Record<number, number>>) => void;
  readonly fail: (error: Error) => void;
}

export class FakeCluster {
  /** Of each topic the leader of each partition: -1 for none. */
  readonly leaders = new Map<string, readonly number[]>();
  readonly sent: Sent[] = [];
  /** Topics of each look at the metadata. */
  readonly looks: (readonly string[])[] = [];
  readonly removed: number[] = [];
  /** Brokers that cannot be connected to. */
  readonly away = new Set<number>();
  /** Called with each request instead of leaving it to the test. */
  onSent: ((sent: Sent) => void) | undefined;
  maxAgeMs = 300_000;

  get kafka(): Kafka {
    const key = Symbol('private:Kafka:createCluster');
    return { [key]: () => this.cluster } as unknown as Kafka;
  }

  private get cluster(): Cluster {
    const brokers = Object.fromEntries([1, 2, 3].map((nodeId) => [nodeId, this.broker(nodeId)]));
    const createBroker = (): Broker => this.broker(0);
    const brokerPool = { metadata: null, metadataExpireAt: null, brokers, createBroker };
    const targetTopics = new Set<string>();
    return {
      ...{ targetTopics, brokerPool },
      connect: () => Promise.resolve(),
      disconnect: () => Promise.resolve(),
      isConnected: () => true,
      refreshMetadata: () => {
        this.looks.push([...targetTopics]);
        Object.assign(brokerPool, {
          metadata: this.metadata([...targetTopics]),
          metadataExpireAt: Date.now() + this.maxAgeMs,
        });
        return Promise.resolve();
      },
      findBroker: ({ nodeId }) => Promise.reject(new Error(`cannot connect to ${nodeId}`)),
      removeBroker: ({ port }) => void this.removed.push(port),
    };
  }

  private metadata(topics: readonly string[]) {
    const topicMetadata = topics.map((topic) => ({
      ...{ topic, topicErrorCode: this.leaders.has(topic) ? 0 : 3 },
      partitionMetadata: (this.leaders.get(topic) ?? []).map((leader, partitionId) => ({
        ...{ partitionErrorCode: leader < 0 ? 5 : 0, partitionId, leader },
      })),
    }));
    return { topicMetadata };
  }

  private broker(nodeId: number): Broker {
    return {
      ...{ nodeId, versions: { 0: { maxVersion: 9 } } },
      connectionPool: { host: 'broker', port: nodeId, send: (of) => this.send(nodeId, of) },
      metadata: () => Promise.resolve(undefined),
      lookupRequest: () => () => {
        throw new Error('not asked by it');
      },
      isConnected: () => !this.away.has(nodeId),
      disconnect: () => Promise.resolve(),
    };
  }

  private async send(nodeId: number, { request }: Exchange): Promise<unknown> {
    const topics = topicsIn((await request.encode()).buffer);
    return new Promise((resolve, fail) => {
      const answer: Sent['answer'] = (errorCodes = {}) =>
        resolve({
          topics: topics.map(({ topic, partitions }) => ({
            topicName: topic,
            partitions: partitions.map((partition) => answerOf(partition, errorCodes[partition])),
          })),
        });
      const partitions = topics.flatMap((one) => one.partitions);
      const sent = { nodeId, topics, partitions, answer, fail };
      this.sent.push(sent);
      this.onSent?.(sent);
    });
  }
}

function answerOf(partition: number, errorCode = 0): PartitionAnswer {
  return { partition, errorCode, baseOffset: errorCode === 0 ? String(OFFSET) : '-1' };
}

/** Of a produce request. */
function topicsIn(bytes: Buffer): Sent['topics'] {
  let at = 2 + 2 + 4;
  const int32 = (): number => bytes.readInt32BE((at += 4) - 4);
  return Array.from({ length: int32() }, () => {
    const length = bytes.readInt16BE(at);
    const topic = bytes.toString('utf8', at + 2, (at += 2 + length));
    const partitions = Array.from({ length: int32() }, () => {
      const partition = int32();
      const batchBytes = int32();
      at += batchBytes;
      return partition;
    });
    return { topic, partitions };
  });
}
