/**
 * Nothing depends on a poke (design §5, rule 8): every few minutes each connection claims again, which renews
 * its entry, and compares itself with its whole mailbox. What is above `lastSent` is sent. What is at or below
 * it and not waiting for its ack cannot be sent in order any more: the connection is closed, the device comes back.
 */
import type { Settler } from '#outcomes';
import type { Mailbox } from '#view';
import type { Claims } from './claims.js';
import type { GatewayCounts } from './counts.js';
import type { LastSeen } from './last-seen.js';
import type { Session } from './session.js';

export interface RecheckParts {
  readonly mailbox: Mailbox;
  readonly settler: Settler;
  readonly claims: Claims;
  readonly lastSeen: LastSeen;
  readonly counts: GatewayCounts;
}

export class Recheck {
  constructor(private readonly parts: RecheckParts) {}

  /** Rejects when the store does not answer. */
  async check(session: Session): Promise<void> {
    if (session.phase !== 'greeted') return;
    this.parts.counts.rechecks++;
    this.parts.lastSeen.renew(session);
    if (await this.isOutOfStep(session)) session.close('outOfStep');
    else await this.parts.claims.reclaim(session);
  }

  private async isOutOfStep(session: Session): Promise<boolean> {
    const { device, partition, lastSent, unacked } = session;
    if (device === undefined || lastSent < 0) return false;
    // As of now: an ack that is executed while the store looks has left both, but it was waiting here.
    const waiting = new Set(this.parts.settler.underWay(partition, device));
    for (const { offset } of unacked ?? []) waiting.add(offset);
    const offsets = await this.parts.mailbox.offsets(device);
    if (offsets !== undefined) this.parts.counts.mailbox.observe(offsets.length);
    return offsets?.some((offset) => offset <= lastSent && !waiting.has(offset)) ?? false;
  }
}
