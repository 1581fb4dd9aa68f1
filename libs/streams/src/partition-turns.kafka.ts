import { setTimeout as pause } from 'node:timers/promises';
import type { PartitionReader } from './consumer.js';
import type { FetchedPartition } from './fetch-bytes.kafka.js';

const AGAIN_AFTER_MS = { first: 50, last: 2000 };

interface Options {
  readonly stream: string;
  readonly onRetry: (error: unknown) => void;
}

/**
 * One assignment of one partition: the calls to its reader one after the other, each repeated until it
 * succeeds or the partition is taken away, and where reading goes on.
 */
export class PartitionTurns {
  /** Where reading goes on; undefined: the reader has not said yet. */
  private position: number | undefined;
  /** There was nothing at the position: it lies outside of the log. */
  private isOutside = false;
  private isEnded = false;
  private lastTurnAt = performance.now();
  /** Begun or waiting, and over. */
  private turns = 0;
  private turnsOver = 0;
  private inTurn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly partition: number,
    private readonly reader: PartitionReader,
    private readonly options: Options,
  ) {}

  /** @param before the end of an earlier assignment of the same partition */
  async begin(before: Promise<unknown> | undefined): Promise<void> {
    await before;
    await this.turn(async () => {
      this.position = Math.max(0, await this.reader.onAssigned(this.partition));
    });
  }

  /** The offset to fetch from now; undefined: none. */
  get fetchFrom(): number | undefined {
    return this.isEnded || this.isBusy || this.isOutside ? undefined : this.position;
  }

  /**
   * Resolves when the reader has taken it. It may have waited for a turn that then sought elsewhere: it is given only
   * if it was fetched from where reading goes on.
   */
  async take({ from, records, next }: FetchedPartition): Promise<void> {
    const { partition } = this;
    const { stream } = this.options;
    await this.turn(async () => {
      if (from !== this.position) return;
      this.position = await this.reader.onBatch({ stream, partition, records, next });
    });
  }

  /** That offset lies outside of the log. Nothing is fetched until the log's ends have been looked up. */
  missed(from: number): void {
    if (from === this.position) this.isOutside = true;
  }

  /**
   * The log's ends as somebody has looked them up. They count only if no turn began since the look did: the reader may
   * have gone elsewhere meanwhile, and would take what it has not read for nothing.
   */
  look(turn: number, { low, high }: { readonly low: number; readonly high: number }): void {
    if (turn !== this.turns || this.isEnded || this.position === undefined) return;
    this.isOutside = false;
    if (this.position >= high) {
      void this.turn(async () => {
        this.position = (await this.reader.onIdle(this.partition)) ?? this.position;
      });
    } else if (this.position < low) {
      // What lay between has been deleted.
      void this.take({ partition: this.partition, from: this.position, ...gapTo(low) });
    }
  }

  /** No call begins after this. */
  end(): void {
    this.isEnded = true;
  }

  settled(): Promise<unknown> {
    return this.inTurn;
  }

  /**
   * The number of its last turn, if that is over for so long, or the position was found outside of the log; undefined:
   * it is busy.
   */
  quietSince(forMs: number): number | undefined {
    if (this.isEnded || this.isBusy) return undefined;
    const isQuiet = this.isOutside || performance.now() - this.lastTurnAt >= forMs;
    return isQuiet ? this.turns : undefined;
  }

  private get isBusy(): boolean {
    return this.turnsOver < this.turns;
  }

  private turn(call: () => Promise<void>): Promise<void> {
    this.turns++;
    const turn = this.inTurn.then(() => this.repeat(call));
    this.inTurn = turn;
    return turn;
  }

  private async repeat(call: () => Promise<void>): Promise<void> {
    for (
      let wait = AGAIN_AFTER_MS.first;
      !this.isEnded;
      wait = Math.min(wait * 2, AGAIN_AFTER_MS.last)
    ) {
      try {
        await call();
        this.turnsOver++;
        this.lastTurnAt = performance.now();
        return;
      } catch (error) {
        this.options.onRetry(error);
        await pause(wait);
      }
    }
  }
}

function gapTo(next: number): Omit<FetchedPartition, 'partition' | 'from'> {
  return { errorCode: 0, records: [], next };
}
