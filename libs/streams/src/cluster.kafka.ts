/**
 * What kafkajs 2.2.4 keeps below its producer and consumer: connections to brokers, and what it knows of them. Its
 * producer copies each record several times on the way down to here and fails all of a request for one leader.
 */
import { createRequire } from 'node:module';
import type { Kafka } from 'kafkajs';

/** A request, and how its answer is read. */
export interface Exchange {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    /** `buf`: by what kafkajs knows an encoder. */
    readonly encode: () => Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
    readonly expectResponse?: () => boolean;
  };
  readonly response: {
    readonly decode: (bytes: Buffer) => Promise<unknown>;
    readonly parse: (decoded: unknown) => Promise<unknown>;
  };
  /** ms; default: that of the client. */
  readonly requestTimeout?: number;
}

export interface Broker {
  readonly nodeId: number | null;
  readonly versions: Readonly<Record<number, { readonly maxVersion: number }>> | null;
  readonly connectionPool: {
    readonly host: string;
    readonly port: number;
    /** Throttled as the broker asked for (KIP-219). */
    send(exchange: Exchange): Promise<unknown>;
  };
  metadata: (topics: readonly string[]) => Promise<unknown>;
  lookupRequest(apiKey: number, api: unknown): (asked: object) => Exchange;
  isConnected(): boolean;
  disconnect(): Promise<void>;
}

export interface Metadata {
  readonly topicMetadata: readonly {
    readonly topic: string;
    readonly topicErrorCode: number;
    readonly partitionMetadata: readonly {
      readonly partitionId: number;
      /** -1: none. */
      readonly leader: number;
    }[];
  }[];
}

export interface BrokerPool {
  /** Another object after each look. */
  readonly metadata: Metadata | null;
  /** null: look before the next use. */
  readonly metadataExpireAt: number | null;
  readonly brokers: Readonly<Record<number, Broker>>;
  createBroker: (options: unknown) => Broker;
}

export interface Cluster {
  /** What is asked for in a look. */
  readonly targetTopics: Set<string>;
  readonly brokerPool: BrokerPool;
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  isConnected(): boolean;
  /** One look at a time: who asks while there is one gets its answer. */
  refreshMetadata(): Promise<void>;
  findBroker(which: { readonly nodeId: number }): Promise<Broker>;
  removeBroker(address: { readonly host: string; readonly port: number }): void;
}

type CreateCluster = (options: {
  readonly metadataMaxAge: number;
  readonly allowAutoTopicCreation: boolean;
}) => Cluster;

const require = createRequire(import.meta.url);
/** What a broker answered, in words. */
export const { createErrorFromCode: errorOf } = require('kafkajs/src/protocol/error') as {
  readonly createErrorFromCode: (code: number) => Error & { readonly type: string };
};

const CREATE = 'private:Kafka:createCluster';

export function createCluster(kafka: Kafka, metadataMaxAgeMs: number): Cluster {
  const key = Object.getOwnPropertySymbols(kafka).find(({ description }) => description === CREATE);
  if (key === undefined) throw new Error(`kafkajs is another than 2.2.4: it has no ${CREATE}`);
  const create = (kafka as unknown as Record<symbol, CreateCluster>)[key] as CreateCluster;
  return create({ metadataMaxAge: metadataMaxAgeMs, allowAutoTopicCreation: false });
}

/** As kafkajs: a connection that was closed is given up, so that the next use makes another. */
export async function ask(broker: Broker, exchange: Exchange): Promise<unknown> {
  try {
    return await broker.connectionPool.send(exchange);
  } catch (error) {
    if (isClosed(error)) await broker.disconnect();
    throw error;
  }
}

export function isClosed(error: unknown): boolean {
  return error instanceof Error && error.name === 'KafkaJSConnectionClosedError';
}
