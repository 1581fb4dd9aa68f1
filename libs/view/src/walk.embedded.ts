/**
 * The two walks along the whole of `expiry`, in chunks: what follows a fold, and the `gone` sweep (design §5,
 * rule 6). A walk goes over a snapshot, which all who walk for the same mark share: what is added
 * later needs no visit, since after a fold nothing is added before the view is ready, and where both views
 * are ready a put decides by itself.
 */
import type { Announcement } from '#webpush';
import type { Pending } from './device.embedded.js';
import { topicKey } from './partition.embedded.js';
import type { Partition, Walk } from './partition.embedded.js';
import type { Belief, Cursor, FinishChunk } from './partition-view.js';

export interface Step {
  readonly cursor?: Cursor | undefined;
  readonly limit: number;
}

/** Cursor: pass `:` index of the next entry in the snapshot. */
interface Position {
  pass: number;
  index: number;
}

export function finishChunk(
  partition: Partition,
  belief: Belief,
  step: Step,
): FinishChunk | undefined {
  const mark = partition.markAt(belief);
  if (mark?.state !== 'rebuilding') return undefined;
  const announcements: Announcement[] = [];
  const now = partition.around.now();
  const cursor = visit(partition, `${mark.viewId} ${mark.applied}`, {
    ...step,
    passes: 2,
    each: (entry, pass) => {
      if (pass === 0) replaceOrExpire(partition, entry, { now, announcements });
      else partition.bound(entry.mail, announcements);
    },
  });
  if (cursor !== undefined) return { cursor, announcements };
  mark.state = 'ready';
  mark.routed = mark.applied;
  mark.isTold = false;
  mark.isSwept = false;
  partition.foldedTopics = undefined;
  return { cursor: undefined, announcements };
}

export function sweepChunk(
  partition: Partition,
  views: { readonly notifications: string; readonly subscriptions: string },
  step: Step,
): FinishChunk | undefined {
  const { mark, subscriptionsMark: other } = partition;
  if (mark?.viewId !== views.notifications || other?.viewId !== views.subscriptions) {
    return undefined;
  }
  if (!partition.areBothReady || (mark.isSwept && other.isSwept)) return undefined;
  const announcements: Announcement[] = [];
  const cursor = visit(partition, `${mark.viewId} ${other.viewId} gone`, {
    ...step,
    passes: 1,
    each: (entry) => {
      if (entry.isInstant) return;
      if (partition.isSubscribed(entry.mail.owner, entry.subscription)) return;
      announcements.push(partition.decide(entry, 'gone'));
    },
  });
  if (cursor === undefined) mark.isSwept = other.isSwept = true;
  return { cursor, announcements };
}

function replaceOrExpire(
  partition: Partition,
  entry: Pending,
  step: { readonly now: number; readonly announcements: Announcement[] },
): void {
  const { mail, subscription, topic } = entry;
  if (partition.expiry.timeOf(entry) <= step.now) {
    step.announcements.push(partition.decideByTime(entry));
    return;
  }
  if (topic === undefined) return;
  const last = partition.foldedTopics?.get(topicKey(mail.device, subscription, topic));
  if (last === undefined || last <= entry.offset) return;
  step.announcements.push(partition.decide(entry, 'replaced'));
}

interface Visit extends Step {
  readonly passes: number;
  readonly each: (entry: Pending, pass: number) => void;
}

/** Visits at most `limit` entries. The cursor of the next chunk; undefined when all passes are through. */
function visit(partition: Partition, reason: string, visit: Visit): Cursor | undefined {
  const walk = walkFor(partition, reason);
  const position = positionOf(visit.cursor);
  for (let budget = visit.limit; budget > 0 && position.pass < visit.passes;) {
    const entry = walk.entries[position.index];
    if (!entry) {
      position.pass++;
      position.index = 0;
      continue;
    }
    position.index++;
    budget--;
    // Not settled since the snapshot.
    if (entry.slot >= 0) visit.each(entry, position.pass);
  }
  if (position.pass < visit.passes) return `${position.pass}:${position.index}`;
  // The marks change now, so nobody else comes for this snapshot.
  partition.walk = undefined;
  return undefined;
}

function walkFor(partition: Partition, reason: string): Walk {
  if (partition.walk?.reason === reason) return partition.walk;
  return (partition.walk = { reason, entries: partition.expiry.snapshot() });
}

function positionOf(cursor: Cursor | undefined): Position {
  const [pass = 0, index = 0] = cursor?.split(':').map(Number) ?? [];
  return { pass, index };
}
