/**
 * A durable stream as a table: one row per record that still says something. Compaction happens in the
 * transaction that makes a record needless, so the file holds what is open and nothing else.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { LogRecord, StreamRecord } from './record.js';
import { NOTIFICATIONS } from './streams.js';

/**
 * A row's key is partition × 2^40 + offset: a plain rowid table (4 times cheaper than a composite key), in
 * which a partition is one range and appends go to the end of theirs. Room for 10^12 offsets in each of 8,192
 * partitions before a double loses whole numbers.
 */
const PLACES = 2 ** 40;
export const PARTITIONS_MAX = 8192;

export interface ReadBounds {
  readonly from: number;
  /** Exclusive. */
  readonly below: number;
  readonly countMax: number;
  /** At least one record is returned whatever its size. */
  readonly bytesMax: number;
}

export abstract class StreamTable {
  private readonly insertRow: StatementSync;
  private readonly selectRows: StatementSync;
  private readonly deleteUnvalued: StatementSync;

  static of(database: DatabaseSync, stream: string): StreamTable {
    return stream === NOTIFICATIONS
      ? new OpenNotifications(database, stream)
      : new CompactedByKey(database, stream);
  }

  protected constructor(database: DatabaseSync, name: string) {
    database.exec(
      `CREATE TABLE IF NOT EXISTS ${name} (place INTEGER PRIMARY KEY, at INTEGER NOT NULL, key BLOB NOT NULL, value BLOB, headers TEXT);
       CREATE INDEX IF NOT EXISTS ${name}_unvalued ON ${name} (at) WHERE value IS NULL`,
    );
    this.insertRow = database.prepare(
      `INSERT INTO ${name} (place, at, key, value, headers) VALUES (?, ?, ?, ?, ?)`,
    );
    this.selectRows = database.prepare(
      `SELECT place, at, key, value, headers FROM ${name} WHERE place >= ? AND place < ? ORDER BY place LIMIT ?`,
    );
    this.deleteUnvalued = database.prepare(
      `DELETE FROM ${name} INDEXED BY ${name}_unvalued WHERE value IS NULL AND place >= ? AND place < ?`,
    );
  }

  /** Whether the record gets a row. One without has its effect in {@link compact} and is for readers to see. */
  abstract keeps(record: StreamRecord): boolean;
  /** Takes away the row that this record makes needless. */
  protected abstract compact(partition: number, record: StreamRecord): void;

  /** Inside the caller's transaction. */
  store(partition: number, record: LogRecord): void {
    this.compact(partition, record);
    if (this.keeps(record)) this.insert(partition, record);
  }

  /** A row for a record, also for one that {@link keeps} would not give one. */
  insert(partition: number, record: LogRecord): void {
    const headers = record.headers === undefined ? null : JSON.stringify(record.headers);
    const place = partition * PLACES + record.offset;
    this.insertRow.run(place, record.at, record.key, record.value, headers);
  }

  /** In order. Fewer than `countMax` and `bytesMax` allow: there are no more below the bound. */
  read(partition: number, bounds: ReadBounds): { records: LogRecord[]; isThrough: boolean } {
    const base = partition * PLACES;
    const records: LogRecord[] = [];
    let bytes = 0;
    const rows = this.selectRows.iterate(base + bounds.from, base + bounds.below, bounds.countMax);
    for (const row of rows) {
      const record = recordOf(row, base);
      bytes += record.key.length + (record.value?.length ?? 0);
      records.push(record);
      if (bytes >= bounds.bytesMax) return { records, isThrough: false };
    }
    return { records, isThrough: records.length < bounds.countMax };
  }

  /** Rows without a value below the offset: every reader has seen and executed them. */
  removeUnvalued(partition: number, below: number): void {
    this.deleteUnvalued.run(partition * PLACES, partition * PLACES + below);
  }

  /** Rows from before `before` (ms), at most `limit` of them. Returns how many. */
  removeOld(_partition: number, _before: number, _limit: number): number {
    return 0;
  }
}

/** `notifications`: a row goes when its outcome is announced (design §3), or with age. */
class OpenNotifications extends StreamTable {
  private readonly deleteSettled: StatementSync;
  private readonly oldest: StatementSync;
  private readonly deleteRange: StatementSync;

  constructor(database: DatabaseSync, name: string) {
    super(database, name);
    // By key too: an announcement that names a wrong offset must not take another message away.
    this.deleteSettled = database.prepare(`DELETE FROM ${name} WHERE place = ? AND key = ?`);
    this.oldest = database.prepare(
      `SELECT place, at FROM ${name} WHERE place >= ? AND place < ? ORDER BY place LIMIT ?`,
    );
    this.deleteRange = database.prepare(`DELETE FROM ${name} WHERE place >= ? AND place <= ?`);
  }

  /**
   * Notifications and cancels. A cancel was answered 204, so it must outlive a crash until the router has
   * executed it; both stay until then.
   */
  override keeps(record: StreamRecord): boolean {
    return record.value !== null || record.headers?.cancel !== undefined;
  }

  protected override compact(partition: number, { value, headers, key }: StreamRecord): void {
    if (value !== null || headers?.outcome === undefined) return;
    const offset = Number(headers.offset);
    if (Number.isSafeInteger(offset)) this.deleteSettled.run(partition * PLACES + offset, key);
  }

  override removeOld(partition: number, before: number, limit: number): number {
    const base = partition * PLACES;
    let last = -1;
    let count = 0;
    for (const { place, at } of this.oldest.iterate(base, base + PLACES, limit)) {
      if (Number(at) >= before) break;
      last = Number(place);
      count += 1;
    }
    if (count > 0) this.deleteRange.run(base, last);
    return count;
  }
}

/** `subscriptions`: the last record per key; null takes the key away. */
class CompactedByKey extends StreamTable {
  private readonly deleteKey: StatementSync;

  constructor(database: DatabaseSync, name: string) {
    super(database, name);
    database.exec(`CREATE INDEX IF NOT EXISTS ${name}_by_key ON ${name} (key)`);
    this.deleteKey = database.prepare(
      `DELETE FROM ${name} WHERE key = ? AND place >= ? AND place < ?`,
    );
  }

  override keeps(record: StreamRecord): boolean {
    return record.value !== null;
  }

  protected override compact(partition: number, record: StreamRecord): void {
    this.deleteKey.run(record.key, partition * PLACES, (partition + 1) * PLACES);
  }
}

function recordOf(row: Record<string, unknown>, base: number): LogRecord {
  return {
    offset: Number(row.place) - base,
    at: Number(row.at),
    key: bytesOf(row.key) ?? Buffer.alloc(0),
    value: bytesOf(row.value),
    headers: typeof row.headers === 'string' ? JSON.parse(row.headers) : undefined,
  };
}

/** The memory that SQLite's driver allocated for it, not a copy. */
function bytesOf(blob: unknown): Buffer | null {
  if (!(blob instanceof Uint8Array)) return null;
  return Buffer.from(blob.buffer, blob.byteOffset, blob.byteLength);
}
