import { Buckets } from '#runtime';

/** What a router has counted since it started; plain fields, read by a scrape and by tests. */
export class RouterCounts {
  /** Records of `notifications` read, those that were read again included. */
  records = 0;
  undecodable = 0;
  /** Slices of batches, one applying script each. */
  batches = 0;
  /** Deliveries put on a gateway's stream. */
  delivered = 0;
  /** Notifications that stay in the mailbox (or, with TTL 0, are dropped) because nobody holds the device. */
  absent = 0;
  /** Scripts that found another mark than the router believed in. */
  fenced = 0;
  takeOvers = 0;
  /** Views that this router folded to their end. */
  rebuilds = 0;
  expired = 0;
  /** Outbox entries that their decider did not announce within 10 s. */
  announcedLate = 0;
  /** From the append of a slice's first record to its deliveries being on their streams. */
  readonly latency = new Buckets();
}
