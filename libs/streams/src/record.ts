/** What stands in a stream. Values and keys are bytes; headers are few and ASCII. */
export type RecordHeaders = Readonly<Record<string, string>>;

export interface StreamRecord {
  readonly key: Buffer;
  /** null with headers: an announcement or a cancel; null without: a tombstone. */
  readonly value: Buffer | null;
  readonly headers?: RecordHeaders;
}

/** A record that has its place. `at` is the append time of the log in ms (no service's clock). */
export interface LogRecord extends StreamRecord {
  readonly offset: number;
  readonly at: number;
}

/** Consecutive records of one partition, in order. Offsets may have gaps (compaction); perhaps no record at all. */
export interface RecordBatch {
  readonly stream: string;
  readonly partition: number;
  readonly records: readonly LogRecord[];
  /** The offset at which reading goes on: above the last record and above any gap behind it. */
  readonly next: number;
}
