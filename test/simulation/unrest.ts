/** Whether a cluster has come to rest: everybody up, everything read, delivered, decided and told. */
import { NOTIFICATIONS, SUBSCRIPTIONS } from '#streams';
import type { Cluster } from './cluster.js';
import type { Put } from './log-truth.js';

/** What is still to come; undefined: nothing. `waits`: a notification that nobody comes for. */
export interface Unrest {
  readonly kind: 'waits' | 'moves';
  readonly what: string;
  readonly put?: Put | undefined;
}

export function unrestOf(cluster: Cluster): Unrest | undefined {
  const { plan, world, calls } = cluster.scene;
  const { partitions } = plan;
  if (world.now < calls.calmAtMs) return { kind: 'moves', what: 'a call is still on its way' };
  const moving = serviceUnrest(cluster);
  if (moving !== undefined) return { kind: 'moves', what: moving };
  for (let partition = 0; partition < partitions; partition++) {
    const what = subscriptionsUnrest(cluster, partition) ?? viewUnrest(cluster, partition);
    if (what !== undefined) return { kind: 'moves', what };
  }
  for (let partition = 0; partition < partitions; partition++) {
    const waits = waiting(cluster, partition);
    if (waits) return waits;
  }
  return undefined;
}

function serviceUnrest({ routers, registrations, ingests, gateways, phones }: Cluster) {
  for (const host of [...routers, ...registrations, ...ingests]) {
    if (!host.isUp) return `${host.name} is not up`;
  }
  for (const id of new Set(gateways.map((gateway) => gateway.id))) {
    const isUp = gateways.some((one) => one.id === id && one.isUp && one.isListening);
    if (!isUp) return `${id} is not up`;
  }
  for (const phone of phones) if (!phone.isHappy) return `${phone.name} has not what it wants`;
  for (const { name, isUp, settler } of gateways) {
    if (isUp && settler && settler.pending > 0) return `${name} has acks under way`;
  }
  return undefined;
}

function viewUnrest({ scene, routers }: Cluster, partition: number): string | undefined {
  const { mark, outbox } = scene.store.partition(partition);
  const name = `notifications/${partition}`;
  const end = scene.log.of(NOTIFICATIONS, partition).next;
  const isRead = routers.some((one) => one.isUp && one.router?.owned.get(partition)?.isTaken);
  if (!isRead) return `${name} is read by nobody who lives: a session has to end first`;
  if (mark?.state !== 'ready') return `the view of ${name} is ${mark?.state ?? 'not there'}`;
  if (mark.applied !== end) return `${name} ends at ${end} and is applied below ${mark.applied}`;
  if (mark.routed !== end) return `${name} is routed below ${mark.routed} of ${end}`;
  if (!mark.isTold) return `nobody is told that ${name} is ready`;
  if (!mark.isSwept) return `${name} is not swept`;
  const [first] = outbox.values();
  if (first) return `${first.outcome} of offset ${first.offset} stays in the outbox`;
  return undefined;
}

function subscriptionsUnrest({ scene }: Cluster, partition: number): string | undefined {
  const { subscriptionsMark: mark } = scene.store.partition(partition);
  const name = `subscriptions/${partition}`;
  const end = scene.log.of(SUBSCRIPTIONS, partition).next;
  if (mark?.state !== 'ready') return `the view of ${name} is ${mark?.state ?? 'not there'}`;
  if (mark.applied !== end) return `${name} ends at ${end} and is applied below ${mark.applied}`;
  if (!mark.isSwept) return `${name} is not swept`;
  return undefined;
}

/** Everybody is here and takes what comes. */
function waiting(cluster: Cluster, partition: number): Unrest | undefined {
  const { store, oracle } = cluster.scene;
  for (const { offset } of store.partition(partition).expiry.snapshot()) {
    const put = oracle.log.at(partition, offset);
    if (put && isForNobody(cluster, put)) continue;
    const what = `n${put?.number} (offset ${offset}, TTL ${put?.about.ttlSeconds}) has no outcome`;
    return { kind: 'waits', what, put };
  }
  return undefined;
}

/** For a name that its phone has given up, though its subscription stands: it waits until its time is over. */
export function isForNobody({ phones, scene }: Cluster, { about }: Put): boolean {
  const { device, subscription, ttlSeconds } = about;
  const isSomebodys = phones.some(({ device: its }) => its === device);
  const stands = scene.oracle.log.device(device).last(subscription)?.isPresent === true;
  return stands && !isSomebodys && ttlSeconds > 0;
}
