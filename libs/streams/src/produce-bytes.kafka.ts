/**
 * The bytes of a produce request, written once into memory of the right size. kafkajs 2.2.4 writes the same bytes by
 * way of half a kilobyte of zeroed memory for each header, record and partition.
 */
import { createRequire } from 'node:module';
import { Bytes, varIntBytes } from './bytes.kafka.js';

/** As kafkajs hands it on. Timestamps are the broker's to give: the streams have `LogAppendTime`. */
export interface ProducedRecord {
  readonly key: Buffer;
  readonly value: Buffer | null;
  /** Read when its bytes are written, and not before. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ProducedPartition {
  readonly partition: number;
  readonly messages: readonly ProducedRecord[];
  readonly firstSequence: number;
}

export interface Produce {
  readonly acks: number;
  /** ms */
  readonly timeout: number;
  readonly producerEpoch: number;
  readonly topicData: readonly {
    readonly topic: string;
    readonly partitions: readonly ProducedPartition[];
  }[];
}

/** A record, and what it takes without the length that stands before it. */
interface Sized {
  readonly record: ProducedRecord;
  readonly headers: readonly (readonly [name: string, text: string])[];
  readonly bodyBytes: number;
}

interface Batch {
  readonly of: ProducedPartition;
  readonly records: readonly Sized[];
  readonly bytes: number;
}

const require = createRequire(import.meta.url);
const crc32c = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;

const NONE = -1;
const MAGIC = 2;
/** Offset, length, leader epoch, magic, checksum: what the checksum does not cover. */
const BATCH_HEAD_BYTES = 8 + 4 + 4 + 1 + 4;
/** Attributes, last offset delta, two timestamps, producer id, epoch, sequence, number of records. */
const BATCH_FIELDS_BYTES = 2 + 4 + 8 + 8 + 8 + 2 + 4 + 4;

/**
 * Body of a Produce Request, version 3 to 8, without compression, transaction and producer id.
 * Source: Kafka protocol guide; record batches of magic 2.
 */
export function encodeProduce(request: Produce, nowMs: number): Buffer {
  const { acks, timeout, producerEpoch } = request;
  let bytes = 2 + 2 + 4 + 4;
  const topics = request.topicData.map(({ topic, partitions }) => {
    const batches = partitions.map(batchOf);
    bytes += 2 + Buffer.byteLength(topic) + 4;
    for (const batch of batches) bytes += 4 + 4 + batch.bytes;
    return { topic, batches };
  });
  const out = new Bytes(bytes);
  out.int16(NONE); // no transaction
  out.int16(acks);
  out.int32(timeout);
  out.int32(topics.length);
  for (const { topic, batches } of topics) {
    out.string(topic);
    out.int32(batches.length);
    for (const batch of batches) writeBatch(out, batch, { producerEpoch, nowMs });
  }
  return out.buffer;
}

function batchOf(of: ProducedPartition): Batch {
  const records = of.messages.map(sized);
  let bytes = BATCH_HEAD_BYTES + BATCH_FIELDS_BYTES;
  for (const { bodyBytes } of records) bytes += varIntBytes(bodyBytes) + bodyBytes;
  return { of, records, bytes };
}

function sized(record: ProducedRecord, offsetDelta: number): Sized {
  const { key, value } = record;
  const headers = Object.entries(record.headers ?? {});
  let bodyBytes = 1 + 1 + varIntBytes(offsetDelta) + varIntBytes(headers.length);
  bodyBytes += varIntBytes(key.length) + key.length;
  bodyBytes += value === null ? varIntBytes(NONE) : varIntBytes(value.length) + value.length;
  for (const [name, text] of headers) bodyBytes += textBytes(name) + textBytes(text);
  return { record, headers, bodyBytes };
}

function writeBatch(
  out: Bytes,
  { of, records, bytes }: Batch,
  { producerEpoch, nowMs }: { readonly producerEpoch: number; readonly nowMs: number },
): void {
  out.int32(of.partition);
  out.int32(bytes);
  out.int64(0);
  out.int32(bytes - 8 - 4);
  out.int32(0); // the leader's epoch is the broker's to write
  out.int8(MAGIC);
  const checksumAt = out.at;
  out.int32(0);
  const coveredFrom = out.at;
  out.int16(0);
  out.int32(records.length - 1);
  out.int64(nowMs);
  out.int64(nowMs);
  out.int64(NONE); // no producer id
  out.int16(producerEpoch);
  out.int32(of.firstSequence);
  out.int32(records.length);
  for (let i = 0; i < records.length; i++) writeRecord(out, records[i] as Sized, i);
  const checksum = crc32c(out.buffer.subarray(coveredFrom, out.at));
  out.buffer.writeUInt32BE(checksum, checksumAt);
}

function writeRecord(out: Bytes, { record, headers, bodyBytes }: Sized, offsetDelta: number): void {
  out.varInt(bodyBytes);
  out.int8(0);
  out.int8(0); // no time of its own
  out.varInt(offsetDelta);
  out.varBytes(record.key);
  out.varBytes(record.value);
  out.varInt(headers.length);
  for (const [name, text] of headers) {
    out.varText(name);
    out.varText(text);
  }
}

function textBytes(text: string): number {
  const bytes = Buffer.byteLength(text);
  return varIntBytes(bytes) + bytes;
}
