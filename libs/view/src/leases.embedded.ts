import { Leases } from './leases.js';
import type { Lease } from './leases.js';
import type { EmbeddedStore } from './store.embedded.js';

export class EmbeddedLeases extends Leases {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override set(): Promise<boolean> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override renew(): Promise<'renewed' | 'lost' | 'replaced'> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override get(): Promise<Lease | undefined> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override live(): Promise<readonly string[]> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override release(): Promise<void> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }
}
