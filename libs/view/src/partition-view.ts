/**
 * One partition's view of `notifications`: mailboxes, expiry, topics, outbox and the mark that says how far
 * they have come. Every method is one atomic script; a script that compares and finds otherwise writes
 * nothing and says so (design §4 "One script applies one batch", §5 rules 4–6).
 */
import type { Announcement, DeviceId, MessageId, Outcome, SubscriptionId } from '#webpush';
import type { Holder } from './presence.js';

export interface Mark {
  /** Random, set when the view is created. */
  readonly viewId: string;
  readonly state: 'rebuilding' | 'ready';
  /** The next offset of `notifications` to apply. */
  readonly applied: number;
  /** Below it, deliveries are on their streams. Only grows. */
  readonly routed: number;
  /** Every live gateway has been told that this view is ready. */
  readonly isTold: boolean;
  readonly isSwept: boolean;
}

export type Belief = Pick<Mark, 'viewId' | 'state' | 'applied'>;

/** accepted = sum of outcomes + pending (design §5), as this view has counted since it was created. */
export interface Accounts {
  readonly accepted: number;
  readonly pending: number;
  readonly outcomes: Readonly<Record<Outcome, number>>;
}

/**
 * What a batch of the log says, in log order. Outcomes and cancels carry no offset of their own: what they are about
 * lies before them in the log and is never put twice, so executing them again finds nothing.
 */
export type Command =
  | {
      readonly kind: 'put';
      readonly offset: number;
      /** Append time of the log, ms; expiry = at + TTL. */
      readonly at: number;
      readonly device: DeviceId;
      readonly subscription: SubscriptionId;
      readonly id: MessageId;
      readonly ttlSeconds: number;
      readonly topic?: string;
      /** The record's bytes as appended; kept by reference, never copied. */
      readonly record: Buffer;
    }
  | {
      /** An announcement read from the log: executed if its entry is still there, not announced again. */
      readonly kind: 'outcome';
      readonly device: DeviceId;
      /** The offset of the notification that it is about. */
      readonly target: number;
      readonly outcome: Outcome;
    }
  | {
      /** Finds the message by id in that one mailbox (never TTL 0): removed, counted, announced `deleted`. */
      readonly kind: 'cancel';
      readonly device: DeviceId;
      readonly id: MessageId;
    };

export interface Batch {
  readonly commands: readonly Command[];
  /** The offset behind the last that the batch covers. */
  readonly next: number;
  /** Deliveries below it are on their streams: those of the batches before this one. */
  readonly routed: number;
}

/** A notification of the batch that is still there and not due, with its holder at that moment. */
export interface Routable {
  readonly offset: number;
  readonly device: DeviceId;
  readonly id: MessageId;
  readonly record: Buffer;
  readonly ttlSeconds: number;
  readonly holder?: Holder;
}

export interface Applied {
  /** Empty while rebuilding. In log order; includes what lies below `applied` and is still there (rule 5). */
  readonly routables: readonly Routable[];
  /** The outbox entries that this batch made (gone, replaced, dropped by the bound, deleted). */
  readonly announcements: readonly Announcement[];
}

export interface Settlement {
  readonly device: DeviceId;
  readonly offset: number;
  readonly outcome: Outcome;
}

export type Settled =
  /** Those that were still there are decided, counted and in the outbox; the others had their outcome. */
  | {
      readonly state: 'ready';
      readonly viewId: string;
      readonly announcements: readonly Announcement[];
    }
  /** Nothing was decided: the caller appends the announcements undecided, the router executes them. */
  | { readonly state: 'rebuilding' }
  /** No mark, which means rebuilding (design §5, rule 6); or fenced by the belief. */
  | { readonly state: 'none' };

/** Where a walk along `expiry` stands; start with undefined. Opaque to callers. */
export type Cursor = string;

export interface FinishChunk {
  /** Of the next chunk; undefined: the walk is through. */
  readonly cursor: Cursor | undefined;
  readonly announcements: readonly Announcement[];
}

/** Compares view id and state of a script's mark. */
export type ViewBelief = Pick<Mark, 'viewId' | 'state'>;

export abstract class PartitionView {
  /** undefined: no mark, which every script takes for a view that is not there. */
  abstract mark(partition: number): Promise<Mark | undefined>;
  /** undefined: no mark. */
  abstract accounts(partition: number): Promise<Accounts | undefined>;
  /** Creates the mark (random view id, `rebuilding`, applied and routed 0) if absent; clears nothing. */
  abstract createMark(partition: number): Promise<void>;

  /**
   * Applies a batch and moves `applied` and `routed` up (neither goes back): puts, replaces topics, bounds the mailbox,
   * executes outcomes and cancels. Commands below the mark's `applied` are not applied again. While `rebuilding` it
   * leaves `routed` alone, notes topics and replaces nothing, bounds nothing, decides nothing but what it reads, and
   * returns no routables. A put without a subscription is settled `gone` where the subscriptions view is `ready`.
   * undefined: fenced (view id, state or applied differ).
   */
  abstract apply(partition: number, belief: Belief, batch: Batch): Promise<Applied | undefined>;

  /**
   * One chunk of at most `limit` entries after a fold, still `rebuilding`: first pass replacement and expiry along
   * the whole of `expiry`, second pass the bound; the last chunk sets `ready`, `routed := applied`, not
   * told, not swept, and returns no cursor. undefined: fenced.
   */
  abstract finish(
    partition: number,
    belief: Belief,
    walk: { readonly cursor?: Cursor; readonly limit: number },
  ): Promise<FinishChunk | undefined>;

  /** Moves `routed` up (never back). False: fenced by view id and state. */
  abstract setRouted(partition: number, belief: ViewBelief, routed: number): Promise<boolean>;
  /** False: fenced by view id and state. */
  abstract setTold(partition: number, belief: ViewBelief): Promise<boolean>;

  /**
   * Decides outcomes by acks, and `dropped` for TTL 0 without a holder. An ack of a TTL 0 notification counts
   * while its expiry entry stands. With a `belief` the script is fenced by it and answers `none`.
   */
  abstract settle(
    partition: number,
    settlements: readonly Settlement[],
    belief?: ViewBelief,
  ): Promise<Settled>;

  /**
   * Takes announced entries out of the outbox, if the view is still that one and ready. What a fold has decided
   * stays until then, and is found again by `outbox`.
   */
  abstract clearOutbox(
    partition: number,
    viewId: string,
    announcements: readonly Announcement[],
  ): Promise<void>;
  /** Entries that stand in the outbox for longer than `olderThanMs`; empty when fenced. */
  abstract outbox(
    partition: number,
    belief: ViewBelief,
    pick: { readonly olderThanMs: number; readonly limit: number },
  ): Promise<readonly Announcement[]>;

  /** Settles what is due by the store's clock: `expired`, and `dropped` for TTL 0. Empty when fenced. */
  abstract expire(
    partition: number,
    belief: ViewBelief,
    limit: number,
  ): Promise<readonly Announcement[]>;

  /**
   * One chunk of the `gone` sweep, fenced by view id and state of both marks, both `ready`: entries (never TTL 0)
   * whose subscription is not there are settled `gone`. Without a cursor in the answer the walk is through
   * and both marks are swept. undefined: fenced, or nothing to sweep.
   */
  abstract sweepGone(
    partition: number,
    views: { readonly notifications: string; readonly subscriptions: string },
    walk: { readonly cursor?: Cursor; readonly limit: number },
  ): Promise<FinishChunk | undefined>;
}
