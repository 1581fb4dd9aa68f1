import { randomBytes } from 'node:crypto';
import type { Announcement, DeviceId, Subscription, SubscriptionId } from '#webpush';
import {
  bytesOf,
  deviceOf,
  packChange,
  unpackAnnouncements,
  unpackSubscription,
} from './packing.redis.js';
import type { RedisScripts } from './redis-scripts.redis.js';
import type { Argument } from './script.redis.js';
import { SubscriptionLookup, SubscriptionsView } from './subscriptions-view.js';
import type {
  FoundDevice,
  FoundSubscription,
  SubscriptionChange,
  SubscriptionsBelief,
  SubscriptionsMark,
  ViewState,
} from './subscriptions-view.js';

interface Listed {
  readonly state: ViewState;
  readonly subscriptions: readonly Subscription[];
  readonly seenAt: number | undefined;
}

export class RedisSubscriptionLookup extends SubscriptionLookup {
  constructor(private readonly scripts: RedisScripts) {
    super();
  }

  override async find(device: DeviceId, subscription: SubscriptionId): Promise<FoundSubscription> {
    const args = [bytesOf(device), bytesOf(subscription)];
    const answer = await this.scripts.run('find', this.scripts.partitionOf(device), args);
    const [state, entry] = answer as [string | null, string | null];
    const found = unpackSubscription(subscription, entry);
    return found ? { state: stateOf(state), found } : { state: stateOf(state) };
  }

  override async findDevice(device: DeviceId): Promise<FoundDevice> {
    const { state, subscriptions, seenAt } = await this.listed(device);
    const isKnown = seenAt !== undefined || subscriptions.length > 0;
    return seenAt === undefined ? { state, isKnown } : { state, isKnown, seenAt };
  }

  override async list(
    device: DeviceId,
  ): Promise<{ readonly state: ViewState; readonly subscriptions: readonly Subscription[] }> {
    const { state, subscriptions } = await this.listed(device);
    return { state, subscriptions };
  }

  private async listed(device: DeviceId): Promise<Listed> {
    const partition = this.scripts.partitionOf(device);
    const answer = await this.scripts.runBytes('list', partition, [bytesOf(device)]);
    const [state, fields, seenAt] = answer as [Buffer | null, readonly Buffer[], Buffer | null];
    const subscriptions: Subscription[] = [];
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const id = fields[i]?.toString('hex') as SubscriptionId;
      const found = unpackSubscription(id, fields[i + 1]?.toString() ?? null);
      if (found) subscriptions.push(found);
    }
    const at = seenAt === null ? undefined : Number(seenAt);
    return { state: stateOf(state && state.toString()), subscriptions, seenAt: at };
  }
}

export class RedisSubscriptionsView extends SubscriptionsView {
  constructor(private readonly scripts: RedisScripts) {
    super();
  }

  override async writeThrough(change: SubscriptionChange): Promise<void> {
    const partition = this.scripts.partitionOf(change.device);
    await this.scripts.run('writeThrough', partition, packChange(change));
  }

  override async mark(partition: number): Promise<SubscriptionsMark | undefined> {
    const key = this.scripts.key(partition, 'mark:subscriptions');
    const mark = await this.scripts.options.redis.hgetall(key);
    if (mark.view === undefined) return undefined;
    return {
      viewId: mark.view,
      state: mark.state === 'ready' ? 'ready' : 'rebuilding',
      applied: Number(mark.applied),
      isSwept: mark.swept === '1',
    };
  }

  override async createMark(partition: number): Promise<void> {
    const viewId = randomBytes(8).toString('hex');
    await this.scripts.run('createMark', partition, ['subscriptions', viewId]);
  }

  override async apply(
    partition: number,
    { viewId, state, applied }: SubscriptionsBelief,
    batch: { readonly changes: readonly SubscriptionChange[]; readonly next: number },
  ): Promise<readonly Announcement[] | undefined> {
    const args: Argument[] = [viewId, state, applied, batch.next];
    for (const change of batch.changes) args.push(...packChange(change));
    const lines = await this.scripts.runBytes('keep', partition, args);
    return lines ? unpackAnnouncements(lines as readonly Buffer[]) : undefined;
  }

  override async setReady(
    partition: number,
    { viewId, state, applied }: SubscriptionsBelief,
  ): Promise<boolean> {
    return (await this.scripts.run('setReady', partition, [viewId, state, applied])) === 1;
  }

  override async notSeenSince(
    partition: number,
    before: number,
    limit: number,
  ): Promise<readonly DeviceId[]> {
    const key = this.scripts.key(partition, 'seen');
    const { redis } = this.scripts.options;
    const found = await redis.zrangebyscoreBuffer(key, '-inf', `(${before}`, 'LIMIT', 0, limit);
    return found.map((bytes) => deviceOf(bytes));
  }
}

function stateOf(text: string | null): ViewState {
  return text === 'ready' || text === 'rebuilding' ? text : 'none';
}
