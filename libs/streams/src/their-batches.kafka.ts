/** What kafkajs has decoded, as records of ours: what it reads of a partition that is not ours to read. */
import { createRequire } from 'node:module';
import { NO_KEY, type DecodedRecords } from './record-batches.kafka.js';
import type { LogRecord, RecordHeaders } from './record.js';

interface TheirMessage {
  readonly offset: string;
  /** ms */
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, Buffer | string | readonly (Buffer | string)[]>>;
}

export type TheirMessages = readonly TheirMessage[];

export interface TheirPartition {
  readonly partition: number;
  readonly highWatermark: string;
  readonly abortedTransactions?: readonly {
    readonly producerId: string;
    readonly firstOffset: string;
  }[];
  readonly messages: TheirMessages;
}

/** Leaves out control records and what was aborted. */
interface TheirBatch {
  readonly messages: TheirMessages;
  lastOffset(): string;
}

const require = createRequire(import.meta.url);
const BatchOf = require('kafkajs/src/consumer/batch') as new (
  topic: string,
  fetchedOffset: string,
  partition: TheirPartition,
) => TheirBatch;

export function fromTheirs(partition: TheirPartition, from: number): DecodedRecords {
  if (partition.messages.length === 0) return { records: [], next: from };
  const batch = new BatchOf('', String(from), { abortedTransactions: [], ...partition });
  const records = batch.messages.map(({ offset, timestamp, key, value, headers }): LogRecord => {
    const record = { offset: Number(offset), at: Number(timestamp), key: key ?? NO_KEY, value };
    const texts = headers && asTexts(headers);
    return texts === undefined ? record : { ...record, headers: texts };
  });
  return { records, next: Number(batch.lastOffset()) + 1 };
}

function asTexts(headers: NonNullable<TheirMessage['headers']>): RecordHeaders | undefined {
  const entries = Object.entries(headers);
  if (entries.length === 0) return undefined;
  const texts = entries.map(([name, text]) => [name, String(Array.isArray(text) ? text[0] : text)]);
  return Object.fromEntries(texts) as RecordHeaders;
}
