/**
 * What a router does beside the stream: about every second it goes through the partitions that it owns and
 * whose views are ready. Each sweep's scripts are fenced, so a sweep that outlives its ownership does no harm.
 */
import type { Log } from '#runtime';
import type { OwnedPartition, OwnedPartitions } from './owned-partition.js';

export interface Sweep {
  readonly name: string;
  readonly everyMs: number;
  /** One partition, to its end. Throws when a store is away; it is tried again when it is due again. */
  sweep(owned: OwnedPartition): Promise<void>;
}

export const ROUND_MS = 1_000;

export class Sweeps {
  private readonly dueAt = new Map<Sweep, number>();
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> | undefined;

  constructor(
    private readonly owned: OwnedPartitions,
    private readonly sweeps: readonly Sweep[],
    private readonly log: Log,
  ) {}

  start(): void {
    this.timer ??= setInterval(() => {
      // A round that is still under way is not joined by another one.
      this.round ??= this.run(Date.now()).finally(() => (this.round = undefined));
    }, ROUND_MS);
  }

  /** No sweep is under way when it resolves. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    this.timer = undefined;
    await this.round;
  }

  /** One round at `nowMs`: each sweep that is due goes through every partition. */
  async run(nowMs: number): Promise<void> {
    for (const sweep of this.sweeps) {
      if (nowMs < (this.dueAt.get(sweep) ?? 0)) continue;
      // Half a round early: a timer that comes a little too soon does not cost a whole round.
      this.dueAt.set(sweep, nowMs + sweep.everyMs - ROUND_MS / 2);
      for (const owned of this.owned.ready()) await this.sweep(sweep, owned);
    }
  }

  private async sweep(sweep: Sweep, owned: OwnedPartition): Promise<void> {
    try {
      await sweep.sweep(owned);
    } catch (error) {
      const { partition } = owned;
      this.log.sampled(sweep.name, `${sweep.name} sweep failed`, { partition, error });
    }
  }
}
