/**
 * Group commit: all appends of one turn of the event loop are one transaction, on the main thread. A commit
 * takes 0.1 to 1.5 ms; a worker thread was measured beside it: 16 MB more memory, 1.5 times the CPU per
 * record and no better latency, since the answer has to wait for the disk either way.
 */
import { CommitFailed } from './log-file.embedded.js';
import type { LogFile } from './log-file.embedded.js';
import type { PartitionLog } from './partition-log.embedded.js';
import { AppendFailed } from './producer.js';
import type { LogRecord, StreamRecord } from './record.js';
import { SQLITE, sqliteCode } from './sqlite.embedded.js';

/** More wait for the next turn: a transaction must not hold the loop for long. */
const GROUP_RECORDS_MAX = 1000;
/** Announcements need no durability of their own; so long they may wait for a notification to ride with. */
const RIDE_WAIT_MS = 20;
const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 1000;
/** Offsets are reserved on disk in blocks, so that one given out is never given out again after a crash. */
const RESERVED_OFFSETS = 65_536;

/** One record on its way into the log. */
interface Append {
  readonly log: PartitionLog;
  readonly record: StreamRecord;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: AppendFailed) => void;
  placed?: LogRecord;
}

export class LogWriter {
  commits = 0;
  commitMsTotal = 0;
  records = 0;
  failures = 0;
  /** Why the last group failed; undefined since one succeeded. */
  trouble?: string;
  private once: Append[] = [];
  private untilIn: Append[] = [];
  private isClosed = false;
  private isScheduled = false;
  private rideTimer?: NodeJS.Timeout;
  /** Set while what goes in until it is in waits for the log to come back. */
  isBackingOff = false;
  private backOffMs = 0;
  private readonly reserved = new Map<PartitionLog, number>();

  constructor(
    private readonly file: LogFile,
    private readonly clock: () => number,
  ) {}

  append(log: PartitionLog, record: StreamRecord): Promise<number> {
    if (this.isClosed) return Promise.reject(closed(log));
    // The executor is shared and runs synchronously: no closure per record.
    const promise = new Promise<number>(capture);
    this.once.push({ log, record, resolve: captured.resolve, reject: captured.reject });
    this.schedule();
    return promise;
  }

  appendUntilIn(log: PartitionLog, records: readonly StreamRecord[]): Promise<void> {
    if (this.isClosed) return Promise.reject(closed(log));
    if (records.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      let missing = records.length;
      const onIn = (): void => {
        missing -= 1;
        if (missing === 0) resolve();
      };
      for (const record of records) this.untilIn.push({ log, record, resolve: onIn, reject });
      this.ride();
    });
  }

  /** Commits what waits, now. */
  flush(): void {
    this.isScheduled = false;
    const once = this.once.splice(0, GROUP_RECORDS_MAX);
    // While the log is away only what is tried once is tried: a 503 must not wait for the others.
    const room = Math.max(GROUP_RECORDS_MAX - once.length, GROUP_RECORDS_MAX / 4);
    const untilIn = this.isBackingOff ? [] : this.untilIn.splice(0, room);
    if (once.length + untilIn.length > 0) this.write(once, untilIn);
    if (this.once.length > 0) this.schedule();
    else if (this.untilIn.length > 0) this.ride();
    else this.stopRide();
  }

  /** After a failure, without anybody's append: a service that was taken out of the way for it comes back. */
  probe(): void {
    if (this.trouble === undefined) return;
    try {
      this.file.transact(() => this.file.touch());
      this.trouble = undefined;
    } catch {
      // Still the same trouble.
    }
  }

  /** Flushes; what cannot be written is rejected. */
  close(): void {
    this.isClosed = true;
    this.isBackingOff = false;
    while (this.once.length + this.untilIn.length > 0 && !this.isBackingOff) this.flush();
    this.stopRide();
    for (const { log, reject } of this.untilIn.splice(0)) reject(closed(log));
    try {
      // Exactly the end instead of a block ahead of it: the next start finds no gap.
      this.file.transact(() => {
        for (const [{ stream, partition, end }] of this.reserved) {
          this.file.reserve(stream, partition, end);
        }
      });
    } catch {
      // The block on disk holds as well.
    }
  }

  /** At the end of this turn of the loop, after the sockets have been read. */
  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(this.onTurnEnd);
  }

  private readonly onTurnEnd = (): void => {
    if (this.isScheduled) this.flush();
  };

  private ride(): void {
    if (this.isScheduled || this.rideTimer) return;
    const waitMs = this.isBackingOff ? this.backOffMs : RIDE_WAIT_MS;
    this.rideTimer = setTimeout(() => {
      this.rideTimer = undefined;
      // A second failure must not take appends along: by themselves, until one group of them is in.
      if (this.isBackingOff) this.write([], this.untilIn.splice(0, GROUP_RECORDS_MAX));
      this.flush();
    }, waitMs);
  }

  private stopRide(): void {
    clearTimeout(this.rideTimer);
    this.rideTimer = undefined;
  }

  private write(once: readonly Append[], untilIn: readonly Append[]): void {
    const group = untilIn.length === 0 ? once : [...once, ...untilIn];
    const logs = new Set<PartitionLog>();
    const startedAt = performance.now();
    try {
      this.file.transact(() => this.store(group, logs));
    } catch (error) {
      return this.onFailure(error, { once, untilIn, logs });
    }
    this.commits += 1;
    this.commitMsTotal += performance.now() - startedAt;
    this.records += group.length;
    this.trouble = undefined;
    if (untilIn.length > 0) {
      this.isBackingOff = false;
      this.backOffMs = 0;
    }
    for (const { log, placed, resolve } of group) {
      if (!placed) continue;
      log.publish(placed);
      resolve(placed.offset);
    }
    // Their continuations come after those of the appends: 201 first, then the way to the device.
    for (const log of logs) log.wake();
  }

  private store(group: readonly Append[], logs: Set<PartitionLog>): void {
    const at = this.clock();
    for (const append of group) {
      const { log, record } = append;
      const { key, value, headers } = record;
      logs.add(log);
      append.placed = { offset: log.next, at, key, value, headers };
      log.next += 1;
      log.table?.store(log.partition, append.placed);
    }
    for (const log of logs) {
      if (log.next <= (this.reserved.get(log) ?? log.end)) continue;
      this.reserved.set(log, log.next + RESERVED_OFFSETS);
      this.file.reserve(log.stream, log.partition, log.next + RESERVED_OFFSETS);
    }
  }

  private onFailure(
    error: unknown,
    failed: {
      readonly once: readonly Append[];
      readonly untilIn: readonly Append[];
      readonly logs: ReadonlySet<PartitionLog>;
    },
  ): void {
    this.failures += 1;
    this.trouble = error instanceof Error ? error.message : String(error);
    // A full disk is noticed before the record that ends the commit is written; after any other failure
    // of the commit a restart may find the group whole.
    const isFateUnknown = error instanceof CommitFailed && sqliteCode(error.cause) !== SQLITE.FULL;
    for (const log of failed.logs) {
      // The block was rolled back with the rest.
      this.reserved.delete(log);
      if (isFateUnknown) log.end = log.next;
      else log.next = log.end;
    }
    if (failed.untilIn.length > 0) {
      this.untilIn = [...failed.untilIn, ...this.untilIn];
      this.isBackingOff = true;
      this.backOffMs = Math.min(Math.max(2 * this.backOffMs, RETRY_FIRST_MS), RETRY_MAX_MS);
      // None of it is in, and perhaps only because of what rode along.
      if (!isFateUnknown && failed.once.length > 0) return this.write(failed.once, []);
    }
    for (const { log, reject } of failed.once) {
      const text = `append to ${log.stream} failed: ${this.trouble}`;
      reject(new AppendFailed(text, isFateUnknown, { cause: error }));
    }
  }
}

const captured = {
  resolve: (_offset: number): void => {},
  reject: (_error: AppendFailed): void => {},
};
function capture(resolve: (offset: number) => void, reject: (error: AppendFailed) => void): void {
  captured.resolve = resolve;
  captured.reject = reject;
}

function closed(log: PartitionLog): AppendFailed {
  return new AppendFailed(`append to ${log.stream} failed: the log is closed`, false);
}
