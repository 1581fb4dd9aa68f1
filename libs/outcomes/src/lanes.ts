import { Beat } from './beat.js';
import { Lane } from './lane.js';

/** A lane for each partition that has had something to do, all on one beat. */
export class Lanes<T> {
  private readonly lanes = new Map<number, Lane<T>>();
  private readonly beat: Beat;

  /** `waitMs`: how long what comes waits for more; 0: until the end of the turn. */
  constructor(
    private readonly work: (partition: number, items: readonly T[]) => Promise<void>,
    private readonly options: { readonly batchMax: number; readonly waitMs: number },
  ) {
    this.beat = new Beat(options.waitMs);
  }

  /** As {@link Lane.push}. */
  push(partition: number, item: T): Promise<void> {
    let lane = this.lanes.get(partition);
    if (lane === undefined) {
      const work = (items: readonly T[]): Promise<void> => this.work(partition, items);
      lane = new Lane(work, this.options.batchMax, this.beat);
      this.lanes.set(partition, lane);
    }
    return lane.push(item);
  }

  /** Of one partition. */
  get(partition: number): Lane<T> | undefined {
    return this.lanes.get(partition);
  }

  /** What is not worked off yet. */
  *items(): Generator<T> {
    for (const lane of this.lanes.values()) yield* lane.items();
  }

  get size(): number {
    let size = 0;
    for (const lane of this.lanes.values()) size += lane.size;
    return size;
  }

  /** Resolves when nothing is under way; waits for no beat. Never rejects. */
  async drain(): Promise<void> {
    for (;;) {
      const under = [...this.lanes.values()].flatMap((lane) => lane.last() ?? []);
      if (under.length === 0) return;
      this.beat.now();
      await Promise.allSettled(under);
    }
  }
}
