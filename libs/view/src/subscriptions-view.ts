import type {
  Announcement,
  DeviceId,
  Subscription,
  SubscriptionFact,
  SubscriptionId,
} from '#webpush';

export type ViewState = 'none' | 'rebuilding' | 'ready';

export interface FoundSubscription {
  readonly state: ViewState;
  /** undefined: not there, or removed. A missing fact counts only in state `ready` (rule 9). */
  readonly found?: Subscription;
}

export interface FoundDevice {
  readonly state: ViewState;
  /** It has a subscription or a last-seen entry. */
  readonly isKnown: boolean;
  /** ms since the epoch, of the last-seen record that the view has. */
  readonly seenAt?: number;
}

/** One record of the `subscriptions` stream, decoded, with its offset. */
export type SubscriptionChange = SubscriptionFact & { readonly offset: number };

export interface SubscriptionsMark {
  readonly viewId: string;
  readonly state: 'rebuilding' | 'ready';
  /** The next offset of `subscriptions` to apply. */
  readonly applied: number;
  readonly isSwept: boolean;
}

/** What a keeper believes of the mark; a script that finds otherwise writes nothing. */
export type SubscriptionsBelief = Pick<SubscriptionsMark, 'viewId' | 'state' | 'applied'>;

/** What ingest, gateways and the REST door read. Mark and entry are read in one step (rule 9). */
export abstract class SubscriptionLookup {
  /** The subscription, whatever the state: a present fact is a fact. */
  abstract find(device: DeviceId, subscription: SubscriptionId): Promise<FoundSubscription>;
  abstract findDevice(device: DeviceId): Promise<FoundDevice>;
  /** Those that are present, in no order. */
  abstract list(
    device: DeviceId,
  ): Promise<{ readonly state: ViewState; readonly subscriptions: readonly Subscription[] }>;
}

/** What the Registrar and the keeper write. */
export abstract class SubscriptionsView {
  /**
   * The Registrar's write-through of one appended change. Applies only what is newer than the entry; below the
   * mark's `applied` it writes nothing; works without a mark; a removal leaves `gone` with its offset until
   * the keeper's `applied` has passed it (rule 9), and so does a device that is forgotten. Settles nothing:
   * what waits is settled when the keeper comes to the record.
   */
  abstract writeThrough(change: SubscriptionChange): Promise<void>;

  abstract mark(partition: number): Promise<SubscriptionsMark | undefined>;
  /** Creates the mark (random view id, `rebuilding`, applied 0) if absent; clears nothing. */
  abstract createMark(partition: number): Promise<void>;
  /**
   * The keeper applies a batch and moves `applied` to `next` (never back); changes below `applied` are not applied
   * again. Where both views are `ready`, a removal settles what waits for that subscription as `gone` (never
   * TTL 0), a forgotten device what waits for any that it has no more: the announcements are returned
   * (and stand in the outbox of the notifications). Last-seen only grows.
   * undefined: the mark is not what was believed; nothing was written.
   */
  abstract apply(
    partition: number,
    belief: SubscriptionsBelief,
    batch: { readonly changes: readonly SubscriptionChange[]; readonly next: number },
  ): Promise<readonly Announcement[] | undefined>;
  /** The fold is through: `ready`, not swept. False: the mark is not what was believed. */
  abstract setReady(partition: number, belief: SubscriptionsBelief): Promise<boolean>;
  /** Devices of the partition last seen before `before` (ms), oldest first, at most `limit`. */
  abstract notSeenSince(
    partition: number,
    before: number,
    limit: number,
  ): Promise<readonly DeviceId[]>;
}
