import type { Health, Metrics } from '#runtime';
import type { EmbeddedLog } from '#streams.embedded';
import type { EmbeddedStore } from '#view.embedded';

/** What a scrape and a probe see of the log on disk and the store in memory. */
export function watchEmbedded(
  log: EmbeddedLog,
  store: EmbeddedStore,
  { health, metrics }: { readonly health: Health; readonly metrics: Metrics },
): void {
  const { writer } = log;
  health.ready('log', () => writer.trouble);
  metrics.counter('heliograph_log_records_total', {
    help: 'records committed to disk',
    read: () => writer.records,
  });
  metrics.counter('heliograph_log_commits_total', {
    help: 'transactions that committed them, each a group',
    read: () => writer.commits,
  });
  metrics.counter('heliograph_log_failures_total', {
    help: 'groups that could not be committed',
    read: () => writer.failures,
  });
  metrics.counter('heliograph_log_commit_seconds_total', {
    help: 'time spent in commits',
    read: () => writer.commitMsTotal / 1_000,
  });
  metrics.gauge('heliograph_log_file_bytes', {
    help: 'size of the log’s file; what is free in it is used again',
    read: () => log.fileBytes,
  });
  metrics.gauge('heliograph_log_tail_bytes', {
    help: 'records in memory that some reader still has to read',
    read: () => log.tailBytes,
  });
  metrics.gauge('heliograph_store_entries', {
    help: 'what the store in memory holds, by kind',
    by: ['kind'],
    read: () => ({ ...store.footprint() }),
  });
}
