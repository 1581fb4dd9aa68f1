import type { DeviceId } from '#webpush';

/**
 * A connection of a device on a boot of a gateway. `connection` is never reused (28 random bits per boot,
 * then a 25-bit counter; fits a double); `epoch` is the gateway's lease epoch when the claim was issued
 * (48 random bits).
 */
export interface Holder {
  readonly gateway: string;
  readonly epoch: number;
  readonly connection: number;
}

export interface Claimed {
  /**
   * The store's clock (ms) in the script of the hello's claim; the connection keeps it for re-claims. Later than
   * that of the claim it displaces, even within one ms or when the clock was set back.
   */
  readonly since: number;
  /** Who was displaced, if another connection held the device. */
  readonly displaced?: Holder;
}

export type Reclaimed =
  | { readonly won: true; readonly displaced?: Holder }
  | { readonly won: false; readonly by: Holder };

/**
 * Who holds each device. Entries are claims; they count while the gateway's lease stands (design §5, rule 7).
 * `hello` always wins; `reclaim` only over nothing, over itself (same gateway and connection) or over an
 * older `since`; `release` by anyone but the holder (gateway and connection) does nothing, and does nothing
 * while the partition's notifications view is not `ready`. Works without a mark and in every state. A claim that no
 * re-claim renews for the life of a holder (three re-checks of rule 8, a setting of the store) lapses.
 */
export abstract class Presence {
  /** At hello: takes the device from whoever holds it. The same connection again displaces nobody. */
  abstract hello(device: DeviceId, holder: Holder): Promise<Claimed>;
  /**
   * After a lost lease, a lost view, and at every re-check, with the `since` of the hello. Won: the claim
   * stands, with the epoch as given. Lost: this connection is the ghost, to be closed.
   */
  abstract reclaim(device: DeviceId, holder: Holder, since: number): Promise<Reclaimed>;
  /** At close, after the messages to displaced holders. The epoch is not compared. */
  abstract release(device: DeviceId, holder: Pick<Holder, 'gateway' | 'connection'>): Promise<void>;
}
