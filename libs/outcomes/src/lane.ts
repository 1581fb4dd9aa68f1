/**
 * The work of one partition, in order: gathers what comes until the next beat, and what comes while a batch is under
 * way, into the next batch. One batch at a time, so nothing overtakes, and an outage makes batches longer instead of
 * more numerous.
 */
import type { Beat } from './beat.js';

export class Lane<T> {
  private readonly batches: Batch<T>[] = [];
  private isRunning = false;
  private isHurried = false;

  /** `work` is repeated by nobody: it rejects only when the batch is given up. */
  constructor(
    private readonly work: (items: readonly T[]) => Promise<void>,
    private readonly batchMax: number,
    private readonly beat: Beat,
  ) {}

  /** Resolves when the batch that holds the item is worked off; shared by all items of that batch. */
  push(item: T): Promise<void> {
    let last = this.batches.at(-1);
    if (last === undefined || last.isClosed || last.items.length >= this.batchMax) {
      last = new Batch<T>();
      this.batches.push(last);
    }
    last.items.push(item);
    if (!this.isRunning) this.begin();
    return last.done;
  }

  /** What is not worked off yet, oldest first. */
  *items(): Generator<T> {
    for (const batch of this.batches) yield* batch.items;
  }

  get size(): number {
    return this.batches.reduce((size, batch) => size + batch.items.length, 0);
  }

  /** The batch that ends the lane as it is now; undefined: nothing is under way. */
  last(): Promise<void> | undefined {
    return this.batches.at(-1)?.done;
  }

  /** What is there does not wait for a beat. */
  hurry(): void {
    this.isHurried = this.isRunning;
    if (this.isRunning) this.beat.now();
  }

  private begin(): void {
    this.isRunning = this.batches.length > 0;
    if (!this.isRunning) this.isHurried = false;
    else if (this.isHurried) void this.run();
    else this.beat.next(() => void this.run());
  }

  private async run(): Promise<void> {
    const batch = this.batches[0] as Batch<T>;
    batch.isClosed = true;
    try {
      await this.work(batch.items);
      batch.resolve();
    } catch (error) {
      batch.reject(error);
    }
    this.batches.shift();
    this.begin();
  }
}

class Batch<T> {
  readonly items: T[] = [];
  isClosed = false;
  resolve: () => void = () => undefined;
  reject: (error: unknown) => void = () => undefined;
  readonly done = new Promise<void>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  constructor() {
    // Who pushed may not care; a batch that was given up is no reason to end the process.
    this.done.catch(() => undefined);
  }
}
