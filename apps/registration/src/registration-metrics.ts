import type { Metrics } from '#runtime';
import type { Keeper } from './keeper.js';
import type { KeeperCounts } from './keeper-counts.js';
import type { Registrations } from './registrations.js';

const KEEPING: readonly (readonly [keyof KeeperCounts, string])[] = [
  ['records', 'records of subscriptions read'],
  ['undecodable', 'records skipped because they cannot be decoded'],
  ['fenced', 'scripts that found another mark than believed'],
  ['rebuilds', 'views folded from the log'],
  ['gone', 'notifications settled gone'],
  ['forgotten', 'devices removed because they were not seen for too long'],
];

/** What a scrape shows of the keeper. */
export function watchKeeper(metrics: Metrics, keeper: Keeper): void {
  for (const [field, help] of KEEPING) {
    metrics.counter(`heliograph_keeper_${field}_total`, { help, read: () => keeper.counts[field] });
  }
  metrics.gauge('heliograph_keeper_partitions', {
    help: 'partitions that this keeper has, by the state of their view',
    by: ['state'],
    read: () => keeper.states(),
  });
  metrics.gauge('heliograph_keeper_lag', {
    help: 'offsets between what is applied and the end of the log',
    by: ['partition'],
    read: () => keeper.lag(),
  });
}

/** What a scrape shows of the REST door. */
export function watchDoor(metrics: Metrics, registrations: Registrations): void {
  metrics.counter('heliograph_registration_answers_total', {
    help: 'answers of the REST door, by kind',
    by: ['answer'],
    read: () => ({ ...registrations.counts }),
  });
}
