/** What a scrape shows of a router. The accounts are the invariant of design §5: one snapshot per scrape. */
import { NOTIFICATIONS } from '#streams';
import type { Metrics, Reader, Reading } from '#runtime';
import type { Accounts } from '#view';
import { OUTCOMES } from '#webpush';
import type { Router } from './router.js';
import type { RouterCounts } from './router-counts.js';
import type { RouterPorts } from './router-ports.js';

/** Accounts by partition; those without a view are missing. */
export type AccountsByPartition = ReadonlyMap<number, Accounts>;

export class AccountsReading {
  private current: Promise<AccountsByPartition> | undefined;

  constructor(
    private readonly router: Router,
    private readonly ports: Pick<RouterPorts, 'view'>,
  ) {}

  /** All metrics of one scrape are read in one turn: they get the same snapshot, so that its sums agree. */
  read(): Promise<AccountsByPartition> {
    this.current ??= this.snapshot().finally(() => {
      setImmediate(() => (this.current = undefined));
    });
    return this.current;
  }

  private async snapshot(): Promise<AccountsByPartition> {
    const found = new Map<number, Accounts>();
    for (const { partition } of this.router.owned.all()) {
      const accounts = await this.ports.view.accounts(partition);
      if (accounts !== undefined) found.set(partition, accounts);
    }
    return found;
  }
}

/** accepted − (outcomes + pending): 0 in a partition whose accounts add up. */
export function unaccounted({ accepted, pending, outcomes }: Accounts): number {
  return OUTCOMES.reduce((left, outcome) => left - outcomes[outcome], accepted - pending);
}

export function watchRouter(
  metrics: Metrics,
  router: Router,
  ports: Pick<RouterPorts, 'view' | 'catalog'>,
): void {
  const accounts = new AccountsReading(router, ports);
  watchAccounts(metrics, accounts);
  watchWork(metrics, router.counts);
  metrics.gauge('heliograph_router_partitions', {
    help: 'partitions that this router owns, by the state of their view',
    by: ['state'],
    read: () => {
      const ready = router.owned.ready().length;
      return { ready, rebuilding: router.owned.size - ready };
    },
  });
  metrics.gauge('heliograph_router_outbox_age_seconds', {
    help: 'of the oldest outcome that is decided and not announced: on its way, or found late (beyond 10 s) in an outbox; else 0',
    read: () => router.outboxAgeMs() / 1_000,
  });
  metrics.gauge('heliograph_router_lag', {
    help: 'offsets between what is applied and the end of the log',
    by: ['partition'],
    read: () => lag(router, ports),
  });
}

function watchAccounts(metrics: Metrics, accounts: AccountsReading): void {
  const each = (of: (accounts: Accounts) => Reading): Reader['read'] => {
    return async () => Object.fromEntries([...(await accounts.read())].map(([p, a]) => [p, of(a)]));
  };
  metrics.counter('heliograph_accepted_total', {
    help: 'notifications in the log, as the view has counted since it was created',
    by: ['partition'],
    read: each((a) => a.accepted),
  });
  metrics.gauge('heliograph_pending', {
    help: 'notifications without an outcome',
    by: ['partition'],
    read: each((a) => a.pending),
  });
  metrics.counter('heliograph_outcomes_total', {
    help: 'notifications by how they ended',
    by: ['partition', 'outcome'],
    read: each((a) => a.outcomes),
  });
  metrics.gauge('heliograph_unaccounted', {
    help: 'accepted minus outcomes and pending: always 0',
    by: ['partition'],
    read: each(unaccounted),
  });
}

const WORK: readonly (readonly [keyof Omit<RouterCounts, 'latency'>, string])[] = [
  ['records', 'records of notifications read'],
  ['undecodable', 'records skipped because they cannot be decoded'],
  ['batches', 'applying scripts that wrote'],
  ['delivered', 'deliveries put on gateways’ streams'],
  ['absent', 'notifications that found nobody holding their device'],
  ['fenced', 'scripts that found another mark than believed'],
  ['takeOvers', 'times that a mark was read to begin or begin again'],
  ['rebuilds', 'views folded from the log'],
  ['expired', 'notifications ended by the expiry sweep'],
  ['announcedLate', 'outcomes announced by the outbox sweep'],
];

function watchWork(metrics: Metrics, counts: RouterCounts): void {
  for (const [field, help] of WORK) {
    const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    metrics.counter(`heliograph_router_${name}_total`, { help, read: () => counts[field] });
  }
  metrics.histogram(
    'heliograph_router_latency_seconds',
    'from the append to the delivery being on its stream, first record of a slice',
    counts.latency,
  );
}

async function lag(
  router: Router,
  { catalog }: Pick<RouterPorts, 'catalog'>,
): Promise<Record<string, number>> {
  // All are asked in one turn: Kafka is asked once.
  const each = router.owned.all().map(async ({ partition, applied, isIdle }) => {
    // Offsets at the end may be gone (compacted away): with nothing to read there is no lag.
    const end = isIdle ? applied : await catalog.end(NOTIFICATIONS, partition);
    return [partition, Math.max(0, end - applied)] as const;
  });
  return Object.fromEntries(await Promise.all(each));
}
