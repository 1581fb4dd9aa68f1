/**
 * Notifications whose time is over: `expired`, or `dropped` for TTL 0, by the store's clock (design §4:
 * no service's clock decides anything).
 */
import type { OwnedPartition } from './owned-partition.js';
import type { RouterCounts } from './router-counts.js';
import type { RouterPorts } from './router-ports.js';
import type { Sweep } from './sweeps.js';

export const EXPIRE_MAX = 500;

export class ExpirySweep implements Sweep {
  readonly name = 'expiry';
  readonly everyMs = 1_000;

  constructor(
    private readonly ports: Pick<RouterPorts, 'view' | 'announcer'>,
    private readonly counts: RouterCounts,
  ) {}

  async sweep(owned: OwnedPartition): Promise<void> {
    const { view, announcer } = this.ports;
    const { partition, viewId, state } = owned;
    let ended: number;
    do {
      const announcements = await view.expire(partition, { viewId, state }, EXPIRE_MAX);
      ended = announcements.length;
      this.counts.expired += ended;
      // Waited for: a million that expire together are announced at the pace of the log.
      if (ended > 0) await announcer.announce(partition, viewId, announcements);
    } while (ended === EXPIRE_MAX && owned.isOwned);
  }
}
