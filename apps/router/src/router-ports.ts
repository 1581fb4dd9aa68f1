import type { StreamCatalog, StreamProducer } from '#streams';
import type { Leases, PartitionView } from '#view';
import type { Announcement } from '#webpush';

/** Whom a router asks for announcing: `Announcer` of libs/outcomes. */
export interface Announces {
  /** When (ms) the oldest outcome was decided that is on its way to the log. */
  readonly oldestAtMs?: number | undefined;
  announce(
    partition: number,
    viewId: string | undefined,
    announcements: readonly Announcement[],
  ): Promise<void>;
  /** Resolves when its outbox is cleared of all that is in the log by now. */
  cleared(partition: number): Promise<void>;
}

/** What a router works on. */
export interface RouterPorts {
  readonly view: PartitionView;
  readonly producer: StreamProducer;
  readonly catalog: StreamCatalog;
  readonly leases: Leases;
  readonly announcer: Announces;
}
