/** What must hold when a cluster has come to rest (P1, P2, P7, P10): log and store are compared line by line. */
import { OUTCOMES } from '#webpush';
import type { Cluster } from './cluster.js';
import type { DeviceTruth } from './log-truth.js';
import { isForNobody } from './unrest.js';

export function checkAtLast(cluster: Cluster): void {
  const { plan } = cluster.scene;
  for (const check of [checkOutcomes, checkGateways]) check(cluster);
  for (let partition = 0; partition < plan.partitions; partition++) {
    checkAccounts(cluster, partition);
    checkSubscriptions(cluster, partition);
    checkLeftovers(cluster, partition);
  }
}

/** Every notification that is in the log has an outcome, and the log knows it. */
function checkOutcomes(cluster: Cluster): void {
  const { oracle, world } = cluster.scene;
  for (const put of oracle.log.puts) {
    const { number, announced, decidedAs } = put;
    if (isForNobody(cluster, put) || announced.length > 0) continue;
    const what = decidedAs === undefined ? 'has no outcome' : `was ${decidedAs}, which nobody told`;
    world.violate(decidedAs === undefined ? 'P1' : 'P2', `n${number} ${what}`);
  }
}

/** One gateway of an id. */
function checkGateways({ gateways, scene: { world } }: Cluster): void {
  for (const id of new Set(gateways.map((gateway) => gateway.id))) {
    const alive = gateways.filter((one) => one.id === id && one.isListening);
    if (alive.length > 1) world.violate('P10', `${alive.length} gateways live as ${id}`);
  }
}

function checkAccounts({ scene: { store, oracle, world } }: Cluster, partition: number): void {
  const { accepted, expiry, outcomes } = store.partition(partition);
  const ended = OUTCOMES.reduce((sum, outcome) => sum + outcomes[outcome], 0);
  if (accepted !== ended + expiry.size) {
    const sum = `${ended} ended, ${expiry.size} pending`;
    world.violate('P2', `partition ${partition}: ${accepted} accepted, ${sum}`);
  }
  const puts = oracle.log.puts.filter((put) => put.partition === partition);
  // What compaction took away before a fold is not counted.
  if (oracle.livesOf(partition) > 0) return;
  if (accepted !== puts.length) {
    const text = `${accepted} accepted, ${puts.length} in the log`;
    world.violate('P2', `partition ${partition}: ${text}`);
  }
  for (const outcome of OUTCOMES) {
    const told = puts.filter(({ announced }) => announced[0]?.outcome === outcome).length;
    if (told === outcomes[outcome]) continue;
    const text = `${outcomes[outcome]} counted as ${outcome}, the log tells of ${told}`;
    world.violate('P2', `partition ${partition}: ${text}`);
  }
}

/** P7: the view of `subscriptions` is what its log says. */
function checkSubscriptions(cluster: Cluster, partition: number): void {
  const { store, oracle, world } = cluster.scene;
  const view = store.partition(partition);
  for (const [id, truth] of oracle.log.devices) {
    if (store.partitionOf(id) !== view) continue;
    const device = view.devices.get(id);
    for (const subscription of truth.subscriptions.keys()) {
      const isThere = view.isSubscribed(device, subscription);
      const { isPresent, fingerprint } = truth.last(subscription) ?? {};
      const name = world.trace?.nameOf(subscription) ?? subscription;
      if (isThere !== isPresent) {
        world.violate('P7', `${name} is ${isThere ? '' : 'not '}there, the log says otherwise`);
      }
      let entry = device?.subscriptions;
      while (entry && entry.id !== subscription) entry = entry.next;
      if (isThere && entry?.terms?.fingerprint !== fingerprint) {
        world.violate('P7', `${name} has another key than in the log`);
      }
    }
    if (!isSeenAt(truth, device?.seenAt)) {
      const name = world.trace?.nameOf(id) ?? id;
      world.violate('P7', `${name} was last seen at ${device?.seenAt}: not by the log`);
    }
  }
}

/**
 * Clocks differ and appends are late: compaction may keep the one that is a little older. It may also take away the
 * `forgotten` between two, when a fold has read the first already.
 */
function isSeenAt({ seen, forgottenAt }: DeviceTruth, at: number | undefined): boolean {
  const since = seen.filter(({ offset }) => offset > forgottenAt);
  return at === undefined
    ? since.length === 0
    : since.length > 0 && seen.some((one) => one.at === at);
}

function checkLeftovers({ scene: { store, world } }: Cluster, partition: number): void {
  const { removals, forgotten, foldedTopics } = store.partition(partition);
  if (removals.length > 0 || forgotten.size > 0) {
    world.violate(
      'P7',
      `partition ${partition}: removals that the keeper has passed are noted still`,
    );
  }
  if (foldedTopics !== undefined) world.violate('P8', `ready, and the notes of the fold are kept`);
}
