/**
 * The bytes of a fetch, asked and answered. Without a session (KIP-227) every partition is named in each request and
 * answered each time, nearly always with nothing: an empty one is left out here as it is read.
 */
import { createRequire } from 'node:module';
import { Bytes } from './bytes.kafka.js';
import { decodeRecordBatches, int64 } from './record-batches.kafka.js';
import { fromTheirs, type TheirMessages } from './their-batches.kafka.js';
import type { LogRecord } from './record.js';

/** Of one topic. */
export interface Fetch {
  readonly topic: string;
  readonly maxWaitMs: number;
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly partitionBytesMax: number;
  readonly places: readonly Place[];
}

/** Where reading goes on. */
export interface Place {
  readonly partition: number;
  readonly offset: number;
}

/** What came of a partition that has something to say. */
export interface FetchedPartition {
  readonly partition: number;
  /** The offset that was asked for; none of the records is below it. */
  readonly from: number;
  /** 0: none. Source: Kafka protocol guide, "Error Codes". */
  readonly errorCode: number;
  readonly records: readonly LogRecord[];
  /** The offset at which reading goes on, not below `from`. */
  readonly next: number;
}

export interface Fetched {
  /** ms; by KIP-219 it is the client that waits. */
  readonly clientSideThrottleTime: number;
  readonly partitions: readonly FetchedPartition[];
}

const require = createRequire(import.meta.url);
const DecoderOf = require('kafkajs/src/protocol/decoder') as new (bytes: Buffer) => object;
const decodeMessages = require('kafkajs/src/protocol/requests/fetch/v4/decodeMessages') as (
  from: object,
) => Promise<TheirMessages>;

const CONSUMER = -1;
export const READ_COMMITTED = 1;
const NO_SESSION = { id: 0, epoch: -1 };
const UNKNOWN = -1;
const HEAD_BYTES = 4 + 4 + 4 + 4 + 1 + 4 + 4 + 4;
const PARTITION_BYTES = 4 + 4 + 8 + 8 + 4;
/** No forgotten topics, no rack. */
const TAIL_BYTES = 4 + 2;

/** Body of a Fetch Request, version 11, without a session and a rack. Source: Kafka protocol guide. */
export function encodeFetch(request: Fetch): Buffer {
  const { topic, places } = request;
  const topicBytes = 2 + Buffer.byteLength(topic) + 4 + places.length * PARTITION_BYTES;
  const out = new Bytes(HEAD_BYTES + topicBytes + TAIL_BYTES);
  out.int32(CONSUMER);
  out.int32(request.maxWaitMs);
  out.int32(request.minBytes);
  out.int32(request.maxBytes);
  out.int8(READ_COMMITTED);
  out.int32(NO_SESSION.id);
  out.int32(NO_SESSION.epoch);
  out.int32(1);
  out.string(topic);
  out.int32(places.length);
  for (const { partition, offset } of places) {
    out.int32(partition);
    out.int32(UNKNOWN); // the leader's epoch
    out.int64(offset);
    out.int64(UNKNOWN); // where the log begins
    out.int32(request.partitionBytesMax);
  }
  out.int32(0);
  out.int16(0);
  return out.buffer;
}

/** Of an answer's head: behind what is throttled come an error and a session, of which there are none. */
const TOPICS_AT = 10;
/** Of a partition, from its number on; behind the aborted transactions come the replica and the records. */
const AT = { errorCode: 4, highWatermark: 6, aborted: 30 };
const ABORTED_BYTES = 16;
/** From the end of the aborted transactions. */
const BEHIND = { recordBytes: 4, records: 8 };

/** Body of a Fetch Response, version 11. Rejects where the bytes end too early. */
export async function decodeFetched(bytes: Buffer, { places }: Fetch): Promise<Fetched> {
  const offsets = offsetsOf(places);
  const partitions: FetchedPartition[] = [];
  let at = TOPICS_AT + 4;
  for (let topics = bytes.readInt32BE(TOPICS_AT); topics > 0; topics--) {
    at += 2 + bytes.readInt16BE(at);
    let left = bytes.readInt32BE(at);
    for (at += 4; left > 0; left--) {
      const head = headAt(bytes, at);
      const { partition, errorCode, recordsAt, end } = head;
      const from = offsets.get(partition) ?? 0;
      if (errorCode !== 0) partitions.push({ partition, from, errorCode, records: [], next: from });
      else if (end > recordsAt) {
        const plain =
          head.aborted === 0
            ? decodeRecordBatches(bytes.subarray(recordsAt, end), from)
            : undefined;
        const { records, next } = plain ?? (await readByThem(bytes, head, from));
        if (next > from) partitions.push({ partition, from, errorCode, records, next });
      }
      at = end;
    }
  }
  return { clientSideThrottleTime: bytes.readInt32BE(0), partitions };
}

export function offsetsOf(places: readonly Place[]): ReadonlyMap<number, number> {
  const offsets = new Map<number, number>();
  for (const { partition, offset } of places) offsets.set(partition, offset);
  return offsets;
}

interface Head {
  readonly at: number;
  readonly partition: number;
  readonly errorCode: number;
  /** How many transactions. */
  readonly aborted: number;
  readonly recordsAt: number;
  /** Of the partition. */
  readonly end: number;
}

function headAt(bytes: Buffer, at: number): Head {
  const aborted = Math.max(0, bytes.readInt32BE(at + AT.aborted));
  const replicaAt = at + AT.aborted + 4 + aborted * ABORTED_BYTES;
  const recordsAt = replicaAt + BEHIND.records;
  const end = recordsAt + Math.max(0, bytes.readInt32BE(replicaAt + BEHIND.recordBytes));
  if (end > bytes.length)
    throw new RangeError(`a partition of ${end} bytes ends at ${bytes.length}`);
  const [partition, errorCode] = [bytes.readInt32BE(at), bytes.readInt16BE(at + AT.errorCode)];
  return { at, partition, errorCode, aborted, recordsAt, end };
}

/** Compressed, transactional, or of an older format. */
async function readByThem(bytes: Buffer, head: Head, from: number) {
  const { at, partition, aborted, recordsAt, end } = head;
  const messages = await decodeMessages(new DecoderOf(bytes.subarray(recordsAt - 4, end)));
  const abortedTransactions = Array.from({ length: aborted }, (_, i) => {
    const one = at + AT.aborted + 4 + i * ABORTED_BYTES;
    return { producerId: String(int64(bytes, one)), firstOffset: String(int64(bytes, one + 8)) };
  });
  const highWatermark = String(int64(bytes, at + AT.highWatermark));
  return fromTheirs({ partition, highWatermark, abortedTransactions, messages }, from);
}
