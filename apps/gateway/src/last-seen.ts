/**
 * When a device was last here, for removing those that never come back (design §4: written at hello and by
 * re-checks when older than a week). Only of devices that are known: nothing is persisted before the first
 * register, and the Registrar writes it with that.
 */
import type { Registrar } from '#subscriptions';
import type { GatewayCounts } from './counts.js';
import type { Session } from './session.js';

const DAY_MS = 86_400_000;

export class LastSeen {
  constructor(
    private readonly registrar: Registrar,
    private readonly counts: GatewayCounts,
    private readonly clock: () => number,
  ) {}

  /** What the view has; a session keeps the day only. */
  note(session: Session, seenAtMs: number | undefined): void {
    session.seenDay = seenAtMs === undefined ? 0 : Math.floor(seenAtMs / DAY_MS);
  }

  /** The Registrar has written it just now. */
  noteNow(session: Session): void {
    this.note(session, this.clock());
  }

  /** Writes it when it is older than a week. Late or lost does no harm: the next re-check looks again. */
  renew(session: Session): void {
    const { device, isKnown, seenDay } = session;
    if (!isKnown || device === undefined) return;
    if (!this.registrar.isSeenLongAgo(seenDay === 0 ? undefined : seenDay * DAY_MS)) return;
    this.noteNow(session);
    this.registrar.seen(device).catch(() => {
      this.counts.failures++;
      session.seenDay = seenDay;
    });
  }
}
