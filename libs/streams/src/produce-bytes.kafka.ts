/**
 * The bytes of a produce request, written once into memory of the right size. kafkajs 2.2.4 writes the same bytes by
 * way of half a kilobyte of zeroed memory for each header, record and partition.
 */
import { createRequire } from 'node:module';
import { Bytes, varIntBytes } from './bytes.kafka.js';
import type { StreamRecord } from './record.js';

/** Timestamps are the broker's to give: the streams have `LogAppendTime`. */
export interface Produce {
  readonly timeoutMs: number;
  readonly loads: readonly ProducedLoad[];
}

/** The records of one partition. */
interface ProducedLoad {
  readonly place: { readonly topic: string; readonly partition: number };
  readonly waiting: readonly { readonly records: readonly StreamRecord[] }[];
}

interface Batch {
  readonly of: ProducedLoad;
  /** What each record takes, without the length that stands before it. */
  readonly bodyBytes: readonly number[];
  readonly bytes: number;
}

const require = createRequire(import.meta.url);
const crc32c = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;

const NONE = -1;
const ALL_COPIES = -1;
const MAGIC = 2;
/** Offset, length, leader epoch, magic, checksum: what the checksum does not cover. */
const BATCH_HEAD_BYTES = 8 + 4 + 4 + 1 + 4;
/** Attributes, last offset delta, two timestamps, producer id, epoch, sequence, number of records. */
const BATCH_FIELDS_BYTES = 2 + 4 + 8 + 8 + 8 + 2 + 4 + 4;

/**
 * Body of a Produce Request, version 3 to 8, for all copies, without compression, transaction and producer id.
 * Source: Kafka protocol guide; record batches of magic 2.
 */
export function encodeProduce({ timeoutMs, loads }: Produce, nowMs: number): Buffer {
  const topics = new Map<string, Batch[]>();
  let bytes = 2 + 2 + 4 + 4;
  for (const load of loads) {
    const { topic } = load.place;
    const batch = batchOf(load);
    bytes += 4 + 4 + batch.bytes;
    const batches = topics.get(topic);
    if (batches) {
      batches.push(batch);
      continue;
    }
    topics.set(topic, [batch]);
    bytes += 2 + Buffer.byteLength(topic) + 4;
  }
  const out = new Bytes(bytes);
  out.int16(NONE); // no transaction
  out.int16(ALL_COPIES);
  out.int32(timeoutMs);
  out.int32(topics.size);
  for (const [topic, batches] of topics) {
    out.string(topic);
    out.int32(batches.length);
    for (const batch of batches) writeBatch(out, batch, nowMs);
  }
  return out.buffer;
}

function batchOf(of: ProducedLoad): Batch {
  const bodyBytes: number[] = [];
  let bytes = BATCH_HEAD_BYTES + BATCH_FIELDS_BYTES;
  for (const { records } of of.waiting) {
    for (const record of records) {
      const body = bodyBytesOf(record, bodyBytes.length);
      bodyBytes.push(body);
      bytes += varIntBytes(body) + body;
    }
  }
  return { of, bodyBytes, bytes };
}

function bodyBytesOf({ key, value, headers }: StreamRecord, offsetDelta: number): number {
  let bytes = 1 + 1 + varIntBytes(offsetDelta);
  bytes += varIntBytes(key.length) + key.length;
  bytes += value === null ? varIntBytes(NONE) : varIntBytes(value.length) + value.length;
  if (headers === undefined) return bytes + varIntBytes(0);
  const names = Object.keys(headers);
  bytes += varIntBytes(names.length);
  for (const name of names) bytes += textBytes(name) + textBytes(headers[name] as string);
  return bytes;
}

function writeBatch(out: Bytes, { of, bodyBytes, bytes }: Batch, nowMs: number): void {
  out.int32(of.place.partition);
  out.int32(bytes);
  out.int64(0);
  out.int32(bytes - 8 - 4);
  out.int32(0); // the leader's epoch is the broker's to write
  out.int8(MAGIC);
  const checksumAt = out.at;
  out.int32(0);
  const coveredFrom = out.at;
  out.int16(0);
  out.int32(bodyBytes.length - 1);
  out.int64(nowMs);
  out.int64(nowMs);
  out.int64(NONE); // no producer id
  out.int16(0);
  out.int32(0);
  out.int32(bodyBytes.length);
  let offsetDelta = 0;
  for (const { records } of of.waiting) {
    for (const record of records) {
      out.varInt(bodyBytes[offsetDelta] as number);
      writeBody(out, record, offsetDelta++);
    }
  }
  const checksum = crc32c(out.buffer.subarray(coveredFrom, out.at));
  out.buffer.writeUInt32BE(checksum, checksumAt);
}

function writeBody(out: Bytes, { key, value, headers = {} }: StreamRecord, offsetDelta: number) {
  out.int8(0);
  out.int8(0); // no time of its own
  out.varInt(offsetDelta);
  out.varBytes(key);
  out.varBytes(value);
  const names = Object.keys(headers);
  out.varInt(names.length);
  for (const name of names) {
    out.varText(name);
    out.varText(headers[name] as string);
  }
}

function textBytes(text: string): number {
  const bytes = Buffer.byteLength(text);
  return varIntBytes(bytes) + bytes;
}
