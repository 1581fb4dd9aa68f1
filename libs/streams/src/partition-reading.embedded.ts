/**
 * One group's reading of one partition: calls whoever owns the partition now, one call at a time, again after
 * a moment when it throws, and hands the partition over between two calls.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { PartitionReader } from './consumer.js';
import type { PartitionLog, TailReader } from './partition-log.embedded.js';

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 1000;

/** Told of every call to a reader that threw. */
export type Report = (text: string, error: unknown) => void;

export class PartitionReading implements TailReader {
  /**
   * It outlives an owner: what nobody has read stays in the tail while the partition changes hands. 0 until the first
   * owner has said where it starts, so that nothing is dropped before.
   */
  position = 0;
  private owner?: PartitionReader;
  private isEnding = false;
  private isIdleDue = true;
  private isUnreadable = false;
  private loop: Promise<void> = Promise.resolve();
  private handover: Promise<void> = Promise.resolve();
  private resume?: () => void;

  constructor(
    private readonly log: PartitionLog,
    private readonly report: Report,
  ) {}

  /**
   * Makes `reader` the owner (undefined: nobody) after the call in flight. The old owner is told by onRevoked if
   * `isToTell` says so then. Resolves when no call to the old owner can begin any more.
   */
  give(
    reader: PartitionReader | undefined,
    isToTell: (old: PartitionReader) => boolean,
  ): Promise<void> {
    this.handover = this.handover.then(() => this.change(reader, isToTell));
    return this.handover;
  }

  /** There may be something to read, or the owner has changed. */
  wake(): void {
    const resume = this.resume;
    this.resume = undefined;
    resume?.();
  }

  /** About once a second. */
  tick(): void {
    this.isIdleDue = true;
    this.wake();
  }

  private async change(
    reader: PartitionReader | undefined,
    isToTell: (old: PartitionReader) => boolean,
  ): Promise<void> {
    const old = this.owner;
    if (old === reader) return;
    if (old) {
      this.isEnding = true;
      this.wake();
      await this.loop;
      if (isToTell(old)) this.revoke(old);
    }
    this.owner = reader;
    this.isEnding = false;
    this.isIdleDue = true;
    if (reader) this.loop = this.run(reader);
  }

  private revoke(old: PartitionReader): void {
    try {
      old.onRevoked(this.log.partition);
    } catch (error) {
      this.report(`${this.name}: a reader failed when it lost the partition`, error);
    }
  }

  private async run(reader: PartitionReader): Promise<void> {
    const { partition } = this.log;
    this.moveTo(await this.insist(() => reader.onAssigned(partition)));
    while (!this.isEnding) {
      // The table is read synchronously: a long way to catch up must not keep the sockets waiting.
      if (this.log.isBehind(this.position)) await nextTurn();
      const batch = this.takeBatch();
      if (this.isUnreadable) {
        await this.pause(RETRY_MAX_MS);
      } else if (batch) {
        this.moveTo(await this.insist(() => reader.onBatch(batch)));
      } else if (this.isIdleDue) {
        this.isIdleDue = false;
        this.moveTo(await this.insist(() => reader.onIdle(partition)));
      } else {
        await new Promise<void>((resume) => (this.resume = resume));
      }
    }
  }

  /** What cannot be read is no end: a reader that took it for one would skip what is left. */
  private takeBatch(): ReturnType<PartitionLog['take']> {
    this.isUnreadable = false;
    try {
      return this.log.take(this.position);
    } catch (error) {
      this.report(`${this.name} cannot be read at ${this.position}`, error);
      this.isUnreadable = true;
      return undefined;
    }
  }

  private moveTo(position: number | undefined): void {
    if (position === undefined) return;
    this.position = Math.max(0, position);
    this.log.trim();
  }

  /** Until the call succeeds; undefined: the partition is to be handed over. */
  private async insist<T>(call: () => Promise<T>): Promise<T | undefined> {
    for (let delayMs = RETRY_FIRST_MS; ; delayMs = Math.min(2 * delayMs, RETRY_MAX_MS)) {
      try {
        return await call();
      } catch (error) {
        this.report(
          `${this.name}: a reader failed at ${this.position}, again in ${delayMs} ms`,
          error,
        );
      }
      await this.pause(delayMs);
      if (this.isEnding) return undefined;
    }
  }

  /** Ends early when the partition changes hands; new records do not shorten it. */
  private async pause(delayMs: number): Promise<void> {
    const until = performance.now() + delayMs;
    while (!this.isEnding && performance.now() < until) {
      await new Promise<void>((resume) => {
        const timer = setTimeout(resume, until - performance.now());
        this.resume = () => {
          clearTimeout(timer);
          resume();
        };
      });
    }
  }

  private get name(): string {
    return `${this.log.stream}/${this.log.partition}`;
  }
}
