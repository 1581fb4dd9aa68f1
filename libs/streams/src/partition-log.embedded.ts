/**
 * One partition of one stream as readers see it: a tail in memory for those who are at the end, the table for
 * those who are behind. The tail holds the very objects that were appended, and no more than somebody
 * still has to read.
 */
import type { LogRecord, RecordBatch } from './record.js';
import type { StreamTable } from './stream-table.embedded.js';

const BATCH_RECORDS_MAX = 500;
const BATCH_BYTES_MAX = 1024 * 1024;
/** Beyond it the older half of a tail leaves memory; who still needs it reads the table. */
const TAIL_BYTES_MAX = 16 * 1024 * 1024;
/** What a stream in memory keeps while nobody reads it (a gateway asks for its end before it reads). */
const UNREAD_BYTES_MAX = 1024 * 1024;
const RECORD_OVERHEAD_BYTES = 128;

/** A group's or a lone reader's place in a partition. */
export interface TailReader {
  /** The next offset that it will ask for: what lies below may leave memory. */
  readonly position: number;
  wake(): void;
}

/** Runs a write in a transaction of its own; throws when there is no room. */
export type Transact = (write: () => void) => void;

export class PartitionLog {
  /** The next offset to give out. Ahead of {@link end} only inside a transaction. */
  next: number;
  /** Readers see what lies below it. */
  end: number;
  /** Every committed record from here on is in memory. */
  private tailFrom: number;
  private tail: LogRecord[] = [];
  private tailBytes = 0;
  private readonly readers = new Set<TailReader>();

  /** Without a table the stream is in memory only. */
  constructor(
    readonly stream: string,
    readonly partition: number,
    end: number,
    private readonly disk?: { readonly table: StreamTable; readonly transact: Transact },
  ) {
    this.next = end;
    this.end = end;
    this.tailFrom = end;
  }

  get table(): StreamTable | undefined {
    return this.disk?.table;
  }

  get bytesInMemory(): number {
    return this.tailBytes;
  }

  /** Lets readers see a committed record; {@link wake} them after the last of its group. */
  publish(record: LogRecord): void {
    this.end = record.offset + 1;
    if (this.readers.size === 0 && this.disk) {
      this.tailFrom = this.end;
      return;
    }
    this.tail.push(record);
    this.tailBytes += sizeOf(record);
    const bytesMax = this.readers.size === 0 ? UNREAD_BYTES_MAX : TAIL_BYTES_MAX;
    if (this.tailBytes > bytesMax) this.evict();
  }

  wake(): void {
    for (const reader of this.readers) reader.wake();
  }

  join(reader: TailReader): void {
    this.readers.add(reader);
  }

  leave(reader: TailReader): void {
    this.readers.delete(reader);
    this.trim();
  }

  /** The lowest offset that some reader still has to read; undefined: nobody reads. */
  lowestPosition(): number | undefined {
    let lowest: number | undefined;
    for (const { position } of this.readers) {
      if (lowest === undefined || position < lowest) lowest = position;
    }
    return lowest;
  }

  /** Whether the next batch comes from the table. */
  isBehind(position: number): boolean {
    return position < this.tailFrom && position < this.end;
  }

  /** The next batch; undefined: read to the end. Without records it says that only a gap lies ahead. */
  take(position: number): RecordBatch | undefined {
    if (position >= this.end) return undefined;
    return (this.isBehind(position) && this.takeFromTable(position)) || this.takeFromTail(position);
  }

  /** After a reader moved on. */
  trim(): void {
    const lowest = this.lowestPosition() ?? (this.disk ? this.end : 0);
    if (lowest <= this.tailFrom) return;
    this.drop(this.indexOf(lowest));
    this.tailFrom = Math.min(lowest, this.end);
  }

  private takeFromTable(position: number): RecordBatch | undefined {
    const found = this.table?.read(this.partition, {
      from: position,
      below: this.tailFrom,
      countMax: BATCH_RECORDS_MAX,
      bytesMax: BATCH_BYTES_MAX,
    });
    const last = found?.records.at(-1);
    if (!found || !last) return undefined;
    return this.batch(found.records, found.isThrough ? this.tailFrom : last.offset + 1);
  }

  private takeFromTail(position: number): RecordBatch {
    const first = this.indexOf(position);
    let behind = first;
    for (let bytes = 0; behind < this.tail.length; behind++) {
      const record = this.tail[behind];
      if (!record || behind - first >= BATCH_RECORDS_MAX || bytes >= BATCH_BYTES_MAX) break;
      bytes += sizeOf(record);
    }
    // Up to the record that comes next: failed appends leave gaps too.
    return this.batch(this.tail.slice(first, behind), this.tail[behind]?.offset ?? this.end);
  }

  private batch(records: readonly LogRecord[], next: number): RecordBatch {
    return { stream: this.stream, partition: this.partition, records, next };
  }

  /**
   * The older half leaves memory. Of it, records without a row (announcements, tombstones) that some reader has
   * not seen get one now, which goes when all have passed it; if that fails the tail stays as it is.
   */
  private evict(): void {
    const count = Math.ceil(this.tail.length / 2);
    const table = this.table;
    const unseen = table ? this.tail.slice(0, count).filter((record) => !table.keeps(record)) : [];
    if (table && unseen.length > 0) {
      try {
        this.disk?.transact(() => unseen.forEach((r) => table.insert(this.partition, r)));
      } catch {
        return;
      }
    }
    this.drop(count);
    this.tailFrom = this.tail[0]?.offset ?? this.end;
  }

  private drop(count: number): void {
    for (const record of this.tail.splice(0, count)) this.tailBytes -= sizeOf(record);
  }

  /** Of the first record at or above the offset. */
  private indexOf(offset: number): number {
    let low = 0;
    let high = this.tail.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.tail[middle]?.offset ?? Infinity) < offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function sizeOf(record: LogRecord): number {
  return RECORD_OVERHEAD_BYTES + record.key.length + (record.value?.length ?? 0);
}
