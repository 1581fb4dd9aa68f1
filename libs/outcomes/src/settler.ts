/**
 * What a device's ack does (design §5, rule 4): the script decides once and counts, then the log is told.
 * Acks of one beat are one script call per partition. An outage of the store is waited out
 * in order; what a crash loses is sent again after the reconnect.
 */
import type { PartitionView, Settlement } from '#view';
import type { DeviceId, MessageId } from '#webpush';
import type { Announcer } from './announcer.js';
import { Lanes } from './lanes.js';

/** What a device said about a notification that it was sent. */
export interface Ack extends Settlement {
  readonly id: MessageId;
}

/** Plain fields, for metrics and tests. */
export class SettlerCounts {
  /** Acks handed in. */
  acks = 0;
  /** Acks that decided an outcome; the others came for what had one already. */
  decided = 0;
  /** Told to the log undecided, because the view was being rebuilt, or is to be. */
  undecided = 0;
  batches = 0;
  retries = 0;
}

export interface SettlerOptions {
  readonly clock?: () => number;
  /** First pause after a failure; doubles up to 16 times that. */
  readonly retryMs?: number;
  /** How long acks wait for others; 0: until the end of the turn. */
  readonly gatherMs?: number;
}

/** No device waits for what its ack does, and what it does costs a few calls each time. */
const GATHER_MS = 100;
const ACKS_PER_BATCH_MAX = 500;
const RETRY_MS = 100;
const RETRY_FACTOR_MAX = 16;

export class Settler {
  readonly counts = new SettlerCounts();
  private readonly lanes: Lanes<Ack>;
  private readonly clock: () => number;
  private readonly retryMs: number;

  constructor(
    private readonly view: PartitionView,
    private readonly announcer: Announcer,
    options: SettlerOptions = {},
  ) {
    this.clock = options.clock ?? Date.now;
    this.retryMs = options.retryMs ?? RETRY_MS;
    const waitMs = options.gatherMs ?? GATHER_MS;
    const lanes = { batchMax: ACKS_PER_BATCH_MAX, waitMs };
    this.lanes = new Lanes((...handedIn) => this.decide(...handedIn), lanes);
  }

  /**
   * Resolves when the script has been executed (the log may not know yet, see {@link drain}); waits as long
   * as the store is away. Never rejects. The promise is shared by a whole batch: this runs for every ack.
   */
  settle(partition: number, ack: Ack): Promise<void> {
    this.counts.acks++;
    return this.lanes.push(partition, ack);
  }

  /** Acks of that partition wait for no others: a device that has hung up may be back in a moment. */
  hurry(partition: number): void {
    this.lanes.get(partition)?.hurry();
  }

  /**
   * The offsets of a device whose ack was handed in and whose script has not answered: the re-check of
   * rule 8 must not take them for entries that nobody will remove.
   */
  underWay(partition: number, device: DeviceId): number[] {
    const offsets: number[] = [];
    for (const ack of this.lanes.get(partition)?.items() ?? []) {
      if (ack.device === device) offsets.push(ack.offset);
    }
    return offsets;
  }

  /** How many acks wait for their script. */
  get pending(): number {
    return this.lanes.size;
  }

  /** Resolves when every ack has its script executed and the log knows the outcomes. Never rejects. */
  async drain(): Promise<void> {
    await this.lanes.drain();
    await this.announcer.drain();
  }

  private async decide(partition: number, acks: readonly Ack[]): Promise<void> {
    const settled = await this.untilAnswered(() => this.view.settle(partition, acks));
    this.counts.batches++;
    // No mark means rebuilding (rule 6): a session that has had its ack will not send it again.
    if (settled.state !== 'ready') {
      this.counts.undecided += acks.length;
      const at = this.clock();
      this.announce(
        partition,
        undefined,
        acks.map(({ device, offset, id, outcome }) => ({ device, offset, id, outcome, at })),
      );
    } else {
      this.counts.decided += settled.announcements.length;
      this.announce(partition, settled.viewId, settled.announcements);
    }
  }

  /** Not awaited: the next acks need not wait for the log. A closed producer leaves them in the outbox. */
  private announce(...told: Parameters<Announcer['announce']>): void {
    this.announcer.announce(...told).catch(() => undefined);
  }

  private async untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
    for (let factor = 1; ; factor = Math.min(2 * factor, RETRY_FACTOR_MAX)) {
      try {
        return await ask();
      } catch {
        this.counts.retries++;
        await new Promise((resolve) => setTimeout(resolve, factor * this.retryMs));
      }
    }
  }
}
