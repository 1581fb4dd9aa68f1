/**
 * Nothing depends on a poke (rule 8), but hardly anything is to wait for the re-check either. Why one does wait,
 * though its device is here and nothing is wrong any more:
 */
import type { Cluster } from './cluster.js';
import type { Put } from './log-truth.js';

export const CAUSES = {
  /** A claim was executed when nobody waited for it any more: its gateway does not know that it stands. */
  claim: 'it is held by a connection or an epoch of before',
  /** It had its outcome, in a view that was lost before the log was told; its device will not ack again. */
  outcome: 'its outcome was lost with the view',
  /** Retention took it from its gateway's stream before it was read. */
  delivery: 'its delivery was lost',
} as const;
export type Cause = keyof typeof CAUSES;

export function causeOf({ scene, phones }: Cluster, put: Put): Cause {
  const { store, oracle } = scene;
  const { device } = put.about;
  const here = phones.find((phone) => phone.device === device)?.link?.session;
  const holder = store.holders.of(store.partitionOf(device).devices.get(device), store.now());
  const epoch = holder && store.leases.get(holder.gateway)?.epoch;
  if (holder?.connection !== here?.connection || holder?.epoch !== epoch) return 'claim';
  const wasDecided = put.decidedAs !== undefined && put.decidedIn < oracle.livesOf(put.partition);
  return wasDecided ? 'outcome' : 'delivery';
}

/** Whether something has happened in the schedule that may lead to it. */
export function isExcused({ scene }: Cluster, cause: Cause): boolean {
  const { strayClaims, lostDeliveries } = scene.oracle.met;
  return cause === 'outcome' || (cause === 'claim' ? strayClaims : lostDeliveries) > 0;
}
