import { randomBytes } from 'node:crypto';
import { OUTCOMES } from '#webpush';
import type { Announcement, Outcome } from '#webpush';
import {
  packCommands,
  packSettlements,
  unpackAnnouncements,
  unpackHolder,
} from './packing.redis.js';
import { PartitionView } from './partition-view.js';
import type {
  Accounts,
  Applied,
  Batch,
  Belief,
  Cursor,
  FinishChunk,
  Mark,
  Routable,
  Settled,
  Settlement,
  ViewBelief,
} from './partition-view.js';
import type { RedisScripts } from './redis-scripts.redis.js';
import type { Argument } from './script.redis.js';

interface Step {
  readonly cursor?: Cursor | undefined;
  readonly limit: number;
}
type Lines = readonly Buffer[];

/** One partition's view of `notifications` in Redis: each method is one script in one slot. */
export class RedisPartitionView extends PartitionView {
  constructor(private readonly scripts: RedisScripts) {
    super();
  }

  override async mark(partition: number): Promise<Mark | undefined> {
    const key = this.scripts.key(partition, 'mark:notifications');
    const mark = await this.scripts.options.redis.hgetall(key);
    if (mark.view === undefined) return undefined;
    return {
      viewId: mark.view,
      state: mark.state === 'ready' ? 'ready' : 'rebuilding',
      applied: Number(mark.applied),
      routed: Number(mark.routed),
      isTold: mark.told === '1',
      isSwept: mark.swept === '1',
    };
  }

  override async accounts(partition: number): Promise<Accounts | undefined> {
    const answer = (await this.scripts.run('accounts', partition, [])) as
      [readonly string[], number] | null;
    if (!answer) return undefined;
    const [fields, pending] = answer;
    const counts = new Map<string, number>();
    for (let i = 0; i < fields.length; i += 2) counts.set(fields[i] ?? '', Number(fields[i + 1]));
    const outcomes = OUTCOMES.map((one): [Outcome, number] => [one, counts.get(`o:${one}`) ?? 0]);
    return {
      accepted: counts.get('accepted') ?? 0,
      pending,
      outcomes: Object.fromEntries(outcomes) as Record<Outcome, number>,
    };
  }

  override async createMark(partition: number): Promise<void> {
    const viewId = randomBytes(8).toString('hex');
    await this.scripts.run('createMark', partition, ['notifications', viewId]);
  }

  override async apply(
    partition: number,
    belief: Belief,
    batch: Batch,
  ): Promise<Applied | undefined> {
    const args: Argument[] = [...beliefOf(belief), batch.next, batch.routed, ...this.bounds()];
    packCommands(batch.commands, args);
    const answer = await this.scripts.runBytes('apply', partition, args);
    if (!answer) return undefined;
    const [lines, found] = answer as [Lines, readonly (Buffer | number)[]];
    const puts = batch.commands.filter((command) => command.kind === 'put');
    const routables: Routable[] = [];
    for (let i = 0; i < found.length; i += 2) {
      const put = puts[Number(found[i])];
      if (!put) continue;
      const { offset, device, id, record, ttlSeconds } = put;
      const routable = { offset, device, id, record, ttlSeconds };
      const holder = unpackHolder(found[i + 1] as Buffer);
      routables.push(holder ? { ...routable, holder } : routable);
    }
    return { routables, announcements: unpackAnnouncements(lines) };
  }

  /** Cursor: pass, score and member (in hex) of the last entry visited. */
  override async finish(
    partition: number,
    belief: Belief,
    walk: Step,
  ): Promise<FinishChunk | undefined> {
    const place = placeOf(walk.cursor ?? '  ');
    const args = [...beliefOf(belief), walk.limit, ...this.bounds(), ...place];
    return chunkOf(await this.scripts.runBytes('finish', partition, args));
  }

  override async setRouted(
    partition: number,
    { viewId, state }: ViewBelief,
    routed: number,
  ): Promise<boolean> {
    return (await this.scripts.run('move', partition, [viewId, state, 'routed', routed])) === 1;
  }

  override async setTold(partition: number, { viewId, state }: ViewBelief): Promise<boolean> {
    return (await this.scripts.run('move', partition, [viewId, state, 'told', 1])) === 1;
  }

  override async settle(
    partition: number,
    settlements: readonly Settlement[],
    belief?: ViewBelief,
  ): Promise<Settled> {
    const args = [belief?.viewId ?? '', belief?.state ?? '', ...packSettlements(settlements)];
    const answer = await this.scripts.runBytes('settle', partition, args);
    const [said, viewId, lines] = answer as [Buffer, Buffer, Lines];
    const state = said.toString() as Settled['state'];
    if (state !== 'ready') return { state };
    return {
      state,
      viewId: viewId.toString(),
      announcements: unpackAnnouncements(lines),
    };
  }

  override async clearOutbox(
    partition: number,
    viewId: string,
    announcements: readonly Announcement[],
  ): Promise<void> {
    const args: Argument[] = [viewId];
    for (const { offset, outcome } of announcements) args.push(offset, outcome);
    await this.scripts.run('clearOutbox', partition, args);
  }

  override async outbox(
    partition: number,
    { viewId, state }: ViewBelief,
    pick: { readonly olderThanMs: number; readonly limit: number },
  ): Promise<readonly Announcement[]> {
    const args = [viewId, state, pick.olderThanMs, pick.limit];
    const lines = await this.scripts.runBytes('pickOutbox', partition, args);
    return unpackAnnouncements(lines as Lines);
  }

  override async expire(
    partition: number,
    { viewId, state }: ViewBelief,
    limit: number,
  ): Promise<readonly Announcement[]> {
    const lines = await this.scripts.runBytes('expire', partition, [viewId, state, limit]);
    return unpackAnnouncements(lines as Lines);
  }

  override async sweepGone(
    partition: number,
    views: { readonly notifications: string; readonly subscriptions: string },
    walk: Step,
  ): Promise<FinishChunk | undefined> {
    const place = placeOf(walk.cursor ?? ' ');
    const args = [views.notifications, views.subscriptions, walk.limit, ...place];
    return chunkOf(await this.scripts.runBytes('sweepGone', partition, args));
  }

  private bounds(): readonly [number, number] {
    const { mailboxMax, mailboxBytesMax } = this.scripts.options;
    return [mailboxMax, mailboxBytesMax];
  }
}

function beliefOf({ viewId, state, applied }: Belief): readonly [string, string, number] {
  return [viewId, state, applied];
}

function placeOf(cursor: Cursor): readonly Argument[] {
  const place = cursor.split(' ');
  const member = place.pop() ?? '';
  return [...place, Buffer.from(member, 'hex')];
}

function chunkOf(answer: unknown): FinishChunk | undefined {
  if (!answer) return undefined;
  const [lines, place, member] = answer as [Lines, Buffer?, Buffer?];
  const cursor = place && member && `${place.toString()} ${member.toString('hex')}`;
  return { announcements: unpackAnnouncements(lines), cursor };
}
