/** The scripts that decide outside of a batch: acks, the end of a time; and the outbox of what was decided. */
import type { Announcement } from '#webpush';
import type { Partition } from './partition.embedded.js';
import type { Settled, Settlement, ViewBelief } from './partition-view.js';

export function settleThese(
  partition: Partition,
  settlements: readonly Settlement[],
  belief?: ViewBelief,
): Settled {
  const { mark } = partition;
  if (!mark || (belief && !partition.markOf(belief))) return { state: 'none' };
  if (mark.state === 'rebuilding') return { state: 'rebuilding' };
  const announcements: Announcement[] = [];
  for (const { device, offset, outcome } of settlements) {
    const entry = partition.find(device, offset);
    if (entry) announcements.push(partition.decide(entry, outcome));
  }
  return { state: 'ready', viewId: mark.viewId, announcements };
}

export function expireDue(
  partition: Partition,
  belief: ViewBelief,
  limit: number,
): readonly Announcement[] {
  const announcements: Announcement[] = [];
  if (!partition.readyMarkOf(belief)) return announcements;
  const { expiry } = partition;
  const now = partition.around.now();
  while (announcements.length < limit) {
    const first = expiry.first();
    if (!first || expiry.timeOf(first) > now) break;
    announcements.push(partition.decideByTime(first));
  }
  return announcements;
}

export function pickOutbox(
  partition: Partition,
  belief: ViewBelief,
  pick: { readonly olderThanMs: number; readonly limit: number },
): readonly Announcement[] {
  const picked: Announcement[] = [];
  if (!partition.readyMarkOf(belief)) return picked;
  const before = partition.around.now() - pick.olderThanMs;
  // All of it: after the clock was set back an entry at the front may be the youngest.
  for (const announcement of partition.outbox.values()) {
    if (picked.length >= pick.limit) break;
    if (announcement.at <= before) picked.push(announcement);
  }
  return picked;
}

/**
 * Frees what lapsed claims hold. A lapsed claim counts for nothing, whenever it is cleared; so it is enough to
 * go through the devices once in the life of a claim.
 */
export function clearLapsedHolders(partition: Partition): void {
  const { holders, holderTtlMs } = partition.around;
  const now = partition.around.now();
  if (now - partition.clearedAt < holderTtlMs) return;
  partition.clearedAt = now;
  for (const [id, device] of partition.devices) {
    if (!device.boot || !holders.hasLapsed(device, now)) continue;
    holders.clear(device);
    partition.dropIfIdle(id, device);
  }
}
