import type { Metrics } from '#runtime';
import { REFUSALS, type RefusalName } from '#webpush';
import type { IngestCounts } from './ingest-counts.js';

/** What a scrape shows of an ingest. */
export function watchIngest(metrics: Metrics, counts: IngestCounts): void {
  metrics.counter('heliograph_ingest_accepted_total', {
    help: 'notifications appended to the log',
    read: () => counts.accepted,
  });
  metrics.counter('heliograph_ingest_canceled_total', {
    help: 'cancels appended to the log',
    read: () => counts.canceled,
  });
  metrics.counter('heliograph_ingest_refused_total', {
    help: 'requests refused, by the row of the refusal table and its errno',
    by: ['refusal', 'errno'],
    read: () => byLabel(counts.refused),
  });
  metrics.counter('heliograph_ingest_aborted_total', {
    help: 'requests whose connection ended before the answer',
    read: () => counts.aborted,
  });
  metrics.counter('heliograph_ingest_refused_connections_total', {
    help: 'connections refused by the limit on all of them',
    read: () => counts.refusedConnections,
  });
  metrics.counter('heliograph_ingest_late_total', {
    help: 'requests answered 503 by the deadline of lookup and append',
    read: () => counts.late,
  });
  metrics.gauge('heliograph_ingest_connections', {
    help: 'connections that are open',
    read: () => counts.connections,
  });
  metrics.gauge('heliograph_ingest_in_flight', {
    help: 'requests whose answer is still owed',
    read: () => counts.inFlight,
  });
  metrics.gauge('heliograph_ingest_body_bytes', {
    help: 'bodies being received or appended',
    read: () => counts.bodyBytes,
  });
  metrics.histogram(
    'heliograph_ingest_append_seconds',
    'from the append to its acknowledgement',
    counts.appendSeconds,
  );
}

function byLabel(
  refused: Readonly<Record<RefusalName, number>>,
): Record<string, Record<string, number>> {
  const names = Object.keys(refused) as RefusalName[];
  return Object.fromEntries(
    names.map((name) => {
      const { label, errno } = REFUSALS[name];
      return [label, { [errno]: refused[name] }];
    }),
  );
}
