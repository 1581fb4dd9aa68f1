/** What the Registrar and the keeper write: subscriptions and last-seen, each newer than what it meets (rule 9). */
import type { Announcement, DeviceId, Subscription, SubscriptionId } from '#webpush';
import { SubscriptionEntry, subscriptionOf } from './device.embedded.js';
import type { Device, Pending } from './device.embedded.js';
import type { Partition } from './partition.embedded.js';
import type { SubscriptionChange, SubscriptionsBelief } from './subscriptions-view.js';

/** A batch of the stream, and the offset behind it. */
interface Changes {
  readonly changes: readonly SubscriptionChange[];
  readonly next: number;
}

/** Removals leave a mark of themselves, so that the keeper, who comes later with what is older, changes nothing. */
export function writeChange(partition: Partition, change: SubscriptionChange): void {
  if (change.offset < (partition.subscriptionsMark?.applied ?? 0)) return;
  if (isOlder(partition, change)) return;
  const { device, offset } = change;
  switch (change.kind) {
    case 'present':
      return write(partition, change, change);
    case 'gone':
      write(partition, change, undefined);
      partition.removals.push({ device, subscription: change.subscription, offset });
      return;
    case 'seen':
      return see(partition, device, change.at);
    case 'forgotten':
      forget(partition, device, offset);
      partition.forgotten.set(device, offset);
  }
}

/** The keeper's script: what is below its position was applied before, and may have been overtaken since. */
export function keepChanges(
  partition: Partition,
  belief: SubscriptionsBelief,
  { changes, next }: Changes,
): readonly Announcement[] | undefined {
  const mark = subscriptionsMarkAt(partition, belief);
  if (!mark) return undefined;
  const announcements: Announcement[] = [];
  for (const change of changes) {
    if (change.offset >= mark.applied) keep(partition, change, announcements);
  }
  mark.applied = Math.max(mark.applied, next);
  pass(partition, mark.applied, announcements);
  return announcements;
}

/** The mark, if it is what was believed. */
export function subscriptionsMarkAt(partition: Partition, belief: SubscriptionsBelief) {
  const mark = partition.subscriptionsMark;
  const isSame =
    mark?.viewId === belief.viewId &&
    mark.state === belief.state &&
    mark.applied === belief.applied;
  return isSame ? mark : undefined;
}

/** The devices last seen before `before`, oldest first. Most calls find none and look at nothing. */
export function oldestSeen(
  partition: Partition,
  before: number,
  limit: number,
): readonly DeviceId[] {
  if (before <= partition.seenFloor) return [];
  const old: { readonly id: DeviceId; readonly seenAt: number }[] = [];
  let floor = Infinity;
  for (const [id, { seenAt }] of partition.devices) {
    if (seenAt === undefined) continue;
    floor = Math.min(floor, seenAt);
    if (seenAt < before) old.push({ id, seenAt });
  }
  // The scan knows it exactly; between scans writes only lower it.
  partition.seenFloor = floor;
  old.sort((a, b) => a.seenAt - b.seenAt);
  return old.slice(0, limit).map(({ id }) => id);
}

/** In the order of the stream: a removal settles what waits, though the next change brings the subscription back. */
function keep(
  partition: Partition,
  change: SubscriptionChange,
  announcements: Announcement[],
): void {
  if (isOlder(partition, change)) return;
  switch (change.kind) {
    case 'present':
      return write(partition, change, change);
    case 'gone':
      return keepRemoval(partition, change, announcements);
    case 'seen':
      return see(partition, change.device, change.at);
    case 'forgotten':
      forget(partition, change.device, change.offset);
      settleGone(partition, change.device, announcements);
  }
}

/** The keeper's `applied` has passed what write-throughs left, though a record may have been compacted away. */
function pass(partition: Partition, applied: number, announcements: Announcement[]): void {
  if (partition.removals.length > 0) {
    const passed = partition.removals.filter(({ offset }) => offset < applied);
    partition.removals = partition.removals.filter(({ offset }) => offset >= applied);
    for (const removal of passed) {
      const entry = subscriptionOf(partition.devices.get(removal.device), removal.subscription);
      // A later write-through may have written it anew, and is not passed yet.
      const isPassed = entry && !entry.terms && entry.offset < applied;
      if (isPassed) keepRemoval(partition, removal, announcements);
    }
  }
  for (const [device, offset] of partition.forgotten) {
    if (offset >= applied) continue;
    partition.forgotten.delete(device);
    settleGone(partition, device, announcements);
  }
}

/** A later write-through wins over an earlier change; a keeper's change of the same offset over its own. */
function isOlder(partition: Partition, change: SubscriptionChange): boolean {
  if ((partition.forgotten.get(change.device) ?? -1) > change.offset) return true;
  if (change.kind !== 'present' && change.kind !== 'gone') return false;
  const entry = subscriptionOf(partition.devices.get(change.device), change.subscription);
  return entry !== undefined && entry.offset > change.offset;
}

interface Named {
  readonly device: DeviceId;
  readonly subscription: SubscriptionId;
  readonly offset: number;
}

/** Writes the entry: present with these terms, or `gone`. */
function write(
  partition: Partition,
  { device: id, subscription, offset }: Named,
  present: Subscription | undefined,
): void {
  const { terms: table } = partition.around;
  const device = partition.deviceOf(id);
  const terms = present && table.take(present);
  const entry = subscriptionOf(device, subscription);
  if (entry) {
    table.drop(entry.terms);
    entry.terms = terms;
    entry.offset = offset;
    return;
  }
  const added = new SubscriptionEntry(subscription, terms, offset);
  added.next = device.subscriptions;
  device.subscriptions = added;
}

function keepRemoval(partition: Partition, named: Named, announcements: Announcement[]): void {
  const device = partition.devices.get(named.device);
  if (!device) return;
  removeWhere(partition, device, (entry) => entry.id === named.subscription);
  settleGone(partition, named.device, announcements, named.subscription);
  partition.dropIfIdle(named.device, device);
}

function see(partition: Partition, id: DeviceId, at: number): void {
  const device = partition.deviceOf(id);
  // The later, whoever comes first: write-through and keeper need no offset here.
  device.seenAt = Math.max(device.seenAt ?? at, at);
  partition.seenFloor = Math.min(partition.seenFloor, at);
}

/** What is newer than the record stays: the device has come back meanwhile. */
function forget(partition: Partition, id: DeviceId, offset: number): void {
  const device = partition.devices.get(id);
  if (!device) return;
  removeWhere(partition, device, (entry) => entry.offset < offset);
  device.seenAt = undefined;
  partition.dropIfIdle(id, device);
}

/** Takes entries out of the device's list; the order of the rest does not matter. */
function removeWhere(
  partition: Partition,
  device: Device,
  isRemoved: (entry: SubscriptionEntry) => boolean,
): void {
  let kept: SubscriptionEntry | undefined;
  for (let entry = device.subscriptions; entry;) {
    const next = entry.next;
    if (isRemoved(entry)) {
      partition.around.terms.drop(entry.terms);
    } else {
      entry.next = kept;
      kept = entry;
    }
    entry = next;
  }
  device.subscriptions = kept;
}

/** What waits for a subscription that is not there: `gone`, where both views know enough. Never TTL 0. */
function settleGone(
  partition: Partition,
  id: DeviceId,
  announcements: Announcement[],
  subscription?: SubscriptionId,
): void {
  const device = partition.devices.get(id);
  if (!device?.mail || !partition.areBothReady) return;
  const isGone = (entry: Pending) =>
    (subscription === undefined || entry.subscription === subscription) &&
    !partition.isSubscribed(device, entry.subscription);
  for (const entry of device.mail.box.filter(isGone)) {
    announcements.push(partition.decide(entry, 'gone'));
  }
}
