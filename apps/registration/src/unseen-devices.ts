/**
 * Removes devices that were not seen for `DEVICE_DAYS_MAX`: browsers that were uninstalled never say so, and
 * their mailboxes fill up for nobody. One device after the other, so that it never competes with traffic.
 */
import type { Log } from '#runtime';
import type { Registrar } from '#subscriptions';
import type { SubscriptionLookup, SubscriptionsView } from '#view';
import type { Keeper } from './keeper.js';
import type { KeptPartition } from './kept-partition.js';

export const ROUND_MS = 60_000;
export const CHUNK_MAX = 100;
const DAY_MS = 86_400_000;

export interface UnseenDevicesPorts {
  readonly subscriptions: Pick<SubscriptionsView, 'notSeenSince'>;
  readonly lookup: Pick<SubscriptionLookup, 'findDevice'>;
  readonly registrar: Pick<Registrar, 'forget'>;
  readonly keeper: Keeper;
}

export class UnseenDevices {
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> | undefined;
  private isStopping = false;

  constructor(
    private readonly ports: UnseenDevicesPorts,
    private readonly options: { readonly deviceDaysMax: number; readonly log: Log },
  ) {}

  start(): void {
    this.timer ??= setInterval(() => {
      this.round ??= this.run(Date.now()).finally(() => (this.round = undefined));
    }, ROUND_MS).unref();
  }

  /** No removal is under way when it resolves. */
  async stop(): Promise<void> {
    this.isStopping = true;
    clearInterval(this.timer);
    await this.round;
  }

  /** One round through the partitions whose view is ready. */
  async run(nowMs: number): Promise<void> {
    const before = nowMs - this.options.deviceDaysMax * DAY_MS;
    for (const kept of this.ports.keeper.partitions()) {
      try {
        await this.removeFrom(kept, before);
      } catch (error) {
        const { partition } = kept;
        const text = 'removing devices failed; tried again in a minute';
        this.options.log.sampled('unseen', text, { partition, error });
      }
    }
  }

  private async removeFrom(kept: KeptPartition, before: number): Promise<void> {
    const { subscriptions, lookup, registrar, keeper } = this.ports;
    let found: number;
    do {
      if (this.isStopping || !kept.isOwned || !kept.isTaken || kept.state !== 'ready') return;
      const devices = await subscriptions.notSeenSince(kept.partition, before, CHUNK_MAX);
      found = devices.length;
      for (const device of devices) {
        if (this.isStopping) return;
        // It may have come back since the list was made.
        const { seenAt } = await lookup.findDevice(device);
        if (seenAt === undefined || seenAt >= before) continue;
        await registrar.forget(device);
        keeper.counts.forgotten++;
      }
    } while (found === CHUNK_MAX);
  }
}
