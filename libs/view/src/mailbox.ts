import type { DeviceId } from '#webpush';

export interface MailboxEntry {
  /** Its offset in `notifications`. */
  readonly offset: number;
  /** The notification's record, bytes as appended. */
  readonly record: Buffer;
}

export interface ReadLimits {
  /** Entries above this offset (exclusive); -1 reads from the oldest. */
  readonly above: number;
  readonly countMax: number;
  /** At least one entry is returned whatever its size. */
  readonly bytesMax: number;
}

/**
 * A gateway's look at the mailbox of a device: what is accepted, not due by the store's clock and without an
 * outcome. What is due is left out though nobody has settled it yet, and does not count for the limits.
 */
export abstract class Mailbox {
  /** In log order. undefined: the view is not `ready` (rebuilding, or no mark); ask again when told. */
  abstract read(device: DeviceId, limits: ReadLimits): Promise<readonly MailboxEntry[] | undefined>;
  /** All offsets, ascending, for the re-check of rule 8. undefined: not `ready`. */
  abstract offsets(device: DeviceId): Promise<readonly number[] | undefined>;
}
