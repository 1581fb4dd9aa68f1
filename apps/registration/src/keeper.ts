/**
 * The keeper of the subscriptions view (design §5, rules 5, 6 and 9). It reads `subscriptions` partition by
 * partition and applies what it reads to the view, from the mark and never from a committed offset. A view
 * that is not there is created and folded from the log; only then does a missing subscription mean 410.
 * Registrars write through beside it, so it is never in a hurry.
 */
import { StartRefused, type Log } from '#runtime';
import {
  SUBSCRIPTIONS,
  UndecodableRecord,
  decodeSubscriptionRecord,
  type LogRecord,
  type PartitionReader,
  type RecordBatch,
  type StreamCatalog,
} from '#streams';
import type {
  PartitionView,
  SubscriptionChange,
  SubscriptionsMark,
  SubscriptionsView,
} from '#view';
import type { GoneSweep, GoneSweepPorts } from '#outcomes';
import { KeeperCounts } from './keeper-counts.js';
import { KeptPartition } from './kept-partition.js';

/** So long may `applied` be ahead of the log's end before the log counts as replaced (rule 5). */
export const LOG_BEHIND_MS_MAX = 60_000;

export interface KeeperPorts {
  readonly subscriptions: SubscriptionsView;
  readonly notifications: Pick<PartitionView, 'mark'>;
  readonly catalog: StreamCatalog;
  readonly announcer: GoneSweepPorts['announcer'];
  readonly goneSweep: GoneSweep;
}

export interface KeeperOptions {
  readonly log: Log;
  /** Called when going on would lose subscriptions: ends the process with the sentence. */
  readonly stop: (reason: Error) => void;
  /** ms; for how long something has lasted. */
  readonly clock?: () => number;
}

/** Of one fold; while devices register without pause the log's end never stands. */
const FOLD_LEGS_MAX = 20;

export class Keeper implements PartitionReader {
  readonly counts = new KeeperCounts();
  private readonly kept = new Map<number, KeptPartition>();
  private readonly clock: () => number;

  constructor(
    private readonly ports: KeeperPorts,
    private readonly options: KeeperOptions,
  ) {
    this.clock = options.clock ?? Date.now;
  }

  /** The partitions that this keeper has. */
  partitions(): readonly KeptPartition[] {
    return [...this.kept.values()];
  }

  /** How many of them are in which state. */
  states(): { readonly ready: number; readonly rebuilding: number } {
    const kept = this.partitions();
    const ready = kept.filter(({ state, isTaken }) => isTaken && state === 'ready').length;
    return { ready, rebuilding: kept.length - ready };
  }

  /** By partition: offsets between what is applied and the end of the log. */
  async lag(): Promise<Record<string, number>> {
    const each = this.partitions().map(async ({ partition, applied }) => {
      const end = await this.ports.catalog.end(SUBSCRIPTIONS, partition);
      return [partition, Math.max(0, end - applied)] as const;
    });
    return Object.fromEntries(await Promise.all(each));
  }

  onAssigned(partition: number): Promise<number> {
    this.onRevoked(partition);
    const kept = new KeptPartition(partition);
    this.kept.set(partition, kept);
    return this.begin(kept);
  }

  onRevoked(partition: number): void {
    const kept = this.kept.get(partition);
    if (kept !== undefined) kept.isOwned = false;
    this.kept.delete(partition);
  }

  async onBatch(batch: RecordBatch): Promise<number> {
    const kept = this.kept.get(batch.partition);
    if (kept === undefined) return batch.next;
    if (!kept.isTaken) return this.begin(kept);
    if ((batch.records[0]?.offset ?? batch.next) < kept.applied) {
      await this.compareWithLog(kept);
      return kept.applied;
    }
    const changes = this.changesOf(batch, kept);
    const isFolding = kept.state === 'rebuilding';
    return this.apply(kept, changes, isFolding ? Math.min(batch.next, kept.foldEnd) : batch.next);
  }

  /** The look at the mark, about every second while there is nothing to read. */
  async onIdle(partition: number): Promise<number | undefined> {
    const kept = this.kept.get(partition);
    if (kept === undefined) return undefined;
    if (!kept.isTaken) return this.begin(kept);
    if (!kept.matches(await this.ports.subscriptions.mark(partition))) return this.fenced(kept);
    // Nothing is left below the end that was asked when the fold began: deleted or compacted away.
    if (kept.state === 'rebuilding' && kept.applied <= kept.foldEnd) {
      return this.apply(kept, [], kept.foldEnd);
    }
    await this.compareWithLog(kept);
    this.counts.gone += await this.ports.goneSweep.sweep(partition, () => kept.isOwned);
    return undefined;
  }

  /**
   * Reads the mark, creates it where there is none, and returns where to read on. When it throws, the
   * partition is not taken, and the next call begins again.
   */
  private async begin(kept: KeptPartition): Promise<number> {
    kept.isTaken = false;
    const { partition } = kept;
    while (kept.isOwned) {
      kept.believe(await this.readMark(partition));
      if (kept.state === 'rebuilding') {
        // Asked after the mark was read: what is appended later is applied when the view is ready.
        kept.foldEnd = await this.ports.catalog.end(SUBSCRIPTIONS, partition);
        if (kept.applied === kept.foldEnd) {
          await this.setReady(kept);
          continue;
        }
      }
      kept.isTaken = true;
      break;
    }
    return kept.applied;
  }

  private async readMark(partition: number): Promise<SubscriptionsMark> {
    const { subscriptions } = this.ports;
    for (;;) {
      const mark = await subscriptions.mark(partition);
      if (mark !== undefined) return mark;
      await subscriptions.createMark(partition);
    }
  }

  /** Returns where to read on. */
  private async apply(
    kept: KeptPartition,
    changes: readonly SubscriptionChange[],
    next: number,
  ): Promise<number> {
    const { partition } = kept;
    // Read before: both marks are lost together, so if `apply` succeeds it was of this view.
    const notifications =
      kept.state === 'ready' ? await this.ports.notifications.mark(partition) : undefined;
    const announcements = await this.ports.subscriptions.apply(partition, kept, { changes, next });
    if (announcements === undefined) return this.fenced(kept);
    kept.applied = Math.max(kept.applied, next);
    this.counts.gone += announcements.length;
    if (announcements.length > 0) {
      await kept.announcing;
      kept.announcing = this.ports.announcer
        .announce(partition, notifications?.viewId, announcements)
        .catch((error: unknown) => {
          const text = 'announcing failed; it stays in the outbox';
          this.options.log.sampled('announce', text, { partition, error });
        });
    }
    if (kept.state === 'ready' || kept.applied < kept.foldEnd) return kept.applied;
    // What compaction took away below that end, for a record above it, is not there yet: the end is asked
    // again, until it stands. A short leg needs no other: compaction leaves alone what has just been written.
    if (++kept.legs < FOLD_LEGS_MAX) return this.begin(kept);
    kept.isTaken = false;
    await this.setReady(kept);
    return this.begin(kept);
  }

  private async setReady(kept: KeptPartition): Promise<void> {
    const { partition, applied } = kept;
    if (!(await this.ports.subscriptions.setReady(partition, kept))) {
      this.counts.fenced++;
      return;
    }
    kept.legs = 0;
    this.counts.rebuilds++;
    this.options.log.info('the subscriptions are ready', { partition, applied });
  }

  private fenced(kept: KeptPartition): Promise<number> {
    this.counts.fenced++;
    return this.begin(kept);
  }

  /** While folding, only what lies below the end of the fold. */
  private changesOf(
    { partition, records }: RecordBatch,
    kept: KeptPartition,
  ): SubscriptionChange[] {
    const changes: SubscriptionChange[] = [];
    for (const record of records) {
      if (kept.state === 'rebuilding' && record.offset >= kept.foldEnd) break;
      this.counts.records++;
      const change = this.changeOf(record, partition);
      if (change !== undefined) changes.push(change);
    }
    return changes;
  }

  private changeOf(record: LogRecord, partition: number): SubscriptionChange | undefined {
    try {
      return { ...decodeSubscriptionRecord(record), offset: record.offset };
    } catch (error) {
      if (!(error instanceof UndecodableRecord)) throw error;
      this.counts.undecodable++;
      const { offset } = record;
      const at = { stream: SUBSCRIPTIONS, partition, offset };
      this.options.log.sampled('undecodable', 'skipped a record', { ...at, error });
      return undefined;
    }
  }

  /** A log that ends below what was applied has been replaced: what comes now would be skipped unseen. */
  private async compareWithLog(kept: KeptPartition): Promise<void> {
    const { partition, applied } = kept;
    const end = await this.ports.catalog.end(SUBSCRIPTIONS, partition);
    const now = this.clock();
    if (applied <= end) kept.aheadSinceMs = undefined;
    else kept.aheadSinceMs ??= now;
    if (kept.aheadSinceMs === undefined || now - kept.aheadSinceMs < LOG_BEHIND_MS_MAX) return;
    this.options.stop(
      new StartRefused(
        `Partition ${partition} of the stream ${SUBSCRIPTIONS} ends at ${end}, but its view has applied ` +
          `${applied}: the log was replaced. Bring back the log that belongs to this view, or delete the view.`,
      ),
    );
  }
}
