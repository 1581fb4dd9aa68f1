import { Buckets } from '#runtime';
import type { CloseName } from '#wire';

/** Who ended a connection: we, for one of the reasons of the table, or the device or its network. */
export type Closing = CloseName | 'device';

const ENTRIES = [0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 5_000];

/** What a gateway has counted since it started; plain fields, read by a scrape and by tests. */
export class GatewayCounts {
  opened = 0;
  hellos = 0;
  /** Hellos that got a new device. */
  fresh = 0;
  readonly closes: Partial<Record<Closing, number>> = {};
  refusedConnections = 0;

  framesIn = 0;
  framesOut = 0;
  notificationsOut = 0;
  /** By code (301–303); others are one. */
  readonly nacks: Partial<Record<string, number>> = {};
  registers = 0;
  unregisters = 0;
  /** Requests answered with 500. */
  failures = 0;

  deliveries = 0;
  /** Deliveries for another connection or boot than the one that is here. */
  misaddressed = 0;
  /** Deliveries that the session will read from the mailbox instead, because it was not level. */
  postponed = 0;
  undecodable = 0;

  reads = 0;
  readFailures = 0;
  reclaims = 0;
  reclaimsLost = 0;
  displaced = 0;
  releaseFailures = 0;
  rechecks = 0;
  epochs = 0;
  renewFailures = 0;
  /** From a delivery's append on our stream to its frame; the first of each batch. */
  readonly latency = new Buckets();
  /** From the append of a notification to its frame, while its device is connected; of those whose time was told. */
  readonly acceptToFrame = new Buckets();
  /** To the script that settled its ack. */
  readonly acceptToAck = new Buckets();
  /** What a connection read from its mailbox until it was level. */
  readonly backlog = new Buckets(ENTRIES);
  /** What a re-check found in a mailbox. */
  readonly mailbox = new Buckets(ENTRIES);

  closed(as: Closing): void {
    this.closes[as] = (this.closes[as] ?? 0) + 1;
  }

  sentAfter(ms: number): void {
    this.acceptToFrame.observe(Math.max(0, ms) / 1_000);
  }

  settledAfter(ms: number): void {
    this.acceptToAck.observe(Math.max(0, ms) / 1_000);
  }

  nacked(code: number | undefined): void {
    const name = code === 301 || code === 302 || code === 303 ? String(code) : 'other';
    this.nacks[name] = (this.nacks[name] ?? 0) + 1;
  }
}
