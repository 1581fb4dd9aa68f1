/**
 * What a router believes of a partition while it owns it. The mark in the view is the truth: every script
 * that the router calls names this belief, and one that finds otherwise writes nothing (design §5, rule 5).
 */
import type { Belief, Mark } from '#view';

export class OwnedPartition implements Belief {
  viewId = '';
  state: Mark['state'] = 'rebuilding';
  /** The next offset of `notifications` to apply. */
  applied = 0;
  /** Below it, deliveries are on their streams. The mark hears of it with the next slice, or when there is none. */
  routed = 0;
  /**
   * The mark was read, and reading goes on from the place that it named. While false, no batch may be
   * applied, whatever the belief says: the batch in hand was fetched for another place.
   */
  isTaken = false;
  /** False: it was revoked. Whoever still works on it stops at the next step. */
  isOwned = true;
  /** The offset at which reading goes on: the next batch does not begin below it. */
  position = 0;
  /** Where the fold ends: the log's end, asked after the mark was read. */
  foldEnd = 0;
  /** Nothing to read when last looked. */
  isIdle = false;
  /** When (ms, local) `applied` was last compared with the log's end. */
  comparedAtMs = 0;
  /** Since when (ms, local) `applied` has been ahead of the log's end. */
  aheadSinceMs: number | undefined;
  /** Epochs by gateway, looked up since the mark was last read. */
  readonly leases = new Map<string, number>();
  /** Announcements that are on their way to the log. */
  unannounced = 0;
  /** Resolves when every announcement made so far is in the log, or was left to the outbox sweep. */
  announced: Promise<void> = Promise.resolve();

  /** When (ms, the store's clock) the oldest outcome was decided that the last look into the outbox found late. */
  lateSinceMs: number | undefined;

  constructor(readonly partition: number) {}

  believe(mark: Mark): void {
    this.viewId = mark.viewId;
    this.state = mark.state;
    this.applied = mark.applied;
    this.routed = Math.min(mark.routed, mark.applied);
  }

  matches(mark: Mark): boolean {
    return (
      mark.viewId === this.viewId && mark.state === this.state && mark.applied === this.applied
    );
  }
}

/** The partitions of this router, by number. */
export class OwnedPartitions {
  private readonly byNumber = new Map<number, OwnedPartition>();

  get size(): number {
    return this.byNumber.size;
  }

  get(partition: number): OwnedPartition | undefined {
    return this.byNumber.get(partition);
  }

  /** What was believed before, under an earlier assignment, is not taken along. */
  add(partition: number): OwnedPartition {
    this.remove(partition);
    const owned = new OwnedPartition(partition);
    this.byNumber.set(partition, owned);
    return owned;
  }

  remove(partition: number): void {
    const owned = this.byNumber.get(partition);
    if (owned !== undefined) owned.isOwned = false;
    this.byNumber.delete(partition);
  }

  all(): readonly OwnedPartition[] {
    return [...this.byNumber.values()];
  }

  /** Those in which outcomes may be decided now. */
  ready(): readonly OwnedPartition[] {
    return this.all().filter(({ isTaken, state }) => isTaken && state === 'ready');
  }
}
