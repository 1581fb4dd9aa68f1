import { Leases } from './leases.js';
import type { Lease } from './leases.js';
import type { EmbeddedStore, StoredLease } from './store.embedded.js';

export class EmbeddedLeases extends Leases {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override set(gateway: string, epoch: number, ttlMs: number): Promise<boolean> {
    const isFree = !this.standing(gateway);
    if (isFree) this.write(gateway, epoch, ttlMs);
    return Promise.resolve(isFree);
  }

  override renew(
    gateway: string,
    epoch: number,
    ttlMs: number,
  ): Promise<'renewed' | 'lost' | 'replaced'> {
    const lease = this.standing(gateway);
    if (!lease) return Promise.resolve('lost');
    if (lease.epoch !== epoch) return Promise.resolve('replaced');
    this.write(gateway, epoch, ttlMs);
    return Promise.resolve('renewed');
  }

  override get(gateway: string): Promise<Lease | undefined> {
    const lease = this.standing(gateway);
    if (!lease) return Promise.resolve(undefined);
    return Promise.resolve({ epoch: lease.epoch, remainingMs: lease.endsAt - this.store.now() });
  }

  override live(): Promise<readonly string[]> {
    const gateways = [...this.store.leases.keys()];
    return Promise.resolve(gateways.filter((gateway) => this.standing(gateway)));
  }

  override release(gateway: string, epoch: number): Promise<void> {
    if (this.standing(gateway)?.epoch === epoch) this.store.leases.delete(gateway);
    return Promise.resolve();
  }

  private write(gateway: string, epoch: number, ttlMs: number): void {
    this.store.leases.set(gateway, { epoch, endsAt: this.store.now() + ttlMs });
  }

  /** The lease, if it has not ended; one that has is forgotten. */
  private standing(gateway: string): StoredLease | undefined {
    const lease = this.store.leases.get(gateway);
    if (!lease || lease.endsAt > this.store.now()) return lease;
    this.store.leases.delete(gateway);
    return undefined;
  }
}
