/**
 * The file under the log: its tables, and the transaction that makes a group of appends durable together.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { openDatabase, refusalOf } from './sqlite.embedded.js';
import { PARTITIONS_MAX, StreamTable } from './stream-table.embedded.js';
import { NOTIFICATIONS, SUBSCRIPTIONS } from './streams.js';

const SCHEMA_VERSION = 1;
export const DURABLE_STREAMS = [NOTIFICATIONS, SUBSCRIPTIONS] as const;

export class LogFile {
  private readonly begin: StatementSync;
  private readonly commit: StatementSync;
  private readonly setPosition: StatementSync;
  private readonly getPosition: StatementSync;
  private readonly tables: ReadonlyMap<string, StreamTable>;

  /** Throws an Error with one sentence: what is wrong with the file, and what to do. */
  static open(path: string, partitions: number): LogFile {
    if (!Number.isInteger(partitions) || partitions < 1 || partitions > PARTITIONS_MAX) {
      throw new RangeError(`${partitions} partitions: a log has 1 to ${PARTITIONS_MAX}`);
    }
    const database = openDatabase(path);
    try {
      adopt(database, path, partitions);
      return new LogFile(database);
    } catch (error) {
      database.close();
      throw error instanceof Refusal ? error : refusalOf(path, error);
    }
  }

  private constructor(readonly database: DatabaseSync) {
    this.tables = new Map(DURABLE_STREAMS.map((name) => [name, StreamTable.of(database, name)]));
    this.begin = database.prepare('BEGIN IMMEDIATE');
    this.commit = database.prepare('COMMIT');
    this.getPosition = database.prepare(
      'SELECT reserved FROM positions WHERE stream = ? AND part = ?',
    );
    this.setPosition = database.prepare(
      'INSERT INTO positions (stream, part, reserved) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET reserved = excluded.reserved',
    );
  }

  table(stream: string): StreamTable | undefined {
    return this.tables.get(stream);
  }

  /** All offsets that were ever given out in this partition are below it, also after a crash. */
  position(stream: string, partition: number): number {
    return Number(this.getPosition.get(stream, partition)?.reserved ?? 0);
  }

  /** Inside a transaction. */
  reserve(stream: string, partition: number, below: number): void {
    this.setPosition.run(stream, partition, below);
  }

  /**
   * Runs `write` in one transaction: when it returns, all of it is on the disk; when it throws, none of it is. Only
   * after a {@link CommitFailed} that nobody knows until the file is opened again.
   */
  transact(write: () => void): void {
    this.begin.run();
    try {
      write();
    } catch (error) {
      this.rollBack();
      throw error;
    }
    try {
      this.commit.run();
    } catch (error) {
      this.rollBack();
      throw new CommitFailed(error);
    }
  }

  /** Inside a transaction: writes a page and changes nothing. */
  touch(): void {
    this.database.exec("UPDATE settings SET setting = setting WHERE name = 'partitions'");
  }

  close(): void {
    this.database.close();
  }

  /** After a full disk SQLite has mostly rolled back by itself. */
  private rollBack(): void {
    if (this.database.isTransaction) this.database.exec('ROLLBACK');
  }
}

/** The commit itself failed; its cause is SQLite's error. */
export class CommitFailed extends Error {
  override readonly name = 'CommitFailed';
  constructor(cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

class Refusal extends Error {}

/** Creates the tables in a new file; refuses a file that this program did not write like this. */
function adopt(database: DatabaseSync, path: string, partitions: number): void {
  const version = Number(database.prepare('PRAGMA user_version').get()?.user_version);
  if (version === 0) {
    const { tables } = database.prepare('SELECT count(*) AS tables FROM sqlite_schema').get() ?? {};
    if (tables !== 0) {
      throw new Refusal(
        `The log ${path} is a database of another program: give this one a DATA_DIR of its own.`,
      );
    }
    database.exec(
      `BEGIN IMMEDIATE;
       CREATE TABLE settings (name TEXT PRIMARY KEY, setting INTEGER NOT NULL);
       CREATE TABLE positions (stream TEXT, part INTEGER, reserved INTEGER NOT NULL, PRIMARY KEY (stream, part));
       INSERT INTO settings VALUES ('partitions', ${partitions});
       PRAGMA user_version = ${SCHEMA_VERSION};
       COMMIT`,
    );
    return;
  }
  if (version !== SCHEMA_VERSION) {
    throw new Refusal(
      `The log ${path} has schema ${version}, this version reads ${SCHEMA_VERSION}: run the version that wrote it, or move the file away to start with an empty one.`,
    );
  }
  const stored = database.prepare("SELECT setting FROM settings WHERE name = 'partitions'").get();
  if (stored?.setting !== partitions) {
    throw new Refusal(
      `The log ${path} has ${stored?.setting} partitions, not ${partitions}: their number is fixed for a log's life, set PARTITIONS back.`,
    );
  }
}
