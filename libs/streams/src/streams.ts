/**
 * THE table of streams (design §4): name, what its key and value are, how long it keeps what.
 * Kafka topics are called streams, never topics (those are RFC 8030's).
 */
export const NOTIFICATIONS = 'notifications';
export const SUBSCRIPTIONS = 'subscriptions';

/** The stream of one gateway; one partition; written by routers and gateways, read by that gateway. */
export function deliveriesOf(gateway: string): string {
  return `deliveries.${gateway}`;
}

export interface StreamKind {
  /** `compact`: the last record per key stays. `delete`: a record goes when it is older than `keptMs`. */
  readonly cleanup: 'compact' | 'compact,delete' | 'delete';
  /** By device: as many partitions as `PARTITIONS`. Otherwise one. */
  readonly isByDevice: boolean;
}

export const STREAMS = {
  notifications: { cleanup: 'compact,delete', isByDevice: true },
  subscriptions: { cleanup: 'compact', isByDevice: true },
  deliveries: { cleanup: 'delete', isByDevice: false },
} as const satisfies Record<string, StreamKind>;
