import { Presence } from './presence.js';
import type { Claimed, Reclaimed } from './presence.js';
import type { EmbeddedStore } from './store.embedded.js';

export class EmbeddedPresence extends Presence {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override hello(): Promise<Claimed> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override reclaim(): Promise<Reclaimed> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override release(): Promise<void> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }
}
