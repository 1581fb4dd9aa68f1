/**
 * Outcomes that were decided and counted, but whose decider did not come to announce them (design §5,
 * rule 4): it died, or the log was away for too long. A double is harmless.
 */
import type { OwnedPartition } from './owned-partition.js';
import type { RouterCounts } from './router-counts.js';
import type { RouterPorts } from './router-ports.js';
import type { Sweep } from './sweeps.js';

export const OUTBOX_AGE_MS = 10_000;
export const OUTBOX_MAX = 500;

export class OutboxSweep implements Sweep {
  readonly name = 'outbox';
  readonly everyMs = 5_000;

  constructor(
    private readonly ports: Pick<RouterPorts, 'view' | 'announcer'>,
    private readonly counts: RouterCounts,
  ) {}

  async sweep(owned: OwnedPartition): Promise<void> {
    const { view, announcer } = this.ports;
    const { partition, viewId, state } = owned;
    const pick = { olderThanMs: OUTBOX_AGE_MS, limit: OUTBOX_MAX };
    let found: number;
    owned.lateSinceMs = undefined;
    do {
      const left = await view.outbox(partition, { viewId, state }, pick);
      found = left.length;
      this.counts.announcedLate += found;
      for (const { at } of left) owned.lateSinceMs = Math.min(owned.lateSinceMs ?? at, at);
      if (found === 0) return;
      await announcer.announce(partition, viewId, left);
      await announcer.cleared(partition); // or they would be found again
    } while (found === OUTBOX_MAX && owned.isOwned);
  }
}
