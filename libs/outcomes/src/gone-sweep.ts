/**
 * The end of two rebuilds (design §5, rule 6): when both views of a partition are `ready` and either is not
 * swept, what waits for a subscription that is not there is settled `gone`. Router and keeper both sweep;
 * whoever finds it due does it, and each chunk is fenced by both marks, so doing it twice does no harm.
 */
import type { Cursor, PartitionView, SubscriptionsView } from '#view';
import type { Announcement } from '#webpush';

export interface GoneSweepPorts {
  readonly view: Pick<PartitionView, 'mark' | 'sweepGone'>;
  readonly subscriptions: Pick<SubscriptionsView, 'mark'>;
  readonly announcer: {
    announce(
      partition: number,
      viewId: string | undefined,
      announcements: readonly Announcement[],
    ): Promise<void>;
  };
}

export const GONE_CHUNK_MAX = 500;

export class GoneSweep {
  constructor(private readonly ports: GoneSweepPorts) {}

  /**
   * Looks at both marks and sweeps the partition to its end when it is due, one announced chunk after the
   * other. Returns how many were settled; a sweep that is fenced, or that `goesOn` ends, begins anew at the next call.
   */
  async sweep(partition: number, goesOn: () => boolean = () => true): Promise<number> {
    const { view, subscriptions, announcer } = this.ports;
    const [ours, theirs] = await Promise.all([view.mark(partition), subscriptions.mark(partition)]);
    if (ours?.state !== 'ready' || theirs?.state !== 'ready') return 0;
    if (ours.isSwept && theirs.isSwept) return 0;
    const views = { notifications: ours.viewId, subscriptions: theirs.viewId };
    let settled = 0;
    let cursor: Cursor | undefined;
    do {
      const chunk = await view.sweepGone(partition, views, { cursor, limit: GONE_CHUNK_MAX });
      if (chunk === undefined) return settled;
      settled += chunk.announcements.length;
      if (chunk.announcements.length > 0) {
        await announcer.announce(partition, views.notifications, chunk.announcements);
      }
      cursor = chunk.cursor;
    } while (cursor !== undefined && goesOn());
    return settled;
  }
}
