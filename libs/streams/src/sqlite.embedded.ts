/**
 * How the database file is opened: by one process alone, durable, and with one clear sentence when it cannot be.
 */
import { closeSync, mkdirSync, openSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync } from 'node:sqlite';

/** Primary result codes, https://www.sqlite.org/rescode.html. */
export const SQLITE = { BUSY: 5, LOCKED: 6, CORRUPT: 11, FULL: 13, NOTADB: 26 } as const;

/** quick_check reads the whole file: about 1 ms per MiB. A larger file is trusted until a read fails. */
const CHECKED_BYTES_MAX = 32 * 1024 * 1024;
/** A predecessor that is on its way out may still hold the lock. */
const LOCK_WAIT_MS = 1000;

/**
 * Opens (or creates, mode 0600, its directory 0700) the database and holds it exclusively until it is closed: another
 * process is refused. WAL with synchronous FULL: a commit is on the disk when it returns. Throws an Error
 * with one sentence that names the file and what to do.
 */
export function openDatabase(path: string): DatabaseSync {
  let database: DatabaseSync | undefined;
  try {
    const bytes = path === ':memory:' ? 0 : createFile(path);
    const { DatabaseSync } = loadSqlite();
    database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
    // Of page sizes 4 to 32 KiB this costs least per record of 1 KiB; it matters for a new file only.
    database.exec('PRAGMA page_size = 8192');
    // Before WAL: then its index lives in the heap, and the lock is kept from the first access on.
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    database.exec('PRAGMA journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('BEGIN IMMEDIATE; COMMIT');
    if (bytes > 0 && bytes <= CHECKED_BYTES_MAX) check(database);
    return database;
  } catch (error) {
    database?.close();
    throw refusalOf(path, error);
  }
}

/** The primary code of an error of SQLite; undefined for any other error. */
export function sqliteCode(error: unknown): number | undefined {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined;
  return typeof code === 'number' ? code & 0xff : undefined;
}

/** One sentence about a database that cannot be used: what is wrong, and what to do. */
export function refusalOf(path: string, error: unknown): Error {
  const why = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ');
  switch (sqliteCode(error)) {
    case SQLITE.BUSY:
    case SQLITE.LOCKED:
      return new Error(
        `The log ${path} is in use by another process: stop that one, or give this one a DATA_DIR of its own.`,
        { cause: error },
      );
    case SQLITE.CORRUPT:
    case SQLITE.NOTADB:
      return new Error(
        `The log ${path} is damaged (${why}): restore it from a backup, or move it and its -wal file away to start with an empty one.`,
        { cause: error },
      );
    case SQLITE.FULL:
      return new Error(`The log ${path} cannot be opened, the disk is full: make room.`, {
        cause: error,
      });
    default:
      return new Error(
        `The log ${path} cannot be opened (${why}): it must be a file that this user may read and write.`,
        { cause: error },
      );
  }
}

/** The size of the file as found. WAL and journal inherit its mode from SQLite. */
function createFile(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, 'a', 0o600));
  return statSync(path).size;
}

function check(database: DatabaseSync): void {
  const found = database.prepare('PRAGMA quick_check(1)').get()?.quick_check;
  if (found === 'ok') return;
  throw Object.assign(new Error(String(found)), { errcode: SQLITE.CORRUPT });
}

/**
 * Node warns when its SQLite module is loaded for the first time. That one warning is held back, and only while
 * this synchronous load runs; all others pass.
 */
function loadSqlite(): typeof import('node:sqlite') {
  const emitWarning = process.emitWarning;
  const filtered = (...warning: readonly unknown[]): void => {
    if (!String(warning[0]).startsWith('SQLite is an experimental feature')) {
      Reflect.apply(emitWarning, process, warning);
    }
  };
  process.emitWarning = filtered as typeof process.emitWarning;
  try {
    return process.getBuiltinModule('node:sqlite');
  } finally {
    process.emitWarning = emitWarning;
  }
}
