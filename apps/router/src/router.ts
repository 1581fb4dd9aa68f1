/**
 * Where each notification goes. The router reads `notifications` partition by partition, in order. One
 * script applies a slice of a batch to the view; what is still there and held by somebody goes onto that
 * gateway's stream; only then the next slice is applied (design §5, rules 2 and 5).
 */
import { NOTIFICATIONS } from '#streams';
import type { PartitionReader, RecordBatch } from '#streams';
import { StartRefused, type Log } from '#runtime';
import type { Settlement } from '#view';
import type { Announcement } from '#webpush';
import { Commands, gapTo, type Slice } from './commands.js';
import { Deliveries } from './deliveries.js';
import { Fold } from './fold.js';
import { OwnedPartitions, type OwnedPartition } from './owned-partition.js';
import { RouterCounts } from './router-counts.js';
import type { RouterPorts } from './router-ports.js';
import { TakeOver } from './take-over.js';

/** So long may `applied` be ahead of the log's end before the log counts as replaced (rule 5). */
export const LOG_BEHIND_MS_MAX = 60_000;

/** The log is asked for its end no more often than that: it costs a broker a request. */
const COMPARE_EVERY_MS = 10_000;
/** What is delivered again tells no latency. */
const NOTHING: Slice['commands'] = [];
/** More announcements than that on their way to the log hold up the partition. */
export const UNANNOUNCED_MAX = 5_000;

export interface RouterOptions {
  readonly log: Log;
  /** Called once when going on would lose notifications: ends the process with the sentence. */
  readonly stop: (reason: Error) => void;
  /** ms; for measuring and for how long something has lasted, never for deciding an expiry. */
  readonly clock?: () => number;
}

export class Router implements PartitionReader {
  readonly counts = new RouterCounts();
  readonly owned = new OwnedPartitions();
  private readonly clock: () => number;
  private readonly commands: Commands;
  private readonly deliveries: Deliveries;
  private readonly takeOver: TakeOver;

  constructor(
    private readonly ports: RouterPorts,
    private readonly options: RouterOptions,
  ) {
    const { counts } = this;
    const { log } = options;
    this.clock = options.clock ?? Date.now;
    this.commands = new Commands(counts, log);
    this.deliveries = new Deliveries(ports, counts);
    this.takeOver = new TakeOver(ports, new Fold(ports.view, counts, log), counts, log);
  }

  /** Of the oldest outcome that is decided and not announced: on its way, or found late in an outbox. 0: none. */
  outboxAgeMs(): number {
    const late = this.owned.all().map(({ lateSinceMs = Infinity }) => lateSinceMs);
    const oldest = Math.min(this.ports.announcer.oldestAtMs ?? Infinity, ...late);
    return oldest === Infinity ? 0 : Math.max(0, this.clock() - oldest);
  }

  onAssigned(partition: number): Promise<number> {
    return this.takeOver.begin(this.owned.add(partition));
  }

  /** What is under way for the partition ends at its next step; the scripts are fenced in any case. */
  onRevoked(partition: number): void {
    this.owned.remove(partition);
  }

  async onBatch(batch: RecordBatch): Promise<number> {
    const owned = this.owned.get(batch.partition);
    if (owned === undefined) return batch.next;
    if (!owned.isTaken) return this.takeOver.begin(owned);
    owned.isIdle = false;
    if ((batch.records[0]?.offset ?? batch.next) < owned.position) return this.returnTo(owned);
    let from = 0;
    do {
      const slice = this.commands.slice(batch, from);
      const seek = await this.advance(owned, slice);
      if (seek !== undefined || !owned.isOwned) return seek ?? batch.next;
      from = slice.to;
    } while (from < batch.records.length);
    owned.position = batch.next;
    return batch.next;
  }

  /** The look at the mark, about every second while there is nothing to read. */
  async onIdle(partition: number): Promise<number | undefined> {
    const owned = this.owned.get(partition);
    if (owned === undefined) return undefined;
    if (!owned.isTaken) return this.takeOver.begin(owned);
    const mark = await this.ports.view.mark(partition);
    owned.leases.clear();
    if (mark === undefined || !owned.matches(mark)) return this.fenced(owned);
    const isBehind = mark.routed < owned.routed;
    if (isBehind && !(await this.ports.view.setRouted(partition, owned, owned.routed))) {
      return this.fenced(owned);
    }
    owned.isIdle = true;
    // Nothing is left below the end that was asked when the fold began: deleted or compacted away.
    if (owned.state === 'rebuilding' && owned.applied <= owned.foldEnd) {
      return this.advance(owned, gapTo(owned.foldEnd));
    }
    if (this.clock() - owned.comparedAtMs >= COMPARE_EVERY_MS) await this.compareWithLog(owned);
    return undefined;
  }

  /** One slice. A number: reading goes on there instead. */
  private async advance(owned: OwnedPartition, slice: Slice): Promise<number | undefined> {
    const { partition } = owned;
    const isAgain = slice.next <= owned.applied;
    const applied = await this.ports.view.apply(partition, owned, {
      ...slice,
      routed: owned.routed,
    });
    if (applied === undefined) return this.fenced(owned);
    owned.applied = Math.max(owned.applied, slice.next);
    this.counts.batches++;
    this.announce(owned, applied.announcements);
    if (owned.unannounced > UNANNOUNCED_MAX) await owned.announced;
    if (owned.state === 'rebuilding') {
      return owned.applied < owned.foldEnd ? undefined : this.takeOver.finish(owned);
    }
    if (!owned.isOwned) return undefined;
    if (applied.routables.length > 0) {
      const commands = isAgain ? NOTHING : slice.commands;
      const dropped = await this.deliveries.deliver(owned, applied.routables, commands);
      if (dropped.length > 0) await this.drop(owned, dropped);
      if (!isAgain) this.measure(slice.firstAt);
    }
    owned.routed = Math.max(owned.routed, slice.next);
    return undefined;
  }

  /** A batch from below the place where reading goes on: its records would count as applied unseen. */
  private async returnTo(owned: OwnedPartition): Promise<number> {
    await this.compareWithLog(owned);
    return owned.position;
  }

  private fenced(owned: OwnedPartition): Promise<number> {
    this.counts.fenced++;
    return this.takeOver.begin(owned);
  }

  private async drop(owned: OwnedPartition, dropped: readonly Settlement[]): Promise<void> {
    const settled = await this.ports.view.settle(owned.partition, dropped, owned);
    if (settled.state === 'ready') this.announce(owned, settled.announcements);
  }

  /**
   * Not waited for: the next slice need not wait for the disk, unless too many are on their way. What fails
   * stays in the outbox, and the outbox sweep finds it there.
   */
  private announce(owned: OwnedPartition, announcements: readonly Announcement[]): void {
    const count = announcements.length;
    if (count === 0) return;
    const { partition, viewId } = owned;
    owned.unannounced += count;
    // The announcer keeps the order of a partition, so the last one is in when all are.
    owned.announced = this.ports.announcer
      .announce(partition, viewId, announcements)
      .catch((error: unknown) => {
        const text = 'announcing failed; it stays in the outbox';
        this.options.log.sampled('announce', text, { partition, error });
      })
      .finally(() => (owned.unannounced -= count));
  }

  private measure(firstAt: number | undefined): void {
    if (firstAt !== undefined) {
      this.counts.latency.observe(Math.max(0, this.clock() - firstAt) / 1_000);
    }
  }

  /** A log that ends below what was applied has been replaced: what comes now would be skipped unseen. */
  private async compareWithLog(owned: OwnedPartition): Promise<void> {
    const { partition, applied } = owned;
    const end = await this.ports.catalog.end(NOTIFICATIONS, partition);
    const now = this.clock();
    owned.comparedAtMs = now;
    if (applied <= end) {
      owned.aheadSinceMs = undefined;
      return;
    }
    owned.aheadSinceMs ??= now;
    if (now - owned.aheadSinceMs < LOG_BEHIND_MS_MAX) return;
    this.options.stop(
      new StartRefused(
        `Partition ${partition} of the stream ${NOTIFICATIONS} ends at ${end}, but its view has applied ` +
          `${applied}: the log was replaced. Bring back the log that belongs to this view, or delete the view.`,
      ),
    );
  }
}
