/**
 * The log: order per partition, offsets that are never reused, compaction that leaves gaps, retention that takes
 * the beginning away. What is in it stays in it.
 */
import type { LogRecord, RecordBatch, StreamRecord } from '#streams';

export type Appended = (stream: string, partition: number, record: LogRecord) => void;

export interface Compaction {
  /** The active segment begins there. */
  readonly below: number;
  readonly nowMs: number;
}

export interface MetTombstone {
  readonly record: LogRecord;
  readonly metAtMs: number;
}

export class SimPartition {
  /** In order; with gaps where compaction has been. */
  records: LogRecord[] = [];
  next = 0;
  /** Of records without a value that compaction has met: when it did so first, ms. */
  readonly metAt = new Map<number, number>();
  /** Who waits for the next record. */
  readonly waiting = new Set<() => void>();

  has(offset: number): boolean {
    return this.records[this.indexFrom(offset)]?.offset === offset;
  }

  /** Of the first record at or above the offset. */
  indexFrom(offset: number): number {
    let low = 0;
    let high = this.records.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.records[middle] as LogRecord).offset < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export class SimLog {
  private readonly streams = new Map<string, SimPartition[]>();

  constructor(
    private readonly clock: () => number,
    private readonly onAppended: Appended,
  ) {}

  create(stream: string, partitions: number): void {
    if (this.streams.has(stream)) return;
    this.streams.set(
      stream,
      Array.from({ length: partitions }, () => new SimPartition()),
    );
  }

  /** A gateway's stream is created when it is needed: nobody removes one here. */
  of(stream: string, partition: number): SimPartition {
    if (stream.startsWith('deliveries.')) this.create(stream, 1);
    const found = this.streams.get(stream)?.[partition];
    if (!found) throw new Error(`there is no partition ${partition} of ${stream}`);
    return found;
  }

  /** Returns the offset of the first. */
  append(stream: string, partition: number, records: readonly StreamRecord[]): number {
    const to = this.of(stream, partition);
    const first = to.next;
    for (const { key, value, headers } of records) {
      const record = { offset: to.next++, at: this.clock(), key, value, headers };
      to.records.push(record);
      this.onAppended(stream, partition, record);
    }
    for (const wake of to.waiting) wake();
    to.waiting.clear();
    return first;
  }

  /** undefined: read to the end. */
  fetch(
    stream: string,
    partition: number,
    from: number,
    countMax: number,
  ): RecordBatch | undefined {
    const log = this.of(stream, partition);
    if (from >= log.next) return undefined;
    const first = log.indexFrom(from);
    const records = log.records.slice(first, first + countMax);
    return { stream, partition, records, next: log.records[first + countMax]?.offset ?? log.next };
  }

  /** Of records with one key the last stays; the last of all stays in any case, as an active segment does. */
  compact(stream: string, partition: number, { below, nowMs }: Compaction): number {
    const log = this.of(stream, partition);
    const last = new Map<string, number>();
    for (const record of log.records) {
      if (record.offset < below) last.set(this.keyOf(record), record.offset);
    }
    const gone = this.keep(log, (record) => {
      return record.offset >= below || last.get(this.keyOf(record)) === record.offset;
    });
    for (const { offset, value } of log.records) {
      if (value === null && offset < below && !log.metAt.has(offset)) log.metAt.set(offset, nowMs);
    }
    return gone;
  }

  /**
   * A day after compaction has met them first, which is when it took away what they supersede, records without a value
   * go (`delete.retention.ms`). How long a day is here, the caller says: whoever has read before that what
   * they supersede has read them, too.
   */
  dropTombstones(stream: string, partition: number, isOld: (met: MetTombstone) => boolean): number {
    const log = this.of(stream, partition);
    return this.keep(log, (record) => {
      const metAtMs = log.metAt.get(record.offset);
      return metAtMs === undefined || !this.isDue(isOld({ record, metAtMs }));
    });
  }

  /** Retention: what is older is gone. */
  dropOlder(stream: string, partition: number, atMs: number): number {
    return this.keep(this.of(stream, partition), ({ at }) => at >= atMs);
  }

  /** Another log under the same name: empty. */
  replace(stream: string, partition: number): void {
    const log = this.of(stream, partition);
    log.records = [];
    log.metAt.clear();
    log.next = 0;
  }

  /** What compaction goes by. */
  private keyOf({ key }: LogRecord): string {
    return key.toString('latin1');
  }

  private isDue(isOld: boolean): boolean {
    return isOld;
  }

  private keep(log: SimPartition, stays: (record: LogRecord) => boolean): number {
    const before = log.records.length;
    const { next } = log;
    log.records = log.records.filter((record) => record.offset === next - 1 || stays(record));
    return before - log.records.length;
  }
}
