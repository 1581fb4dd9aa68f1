/**
 * The end of a rebuild (design §5, rule 6): replacement and expiry along the whole of `expiry`, then the
 * bound, in chunks, each fenced and all of it repeatable: whoever takes over begins again with the first.
 */
import { setImmediate } from 'node:timers/promises';
import type { Log } from '#runtime';
import type { Cursor, PartitionView } from '#view';
import type { OwnedPartition } from './owned-partition.js';
import type { RouterCounts } from './router-counts.js';

export const CHUNK_ENTRIES_MAX = 1_000;

export class Fold {
  constructor(
    private readonly view: PartitionView,
    private readonly counts: RouterCounts,
    private readonly log: Log,
  ) {}

  /**
   * Resolves when the view is ready, or when another was there first; the mark tells which. What the chunks
   * decide stands in the outbox, which cannot be cleared before the view is ready: the outbox sweep
   * announces it.
   */
  async finish(owned: OwnedPartition): Promise<void> {
    const { partition, applied } = owned;
    let cursor: Cursor | undefined;
    do {
      const chunk = await this.view.finish(partition, owned, { cursor, limit: CHUNK_ENTRIES_MAX });
      if (chunk === undefined) {
        this.counts.fenced++;
        return;
      }
      cursor = chunk.cursor;
      // In one process the devices' sockets wait meanwhile: they get a turn between two chunks.
      if (cursor !== undefined) await setImmediate();
    } while (cursor !== undefined && owned.isOwned);
    if (cursor !== undefined) return;
    this.counts.rebuilds++;
    this.log.info('the view is ready', { partition, applied });
  }
}
