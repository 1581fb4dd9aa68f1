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
  /** The store's clock (ms) in the script of the hello's claim; the connection keeps it for re-claims. */
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
 * while the partition's notifications view is not `ready`. Works without a mark and in every state.
 */
export abstract class Presence {
  abstract hello(device: DeviceId, holder: Holder): Promise<Claimed>;
  abstract reclaim(device: DeviceId, holder: Holder, since: number): Promise<Reclaimed>;
  abstract release(device: DeviceId, holder: Pick<Holder, 'gateway' | 'connection'>): Promise<void>;
}
