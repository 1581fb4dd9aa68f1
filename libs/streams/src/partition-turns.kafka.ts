import { setTimeout as pause } from 'node:timers/promises';
import type { PartitionReader } from './consumer.js';
import type { RecordBatch } from './record.js';

const AGAIN_AFTER_MS = { first: 50, last: 2000 };
/** Batches from another place after a seek; beyond it there is nothing at the place that was sought. */
const ASTRAY_MAX = 3;

interface Place {
  /** A batch without records. */
  readonly gapTo: (next: number) => RecordBatch;
  readonly seek: (offset: number) => void;
  readonly onRetry: (error: unknown) => void;
}

/**
 * One assignment of one partition: the calls to its reader one after the other, each repeated until it
 * succeeds or the partition is taken away, and where reading goes on.
 */
export class PartitionTurns {
  /** Resolves when the reader has said where to begin, or the assignment has ended. */
  readonly begun: Promise<void>;
  position = 0;
  /** Where reading must go on first; undefined: it has. */
  private sought: number | undefined;
  private astray = 0;
  private isEnded = false;
  private lastTurnAt = performance.now();
  /** Begun or waiting, and over. */
  private turns = 0;
  private turnsOver = 0;
  private inTurn: Promise<unknown> = Promise.resolve();
  private markBegun: () => void = () => undefined;

  constructor(
    readonly partition: number,
    private readonly reader: PartitionReader,
    private readonly place: Place,
  ) {
    this.begun = new Promise((resolve) => (this.markBegun = resolve));
  }

  /** @param before the end of an earlier assignment of the same partition */
  async begin(before: Promise<unknown> | undefined): Promise<void> {
    await before;
    await this.turn(async () => this.goTo(await this.reader.onAssigned(this.partition)));
    this.markBegun();
  }

  /**
   * A batch that was fetched from that offset; `cut` makes it from the position on. It may have waited for a turn that
   * then sought elsewhere: it is given only if it belongs to the place where reading goes on. Resolves with the
   * offset behind what is done; undefined: nothing was done.
   */
  async read(fetchedFrom: number, cut: (from: number) => RecordBatch): Promise<number | undefined> {
    let done: number | undefined;
    const isOurs = await this.turn(async () => {
      if (!this.isInPlace(fetchedFrom)) {
        // A log that ends below what was read has been replaced: the reader finds that out, in its time.
        if (this.astray > ASTRAY_MAX) await pause(AGAIN_AFTER_MS.last);
        return this.goTo(this.position);
      }
      const batch = cut(this.position);
      const next = await this.reader.onBatch(batch);
      this.sought = undefined;
      this.astray = 0;
      if (next === batch.next) this.position = done = next;
      else this.goTo(next);
    });
    return isOurs ? done : undefined;
  }

  /**
   * The log's ends as somebody has looked them up. They count only if no turn began since the look did: the reader may
   * have gone elsewhere meanwhile, and would take what it has not read for nothing.
   */
  look(turn: number, { low, high }: { readonly low: number; readonly high: number }): void {
    if (turn !== this.turns || this.isEnded) return;
    if (this.position >= high) {
      void this.turn(async () => {
        const next = await this.reader.onIdle(this.partition);
        if (next !== undefined) this.goTo(next);
      });
    } else if (this.position < low) {
      // What lay between has been deleted.
      void this.turn(async () => this.goTo(await this.reader.onBatch(this.place.gapTo(low))));
    }
  }

  /** No call begins after this. */
  end(): void {
    this.isEnded = true;
    this.markBegun();
  }

  settled(): Promise<unknown> {
    return this.inTurn;
  }

  /** The number of its last turn, if that is over for so long; undefined: it is busy. */
  quietSince(forMs: number): number | undefined {
    const isQuiet = !this.isEnded && !this.isBusy && performance.now() - this.lastTurnAt >= forMs;
    return isQuiet ? this.turns : undefined;
  }

  /**
   * kafkajs moves on by itself only over what is not there (deleted, compacted away), which shows as an offset above
   * ours. After a seek such an offset may also be one of before the seek, on its way: it is asked again.
   */
  private isInPlace(fetchedFrom: number): boolean {
    if (this.sought === undefined) return fetchedFrom >= this.position;
    if (fetchedFrom === this.sought) return true;
    return ++this.astray > ASTRAY_MAX && fetchedFrom > this.sought;
  }

  private goTo(offset: number): void {
    if (this.sought !== offset) this.astray = 0;
    this.position = this.sought = offset;
    if (!this.isEnded) this.place.seek(offset);
  }

  private get isBusy(): boolean {
    return this.turnsOver < this.turns;
  }

  private turn(call: () => Promise<void>): Promise<boolean> {
    this.turns++;
    const turn = this.inTurn.then(() => this.repeat(call));
    this.inTurn = turn;
    return turn;
  }

  private async repeat(call: () => Promise<void>): Promise<boolean> {
    for (
      let wait = AGAIN_AFTER_MS.first;
      !this.isEnded;
      wait = Math.min(wait * 2, AGAIN_AFTER_MS.last)
    ) {
      try {
        await call();
        this.turnsOver++;
        this.lastTurnAt = performance.now();
        return !this.isEnded;
      } catch (error) {
        this.place.onRetry(error);
        await pause(wait);
      }
    }
    return false;
  }
}
