/** What a scrape shows of a gateway. */
import type { Settler } from '#outcomes';
import type { Metrics } from '#runtime';
import { CLOSE_CODES } from '#wire';
import type { GatewayCounts } from './counts.js';
import type { Gateway } from './gateway.js';

type Counted = {
  [K in keyof GatewayCounts]: GatewayCounts[K] extends number ? K : never;
}[keyof GatewayCounts];

const WORK: readonly (readonly [Counted, string])[] = [
  ['opened', 'connections opened'],
  ['hellos', 'hellos answered'],
  ['fresh', 'hellos answered with a new device'],
  ['refusedConnections', 'connections refused by the limit on all, or per address'],
  ['framesIn', 'text frames read'],
  ['framesOut', 'text frames sent'],
  ['notificationsOut', 'notification frames sent'],
  ['registers', 'registers answered with 200'],
  ['unregisters', 'removals written'],
  ['failures', 'requests of devices that a store failed'],
  ['deliveries', 'deliveries read from the own stream'],
  ['misaddressed', 'deliveries for a connection or an epoch of before'],
  ['postponed', 'deliveries read from the mailbox instead, because the session was not level'],
  ['undecodable', 'records skipped because they cannot be decoded'],
  ['reads', 'reads of a mailbox'],
  ['readFailures', 'reads of a mailbox that the store failed'],
  ['reclaims', 'claims made again'],
  ['reclaimsLost', 'claims made again that lost to a newer hello'],
  ['displaced', 'holders displaced by a claim of this gateway'],
  ['releaseFailures', 'releases that the store failed'],
  ['rechecks', 'connections compared with their mailbox'],
  ['epochs', 'leases set: one at start, one more after each loss'],
  ['renewFailures', 'renewals of the lease that failed'],
];

/** A counter that first shows up with its first events hides them: a rate begins at what it finds. */
const NO_CLOSES = zeros([...Object.keys(CLOSE_CODES), 'device']);
const NO_NACKS = zeros(['301', '302', '303', 'other']);

export function watchGateway(metrics: Metrics, gateway: Gateway, settler: Settler): void {
  const { counts } = gateway;
  for (const [field, help] of WORK) {
    const name = field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    metrics.counter(`heliograph_gateway_${name}_total`, { help, read: () => counts[field] });
  }
  metrics.counter('heliograph_gateway_closes_total', {
    help: 'connections ended, by the reason; device: by the device or its network',
    by: ['reason'],
    read: () => ({ ...NO_CLOSES, ...counts.closes }),
  });
  metrics.counter('heliograph_gateway_nacks_total', {
    help: 'notifications that a handler of the device failed on, by code',
    by: ['code'],
    read: () => ({ ...NO_NACKS, ...counts.nacks }) as Record<string, number>,
  });
  metrics.histogram(
    'heliograph_gateway_latency_seconds',
    'from a delivery on the stream to its frame, first of a batch',
    counts.latency,
  );
  watchBacklogs(metrics, counts);
  watchNow(metrics, gateway, settler);
  watchMemory(metrics, gateway);
}

function watchBacklogs(metrics: Metrics, counts: GatewayCounts): void {
  metrics.histogram(
    'heliograph_gateway_accept_to_frame_seconds',
    'from the append of a notification to its frame, while its device is connected; first of a slice',
    counts.acceptToFrame,
  );
  metrics.histogram(
    'heliograph_gateway_accept_to_ack_seconds',
    'from the append of a notification until its ack is settled; of the same',
    counts.acceptToAck,
  );
  metrics.histogram(
    'heliograph_gateway_backlog',
    'notifications that a connection read from its mailbox until it was level: one observation per drain',
    counts.backlog,
  );
  metrics.histogram(
    'heliograph_gateway_mailbox',
    'notifications in the mailbox of a connected device, as re-checks find them',
    counts.mailbox,
  );
}

function watchMemory(metrics: Metrics, { connections }: Gateway): void {
  const atStart = process.memoryUsage.rss();
  metrics.gauge('heliograph_gateway_memory_per_device_bytes', {
    help: 'resident memory beyond that at start, by connection: tells something with thousands of them',
    read: () => (process.memoryUsage.rss() - atStart) / Math.max(1, connections.size),
  });
  metrics.gauge('heliograph_gateway_buffered_bytes', {
    help: 'bytes that wait for devices that read slowly',
    read: () => {
      let bytes = 0;
      connections.visitAll(({ isChoked, socket }) => {
        if (isChoked) bytes += socket?.getBufferedAmount() ?? 0;
      });
      return bytes;
    },
  });
}

function watchNow(metrics: Metrics, gateway: Gateway, settler: Settler): void {
  const { connections, lease, reclaims, rechecks } = gateway;
  metrics.gauge('heliograph_gateway_connections', {
    help: 'connections that are open',
    read: () => connections.size,
  });
  metrics.gauge('heliograph_gateway_devices', {
    help: 'devices that are connected and greeted',
    read: () => connections.devices,
  });
  metrics.gauge('heliograph_gateway_draining', {
    help: '1: it closes its connections, spread out, to end',
    read: () => Number(gateway.isDraining),
  });
  metrics.gauge('heliograph_gateway_lease_age_seconds', {
    help: 'since the lease was last renewed; it ends at 15',
    read: () => lease.ageMs / 1_000,
  });
  metrics.gauge('heliograph_gateway_waiting', {
    help: 'connections that wait to claim again, or for their re-check',
    by: ['for'],
    read: () => ({ reclaim: reclaims.pending, recheck: rechecks.pending }),
  });
  metrics.gauge('heliograph_gateway_acks_under_way', {
    help: 'acks whose script has not answered',
    read: () => settler.pending,
  });
  metrics.counter('heliograph_gateway_acks_total', {
    help: 'acks of sent notifications, by what became of them',
    by: ['result'],
    read: () => {
      const { acks, decided, undecided } = settler.counts;
      return { taken: acks, decided, undecided };
    },
  });
}

function zeros(names: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries(names.map((name) => [name, 0]));
}
