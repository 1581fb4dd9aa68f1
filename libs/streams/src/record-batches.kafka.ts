/** The records of a fetched partition, read without the big integers that kafkajs 2.2.4 reads each of them with. */
import type { LogRecord, RecordHeaders } from './record.js';

export interface DecodedRecords {
  readonly records: LogRecord[];
  /** The offset above all whole batches, compacted away or not; 0: there was none. */
  readonly next: number;
}

/** From the beginning of a batch: its length, and what follows the length. */
const AT = {
  length: 8,
  magic: 16,
  attributes: 21,
  lastOffsetDelta: 23,
  firstTimestamp: 27,
  maxTimestamp: 35,
  count: 57,
};
const RECORDS_AT = 61;
const LENGTH_COUNTS_FROM = 12;
const MAGIC = 2;
const LOG_APPEND_TIME = 0x8;
/** Of the attributes: compressed, in a transaction, or a control batch. */
const OF_ANOTHER_KIND = 0x7 | 0x10 | 0x20;
export const NO_KEY = Buffer.alloc(0);

/**
 * The records from that offset on, of whole batches, in order; a broker may cut the last one short, which is left out.
 * undefined: one of them is compressed, transactional or of an older format, which is not read here. Throws RangeError
 * where a batch ends within a record.
 * Source: Kafka documentation, "Record Batch".
 */
export function decodeRecordBatches(bytes: Buffer, from: number): DecodedRecords | undefined {
  const records: LogRecord[] = [];
  let next = 0;
  for (let at = 0; at + RECORDS_AT <= bytes.length;) {
    const end = at + LENGTH_COUNTS_FROM + bytes.readInt32BE(at + AT.length);
    if (bytes[at + AT.magic] !== MAGIC) return undefined;
    if ((bytes.readInt16BE(at + AT.attributes) & OF_ANOTHER_KIND) !== 0) return undefined;
    if (end > bytes.length) break;
    next = Math.max(next, readBatch(bytes.subarray(at, end), from, records));
    at = end;
  }
  return { records, next };
}

function readBatch(bytes: Buffer, from: number, into: LogRecord[]): number {
  const firstOffset = int64(bytes, 0);
  const isAppendTime = (bytes.readInt16BE(AT.attributes) & LOG_APPEND_TIME) !== 0;
  const firstAt = int64(bytes, isAppendTime ? AT.maxTimestamp : AT.firstTimestamp);
  const cursor = new Cursor(bytes, RECORDS_AT);
  for (let left = bytes.readInt32BE(AT.count); left > 0; left--) {
    const end = cursor.varInt() + cursor.at;
    cursor.at++; // attributes, of which there are none
    const delta = cursor.varLong();
    const offset = firstOffset + cursor.varInt();
    const at = isAppendTime ? firstAt : firstAt + delta;
    const key = cursor.varBytes() ?? NO_KEY;
    const value = cursor.varBytes();
    const headers = cursor.headers();
    if (cursor.at !== end) throw new RangeError(`a record of ${end} bytes ends at ${cursor.at}`);
    if (offset < from) continue; // a batch is fetched whole
    into.push(
      headers === undefined ? { offset, at, key, value } : { offset, at, key, value, headers },
    );
  }
  return firstOffset + bytes.readInt32BE(AT.lastOffsetDelta) + 1;
}

/** A safe integer: offsets and times are. */
export function int64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * 2 ** 32 + bytes.readUInt32BE(at + 4);
}

class Cursor {
  constructor(
    private readonly bytes: Buffer,
    public at: number,
  ) {}

  /** 32 bits. */
  varInt(): number {
    let value = 0;
    let byte: number;
    let shift = 0;
    do {
      byte = this.bytes.readUInt8(this.at++);
      value |= (byte & 0x7f) << shift;
      shift += 7;
    } while (byte > 0x7f);
    return (value >>> 1) ^ -(value & 1);
  }

  /** A safe integer. */
  varLong(): number {
    let value = 0;
    let byte: number;
    let factor = 1;
    do {
      byte = this.bytes.readUInt8(this.at++);
      value += (byte & 0x7f) * factor;
      factor *= 128;
    } while (byte > 0x7f);
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  varBytes(): Buffer | null {
    const length = this.varInt();
    return length < 0 ? null : this.bytes.subarray(this.at, (this.at += length));
  }

  /** Of several with one name the first counts; undefined: there is none. */
  headers(): RecordHeaders | undefined {
    let headers: Record<string, string> | undefined;
    for (let left = this.varInt(); left > 0; left--) {
      const name = this.text();
      const text = this.text();
      (headers ??= {})[name] ??= text;
    }
    return headers;
  }

  private text(): string {
    const length = Math.max(0, this.varInt());
    return this.bytes.toString('utf8', this.at, (this.at += length));
  }
}
