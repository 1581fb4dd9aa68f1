import type { Announcement } from '#webpush';
import { PartitionView } from './partition-view.js';
import type { Accounts, Applied, FinishChunk, Mark, Settled } from './partition-view.js';
import type { EmbeddedStore } from './store.embedded.js';

export class EmbeddedPartitionView extends PartitionView {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override mark(): Promise<Mark | undefined> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override accounts(): Promise<Accounts | undefined> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override createMark(): Promise<void> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override apply(): Promise<Applied | undefined> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override finish(): Promise<FinishChunk | undefined> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override setRouted(): Promise<boolean> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override setTold(): Promise<boolean> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override settle(): Promise<Settled> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override clearOutbox(): Promise<void> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override outbox(): Promise<readonly Announcement[]> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override expire(): Promise<readonly Announcement[]> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override sweepGone(): Promise<FinishChunk | undefined> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }
}
