/**
 * What a keeper believes of a partition of `subscriptions`. The mark in the view is the truth: every script
 * names this belief, and one that finds otherwise writes nothing (design §5, rule 5).
 */
import type { SubscriptionsBelief, SubscriptionsMark } from '#view';

export class KeptPartition implements SubscriptionsBelief {
  viewId = '';
  state: SubscriptionsMark['state'] = 'rebuilding';
  /** The next offset of `subscriptions` to apply; reading goes on there. */
  applied = 0;
  /**
   * The mark was read, and reading goes on from the place that it named. While false nothing may be applied: the
   * batch in hand was fetched for another place.
   */
  isTaken = false;
  /** False: it was revoked. */
  isOwned = true;
  /** Where the fold ends: the log's end, asked after the mark was read. */
  foldEnd = 0;
  /** How often the fold has come to an end that was asked. */
  legs = 0;
  /** Since when (ms, local) `applied` has been ahead of the log's end. */
  aheadSinceMs: number | undefined;
  /** Settles when every announcement made so far is in the log, or left to the outbox sweep. */
  announcing: Promise<unknown> = Promise.resolve();

  constructor(readonly partition: number) {}

  believe(mark: SubscriptionsMark): void {
    this.viewId = mark.viewId;
    this.state = mark.state;
    this.applied = mark.applied;
  }

  matches(mark: SubscriptionsMark | undefined): boolean {
    return (
      mark?.viewId === this.viewId && mark.state === this.state && mark.applied === this.applied
    );
  }
}
