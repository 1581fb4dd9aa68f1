/**
 * Tells the log which outcomes were decided (design §5, rule 4), and takes them out of the outbox when the
 * log has them. Whoever called a deciding script announces: the gateway for acks, the router for the rest.
 * Announced twice is harmless; never announced is prevented by the outbox, which the router looks through.
 */
import { NOTIFICATIONS, encodeAnnouncement } from '#streams';
import type { StreamProducer, StreamRecord } from '#streams';
import type { PartitionView } from '#view';
import type { Announcement } from '#webpush';
import { Lane } from './lane.js';

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

export class Announcer {
  readonly counts = new AnnouncerCounts();
  private readonly lanes = new Map<number, Lane<Group>>();

  constructor(
    private readonly producer: StreamProducer,
    private readonly view: PartitionView,
  ) {}

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
    return this.lane(partition).push({ viewId, announcements });
  }

  /** How many are on their way. */
  get pending(): number {
    let pending = 0;
    for (const lane of this.lanes.values()) {
      for (const group of lane.items()) pending += group.announcements.length;
    }
    return pending;
  }

  /** When (ms, the store's clock) the oldest of them was decided. */
  get oldestAtMs(): number | undefined {
    let oldest: number | undefined;
    for (const lane of this.lanes.values()) {
      for (const { announcements } of lane.items()) {
        for (const { at } of announcements) oldest = Math.min(oldest ?? at, at);
      }
    }
    return oldest;
  }

  /** Resolves when nothing is under way. Never rejects. */
  async drain(): Promise<void> {
    for (;;) {
      const under = [...this.lanes.values()].flatMap((lane) => lane.last() ?? []);
      if (under.length === 0) return;
      await Promise.allSettled(under);
    }
  }

  private lane(partition: number): Lane<Group> {
    let lane = this.lanes.get(partition);
    if (lane === undefined) {
      lane = new Lane((groups) => this.tell(partition, groups), GROUPS_PER_BATCH_MAX);
      this.lanes.set(partition, lane);
    }
    return lane;
  }

  private async tell(partition: number, groups: readonly Group[]): Promise<void> {
    const records: StreamRecord[] = [];
    for (const { announcements } of groups) {
      for (const announcement of announcements) records.push(encodeAnnouncement(announcement));
    }
    await this.producer.appendUntilIn(NOTIFICATIONS, partition, records);
    this.counts.announced += records.length;
    this.counts.batches++;
    for (const [viewId, decided] of byView(groups)) await this.clear(partition, viewId, decided);
  }

  private async clear(
    partition: number,
    viewId: string,
    decided: readonly Announcement[],
  ): Promise<void> {
    try {
      await this.view.clearOutbox(partition, viewId, decided);
    } catch {
      this.counts.uncleared += decided.length;
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
