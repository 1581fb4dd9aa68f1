import type { Announcement } from '#webpush';
import { applyBatch } from './batch.embedded.js';
import { clearLapsedHolders, expireDue, pickOutbox, settleThese } from './decisions.embedded.js';
import { PartitionView } from './partition-view.js';
import type {
  Accounts,
  Applied,
  Batch,
  Belief,
  FinishChunk,
  Mark,
  Settled,
  Settlement,
  ViewBelief,
} from './partition-view.js';
import type { EmbeddedStore } from './store.embedded.js';
import { finishChunk, sweepChunk } from './walk.embedded.js';
import type { Step } from './walk.embedded.js';

export class EmbeddedPartitionView extends PartitionView {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override mark(partition: number): Promise<Mark | undefined> {
    const { mark } = this.store.partition(partition);
    return Promise.resolve(mark && { ...mark });
  }

  override accounts(partition: number): Promise<Accounts | undefined> {
    const { mark, accepted, expiry, outcomes } = this.store.partition(partition);
    if (!mark) return Promise.resolve(undefined);
    return Promise.resolve({ accepted, pending: expiry.size, outcomes: { ...outcomes } });
  }

  override createMark(partition: number): Promise<void> {
    this.store.partition(partition).mark ??= {
      viewId: this.store.nameView(),
      state: 'rebuilding',
      applied: 0,
      routed: 0,
      isTold: false,
      isSwept: false,
    };
    return Promise.resolve();
  }

  override apply(partition: number, belief: Belief, batch: Batch): Promise<Applied | undefined> {
    return Promise.resolve(applyBatch(this.store.partition(partition), belief, batch));
  }

  override finish(partition: number, belief: Belief, walk: Step): Promise<FinishChunk | undefined> {
    return Promise.resolve(finishChunk(this.store.partition(partition), belief, walk));
  }

  override setRouted(partition: number, belief: ViewBelief, routed: number): Promise<boolean> {
    const mark = this.store.partition(partition).readyMarkOf(belief);
    if (mark) mark.routed = Math.max(mark.routed, routed);
    return Promise.resolve(mark !== undefined);
  }

  override setTold(partition: number, belief: ViewBelief): Promise<boolean> {
    const mark = this.store.partition(partition).readyMarkOf(belief);
    if (mark) mark.isTold = true;
    return Promise.resolve(mark !== undefined);
  }

  override settle(
    partition: number,
    settlements: readonly Settlement[],
    belief?: ViewBelief,
  ): Promise<Settled> {
    return Promise.resolve(settleThese(this.store.partition(partition), settlements, belief));
  }

  override clearOutbox(
    partition: number,
    viewId: string,
    announcements: readonly Announcement[],
  ): Promise<void> {
    const { mark, outbox } = this.store.partition(partition);
    if (mark?.viewId !== viewId || mark.state !== 'ready') return Promise.resolve();
    for (const { offset, outcome } of announcements) {
      if (outbox.get(offset)?.outcome === outcome) outbox.delete(offset);
    }
    return Promise.resolve();
  }

  override outbox(
    partition: number,
    belief: ViewBelief,
    pick: { readonly olderThanMs: number; readonly limit: number },
  ): Promise<readonly Announcement[]> {
    return Promise.resolve(pickOutbox(this.store.partition(partition), belief, pick));
  }

  override expire(
    partition: number,
    belief: ViewBelief,
    limit: number,
  ): Promise<readonly Announcement[]> {
    const found = this.store.partition(partition);
    clearLapsedHolders(found);
    return Promise.resolve(expireDue(found, belief, limit));
  }

  override sweepGone(
    partition: number,
    views: { readonly notifications: string; readonly subscriptions: string },
    walk: Step,
  ): Promise<FinishChunk | undefined> {
    return Promise.resolve(sweepChunk(this.store.partition(partition), views, walk));
  }
}
