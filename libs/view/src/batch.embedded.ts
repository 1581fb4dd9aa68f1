/** The applying script: one batch of the log into one partition's view (design §4, §5 rules 4, 5, 10). */
import type { Announcement } from '#webpush';
import type { Mail, Pending, Put } from './device.embedded.js';
import { topicKey } from './partition.embedded.js';
import type { Partition } from './partition.embedded.js';
import type { Applied, Batch, Belief, Command, Routable } from './partition-view.js';

export function applyBatch(
  partition: Partition,
  belief: Belief,
  batch: Batch,
): Applied | undefined {
  const mark = partition.markAt(belief);
  if (!mark) return undefined;
  const announcements: Announcement[] = [];
  const isFold = mark.state === 'rebuilding';
  for (const command of batch.commands) {
    if (command.kind !== 'put') settleBy(partition, command, announcements);
    else if (command.offset < mark.applied) continue;
    else if (isFold) fold(partition, command);
    else put(partition, command, announcements);
  }
  mark.applied = Math.max(mark.applied, batch.next);
  if (!isFold) mark.routed = Math.max(mark.routed, batch.routed);
  return { routables: isFold ? [] : routablesOf(partition, batch.commands), announcements };
}

/**
 * Outcomes and cancels need no look at `applied`: what they are about lies before them in the log and is never
 * put twice, so doing them again finds nothing.
 */
function settleBy(
  partition: Partition,
  command: Exclude<Command, Put>,
  announcements: Announcement[],
): void {
  if (command.kind === 'outcome') {
    const entry = partition.find(command.device, command.target);
    if (entry) partition.execute(entry, command.outcome);
    return;
  }
  const box = partition.devices.get(command.device)?.mail?.box;
  const entry = box?.find((boxed) => boxed.id === command.id);
  if (entry) announcements.push(partition.decide(entry, 'deleted'));
}

/** Decides nothing; `finish` replaces, expires and bounds when all that the log says has been read. */
function fold(partition: Partition, command: Put): void {
  partition.accepted++;
  partition.add(command);
  if (command.topic === undefined) return;
  const key = topicKey(command.device, command.subscription, command.topic);
  (partition.foldedTopics ??= new Map()).set(key, command.offset);
}

function put(partition: Partition, command: Put, announcements: Announcement[]): void {
  partition.accepted++;
  if (partition.subscriptionsMark?.state === 'ready') {
    const device = partition.devices.get(command.device);
    if (!partition.isSubscribed(device, command.subscription)) {
      partition.outcomes.gone++;
      announcements.push(partition.announce(command.offset, command.device, command.id, 'gone'));
      return;
    }
  }
  const entry = partition.add(command);
  if (entry.topic !== undefined) replace(partition, entry, announcements);
  partition.bound(entry.mail, announcements);
}

/** There is no index of topics: a mailbox is short and most have none; so nothing has to be tidied up either. */
function replace(partition: Partition, by: Pending, announcements: Announcement[]): void {
  for (const older of olderOfTopic(by.mail, by)) {
    announcements.push(partition.decide(older, 'replaced'));
  }
}

function olderOfTopic(mail: Mail, by: Pending): readonly Pending[] {
  const isOlder = (entry: Pending) =>
    entry.topic === by.topic && entry.subscription === by.subscription && entry !== by;
  return [...mail.box.filter(isOlder), ...(mail.instants?.filter(isOlder) ?? [])];
}

/**
 * What of the batch is still there, new or applied before, and not due (what is due is never sent). Holders are
 * read after the puts, in the same step (rule 2).
 */
function routablesOf(partition: Partition, commands: readonly Command[]): readonly Routable[] {
  const { holders } = partition.around;
  const now = partition.around.now();
  const routables: Routable[] = [];
  for (const command of commands) {
    if (command.kind !== 'put') continue;
    const device = partition.devices.get(command.device);
    const entry = device?.mail?.find(command.offset);
    if (!entry || partition.expiry.timeOf(entry) <= now) continue;
    const { offset, id, record, ttlSeconds } = command;
    const holder = holders.of(device, now);
    const routable = { offset, device: command.device, id, record, ttlSeconds };
    routables.push(holder ? { ...routable, holder } : routable);
  }
  return routables;
}
