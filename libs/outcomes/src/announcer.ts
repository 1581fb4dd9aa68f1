/**
 * Tells the log which outcomes were decided (design §5, rule 4), and takes them out of the outbox when the
 * log has them. Whoever called a deciding script announces: the gateway for acks, the router for the rest.
 * Announced twice is harmless; never announced is prevented by the outbox, which the router looks through.
 */
import { NOTIFICATIONS, encodeAnnouncement } from '#streams';
import type { StreamProducer, StreamRecord } from '#streams';
import type { PartitionView } from '#view';
import type { Announcement } from '#webpush';
import { Lanes } from './lanes.js';

/** Plain fields, for metrics and tests. */
export class AnnouncerCounts {
  announced = 0;
  /** Appends to the log; `announced / batches` is how well the batching works. */
  batches = 0;
  /** The log has them, the outbox still too: the router announces them once more after 10 s. */
  uncleared = 0;
}

interface Group {
  /** The view that holds them in its outbox; undefined: they are told undecided and stand in none. */
  readonly viewId: string | undefined;
  readonly announcements: readonly Announcement[];
}

/** Calls per append; a script decides for at most some hundred notifications. */
const GROUPS_PER_BATCH_MAX = 200;
/** Announcements per script that clears: it holds up its shard while it runs. */
export const CLEARED_MAX = 500;

/** An outbox is looked through for what is older than 10 s. */
const CLEAR_MS = 500;

export class Announcer {
  readonly counts = new AnnouncerCounts();
  private readonly telling: Lanes<Group>;
  private readonly clearing: Lanes<Group>;

  /** `clearMs`: how long outboxes keep what the log has; 0: until the end of the turn. */
  constructor(
    private readonly producer: StreamProducer,
    private readonly view: PartitionView,
    { clearMs = CLEAR_MS }: { readonly clearMs?: number } = {},
  ) {
    const batchMax = GROUPS_PER_BATCH_MAX;
    this.telling = new Lanes((...told) => this.tell(...told), { batchMax, waitMs: 0 });
    this.clearing = new Lanes((...told) => this.clear(...told), { batchMax, waitMs: clearMs });
  }

  /**
   * Resolves when all are in the log, in the order of the calls for that partition; waits while the log is
   * away. Rejects only when the producer is closed: then the outbox still has them. `viewId` as the deciding
   * script returned it; undefined for what was not decided (an ack that found `rebuilding`).
   */
  announce(
    partition: number,
    viewId: string | undefined,
    announcements: readonly Announcement[],
  ): Promise<void> {
    if (announcements.length === 0) return Promise.resolve();
    return this.telling.push(partition, { viewId, announcements });
  }

  /** How many are on their way. */
  get pending(): number {
    let pending = 0;
    for (const { announcements } of this.telling.items()) pending += announcements.length;
    return pending;
  }

  /** When (ms, the store's clock) the oldest of them was decided. */
  get oldestAtMs(): number | undefined {
    let oldest: number | undefined;
    for (const { announcements } of this.telling.items()) {
      for (const { at } of announcements) oldest = Math.min(oldest ?? at, at);
    }
    return oldest;
  }

  /** Resolves when its outbox is cleared of all that is in the log by now. Never rejects. */
  async cleared(partition: number): Promise<void> {
    const lane = this.clearing.get(partition);
    lane?.hurry();
    await lane?.last();
  }

  /** Resolves when nothing is under way, and the outboxes are cleared of it. Never rejects. */
  async drain(): Promise<void> {
    do {
      await this.telling.drain();
      await this.clearing.drain();
    } while (this.telling.size > 0);
  }

  private async tell(partition: number, groups: readonly Group[]): Promise<void> {
    const records: StreamRecord[] = [];
    for (const { announcements } of groups) {
      for (const announcement of announcements) records.push(encodeAnnouncement(announcement));
    }
    await this.producer.appendUntilIn(NOTIFICATIONS, partition, records);
    this.counts.announced += records.length;
    this.counts.batches++;
    for (const group of groups) {
      if (group.viewId !== undefined) void this.clearing.push(partition, group);
    }
  }

  private async clear(partition: number, groups: readonly Group[]): Promise<void> {
    for (const [viewId, decided] of byView(groups)) {
      for (let at = 0; at < decided.length; at += CLEARED_MAX) {
        const some = decided.slice(at, at + CLEARED_MAX);
        await this.view.clearOutbox(partition, viewId, some).catch(() => {
          this.counts.uncleared += some.length;
        });
      }
    }
  }
}

/** All groups of a batch have one view, but for the moment in which a view is lost. */
function byView(groups: readonly Group[]): ReadonlyMap<string, readonly Announcement[]> {
  const decided = new Map<string, Announcement[]>();
  for (const { viewId, announcements } of groups) {
    if (viewId === undefined) continue;
    const before = decided.get(viewId);
    if (before === undefined) decided.set(viewId, [...announcements]);
    else before.push(...announcements);
  }
  return decided;
}
