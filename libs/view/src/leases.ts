/** A gateway's word that its claims are true (design §5, rule 7). */
export interface Lease {
  readonly epoch: number;
  /** ms until it ends by the store's clock. */
  readonly remainingMs: number;
}

export abstract class Leases {
  /** Sets the lease only where none stands. False: one stands. Lists the gateway among the live ones. */
  abstract set(gateway: string, epoch: number, ttlMs: number): Promise<boolean>;
  /** Extends only its own epoch. `lost`: none stands. `replaced`: another epoch stands under this name. */
  abstract renew(
    gateway: string,
    epoch: number,
    ttlMs: number,
  ): Promise<'renewed' | 'lost' | 'replaced'>;
  abstract get(gateway: string): Promise<Lease | undefined>;
  /** Gateways whose lease stands. */
  abstract live(): Promise<readonly string[]>;
  /** Deletes the lease if it is of that epoch. */
  abstract release(gateway: string, epoch: number): Promise<void>;
}
