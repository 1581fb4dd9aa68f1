import type { PartitionReader } from './consumer.js';
import type { RecordBatch } from './record.js';

const AGAIN_AFTER_MS = { first: 50, last: 2000 };

interface Place {
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
  private isEnded = false;
  private lastTurnAt = Date.now();
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

  /** False: the partition was taken away meanwhile. */
  read(batch: RecordBatch): Promise<boolean> {
    return this.turn(async () => {
      const next = await this.reader.onBatch(batch);
      if (next === batch.next) this.position = next;
      else this.goTo(next);
    });
  }

  /** What lay between the position and `batch.next` has been deleted. */
  skip(batch: RecordBatch): Promise<boolean> {
    return this.turn(async () => this.goTo(await this.reader.onBatch(batch)));
  }

  idle(): Promise<boolean> {
    return this.turn(async () => {
      const next = await this.reader.onIdle(this.partition);
      if (next !== undefined) this.goTo(next);
    });
  }

  /** No call begins after this. */
  end(): void {
    this.isEnded = true;
    this.markBegun();
  }

  settled(): Promise<unknown> {
    return this.inTurn;
  }

  isQuiet(forMs: number): boolean {
    return !this.isEnded && Date.now() - this.lastTurnAt >= forMs;
  }

  private goTo(offset: number): void {
    this.position = offset;
    if (!this.isEnded) this.place.seek(offset);
  }

  private turn(call: () => Promise<void>): Promise<boolean> {
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
      this.lastTurnAt = Date.now();
      try {
        await call();
        this.lastTurnAt = Date.now();
        return !this.isEnded;
      } catch (error) {
        this.place.onRetry(error);
        await new Promise((resolve) => setTimeout(resolve, wait));
      }
    }
    return false;
  }
}
