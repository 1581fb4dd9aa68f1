/**
 * The bytes of a fetch, asked and answered. kafkajs 2.2.4 fetches without a session (KIP-227): every partition is named
 * in each request and answered each time, nearly always with nothing, and kafkajs sends what is empty through its
 * workers as well. At some hundred fetches a second that was the larger part of what a router did: an empty partition
 * is left out here as it is read.
 */
import { createRequire } from 'node:module';
import { Bytes } from './bytes.kafka.js';
import { decodeRecordBatches } from './record-batches.kafka.js';

/** As kafkajs hands it on. */
export interface Fetch {
  /** ms */
  readonly maxWaitTime: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isolationLevel: number;
  readonly topics: readonly {
    readonly topic: string;
    readonly partitions: readonly {
      readonly partition: number;
      readonly fetchOffset: string;
      readonly maxBytes: number;
    }[];
  }[];
}

/** kafkajs's own reader of bytes. */
interface Decoder {
  readonly buffer: Buffer;
  offset: number;
  readInt16(): number;
  readInt32(): number;
  readInt64(): bigint;
  readString(): string;
  readArray<Item>(read: (decoder: Decoder) => Item): Item[];
}

const require = createRequire(import.meta.url);
const DecoderOf = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => Decoder;
const decodeMessages = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages') as (
  from: Decoder,
) => Promise<unknown>;

const CONSUMER = -1;
const NO_SESSION = { id: 0, epoch: -1 };
const UNKNOWN = -1;
const HEAD_BYTES = 4 + 4 + 4 + 4 + 1 + 4 + 4 + 4;
const PARTITION_BYTES = 4 + 4 + 8 + 8 + 4;
/** No forgotten topics, no rack. */
const TAIL_BYTES = 4 + 2;

/** Body of a Fetch Request, version 11, without a session and a rack. Source: Kafka protocol guide. */
export function encodeFetch(request: Fetch): Buffer {
  let bytes = HEAD_BYTES + TAIL_BYTES;
  for (const { topic, partitions } of request.topics) {
    bytes += 2 + Buffer.byteLength(topic) + 4 + partitions.length * PARTITION_BYTES;
  }
  const out = new Bytes(bytes);
  out.int32(CONSUMER);
  out.int32(request.maxWaitTime);
  out.int32(request.minBytes);
  out.int32(request.maxBytes);
  out.int8(request.isolationLevel);
  out.int32(NO_SESSION.id);
  out.int32(NO_SESSION.epoch);
  out.int32(request.topics.length);
  for (const { topic, partitions } of request.topics) {
    out.string(topic);
    out.int32(partitions.length);
    for (const { partition, fetchOffset, maxBytes } of partitions) {
      out.int32(partition);
      out.int32(UNKNOWN); // the leader's epoch
      out.int64(Number(fetchOffset));
      out.int64(UNKNOWN); // where the log begins
      out.int32(maxBytes);
    }
  }
  out.int32(0);
  out.int16(0);
  return out.buffer;
}

/** Of a partition, from its number on: where its fields begin, and where the next one begins if it is empty. */
const AT = {
  errorCode: 4,
  abortedTransactions: 30,
  preferredReplica: 34,
  recordBytes: 38,
  end: 42,
};

/** Body of a Fetch Response, version 11, as kafkajs goes on with it. Rejects where the bytes end too early. */
export async function decodeFetched(bytes: Buffer): Promise<unknown> {
  const decoder = new DecoderOf(bytes);
  const clientSideThrottleTime = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const sessionId = decoder.readInt32();
  const responses: unknown[] = [];
  for (let topics = decoder.readInt32(); topics > 0; topics--) {
    const topicName = decoder.readString();
    const partitions: unknown[] = [];
    for (let left = decoder.readInt32(); left > 0; left--) {
      if (isEmpty(bytes, decoder.offset)) decoder.offset += AT.end;
      else partitions.push(await partitionFrom(decoder));
    }
    responses.push({ topicName, partitions });
  }
  // By KIP-219 it is the client that waits; `throttleTime` would be what the broker has waited.
  return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses };
}

function isEmpty(bytes: Buffer, at: number): boolean {
  return (
    bytes.readInt32BE(at + AT.recordBytes) <= 0 &&
    bytes.readInt16BE(at + AT.errorCode) === 0 &&
    bytes.readInt32BE(at + AT.abortedTransactions) <= 0 &&
    bytes.readInt32BE(at + AT.preferredReplica) === UNKNOWN
  );
}

async function partitionFrom(decoder: Decoder): Promise<unknown> {
  const partition = {
    partition: decoder.readInt32(),
    errorCode: decoder.readInt16(),
    highWatermark: String(decoder.readInt64()),
    lastStableOffset: String(decoder.readInt64()),
    lastStartOffset: String(decoder.readInt64()),
    abortedTransactions: decoder.readArray((one) => ({
      producerId: String(one.readInt64()),
      firstOffset: String(one.readInt64()),
    })),
    preferredReadReplica: decoder.readInt32(),
  };
  const isPlain = partition.abortedTransactions.length === 0;
  const messages =
    (isPlain ? plainRecordsFrom(decoder) : undefined) ?? (await decodeMessages(decoder));
  return { ...partition, messages };
}

/** undefined, and nothing is read: they are kafkajs's to read. */
function plainRecordsFrom(decoder: Decoder): unknown {
  const at = decoder.offset + 4;
  const end = at + decoder.buffer.readInt32BE(decoder.offset);
  if (end > decoder.buffer.length) return undefined;
  const records = decodeRecordBatches(decoder.buffer.subarray(at, end));
  if (records !== undefined) decoder.offset = Math.max(at, end);
  return records;
}
