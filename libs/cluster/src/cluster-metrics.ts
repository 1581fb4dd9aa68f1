import type { Metrics } from '#runtime';

/** What a scrape shows of a producer on Kafka. */
export interface AppendCounts {
  readonly counts: {
    readonly records: number;
    readonly requests: number;
    readonly failures: number;
    readonly refused: number;
  };
  readonly waitingBytes: number;
}

export function watchCluster(metrics: Metrics, producer: AppendCounts): void {
  metrics.counter('heliograph_append_records_total', {
    help: 'records acknowledged by Kafka',
    read: () => producer.counts.records,
  });
  metrics.counter('heliograph_append_requests_total', {
    help: 'requests to Kafka that carried them',
    read: () => producer.counts.requests,
  });
  metrics.counter('heliograph_append_failures_total', {
    help: 'appends to a partition that Kafka refused or did not answer',
    read: () => producer.counts.failures,
  });
  metrics.counter('heliograph_append_refused_total', {
    help: 'appends given up: too late, or too much waits',
    read: () => producer.counts.refused,
  });
  metrics.gauge('heliograph_append_waiting_bytes', {
    help: 'bytes that wait to be sent to Kafka',
    read: () => producer.waitingBytes,
  });
}
