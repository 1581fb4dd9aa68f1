/**
 * What the contract of the view is held against: one store and several clients of it, and a small world
 * around them: a log of commands, routers and keepers that believe something of their marks.
 */
import { expect } from 'vitest';
import { OUTCOMES, partitionOf } from '#webpush';
import type { Announcement, DeviceId, MessageId, Outcome, SubscriptionId } from '#webpush';
import type { Leases } from './leases.js';
import type { Mailbox } from './mailbox.js';
import type { Applied, Belief, Command, PartitionView, ViewBelief } from './partition-view.js';
import type { Holder, Presence } from './presence.js';
import type {
  SubscriptionChange,
  SubscriptionLookup,
  SubscriptionsBelief,
  SubscriptionsView,
} from './subscriptions-view.js';

/** One process's adapters. Clients of one store share nothing but the store. */
export interface ViewClient {
  readonly presence: Presence;
  readonly mailbox: Mailbox;
  readonly view: PartitionView;
  readonly lookup: SubscriptionLookup;
  readonly subscriptions: SubscriptionsView;
  readonly leases: Leases;
}

export interface StoreSettings {
  readonly partitions: number;
  readonly mailboxMax: number;
  readonly mailboxBytesMax: number;
  /** A claim that is not renewed for so long lapses. */
  readonly holderTtlMs: number;
}

export interface OpenStore {
  /** Three or more. */
  readonly clients: readonly ViewClient[];
  /** The store's clock, ms. */
  now(): Promise<number>;
  /** Lets time pass by the store's clock: a fake clock, or a real wait (never more than 2 s in one test). */
  advance(ms: number): Promise<void>;
  /** Everything is gone at once: both views of every partition, holders and leases. */
  lose(): Promise<void>;
  close(): Promise<void>;
}

/** Opens an empty store. */
export type ViewHarness = (settings: StoreSettings) => Promise<OpenStore>;

export const SETTINGS: StoreSettings = {
  partitions: 2,
  mailboxMax: 3,
  mailboxBytesMax: 1_000,
  holderTtlMs: 600_000,
};

/** The partition that the tests play in; devices of {@link World} lie in it. */
export const P = 0;

/** Opens a store, plays in it, and then checks that its accounts add up. */
export async function inWorld(
  harness: ViewHarness,
  play: (world: World) => Promise<void>,
  settings: Partial<StoreSettings> = {},
): Promise<void> {
  const all = { ...SETTINGS, ...settings };
  const store = await harness(all);
  try {
    const world = new World(store, all);
    await play(world);
    await world.expectInvariants();
  } finally {
    await store.close();
  }
}

export interface PutOptions {
  readonly subscription?: SubscriptionId;
  readonly ttlSeconds?: number;
  readonly topic?: string;
  /** How long ago the log appended it, ms. */
  readonly agoMs?: number;
  readonly bytes?: number;
}

export class World {
  /** `notifications`: offset → what it says. */
  readonly log: Command[] = [];
  /** `subscriptions`. */
  readonly facts: SubscriptionChange[] = [];
  readonly devices: DeviceId[] = [];
  /** Every outcome announced in the life of this view: no notification has two. */
  private decided = new Map<number, Outcome>();
  private made = 0;

  constructor(
    readonly store: OpenStore,
    readonly settings: StoreSettings,
  ) {}

  client(index: number): ViewClient {
    const client = this.store.clients[index];
    if (!client) throw new Error(`the harness gives ${this.store.clients.length} clients, not 3`);
    return client;
  }

  get view(): PartitionView {
    return this.client(0).view;
  }

  device(partition = P): DeviceId {
    for (;;) {
      const id = hex('d', ++this.made) as DeviceId;
      if (partitionOf(id, this.settings.partitions) !== partition) continue;
      this.devices.push(id);
      return id;
    }
  }

  subscription(): SubscriptionId {
    return hex('5', ++this.made) as SubscriptionId;
  }

  holder(gateway: string, connection = ++this.made, epoch = 1): Holder {
    return { gateway, epoch, connection };
  }

  /** Appends a notification. Its offset. */
  async put(device: DeviceId, options: PutOptions = {}): Promise<number> {
    const offset = this.log.length;
    const { subscription = hex('5', 0) as SubscriptionId, ttlSeconds = 3_600, topic } = options;
    const at = (await this.store.now()) - (options.agoMs ?? 0);
    const record = Buffer.alloc(options.bytes ?? 20, `record ${offset} `);
    const id = `message-${offset}` as MessageId;
    const put = { kind: 'put', offset, at, device, subscription, id, ttlSeconds, record } as const;
    this.log.push(topic === undefined ? put : { ...put, topic });
    return offset;
  }

  putAt(offset: number): Extract<Command, { kind: 'put' }> {
    const put = this.log[offset];
    if (put?.kind !== 'put') throw new Error(`no notification at ${offset}`);
    return put;
  }

  /** Appends the announcement of an outcome. */
  outcome(target: number, outcome: Outcome): void {
    this.log.push({ kind: 'outcome', device: this.putAt(target).device, target, outcome });
  }

  cancel(target: number): void {
    const { device, id } = this.putAt(target);
    this.log.push({ kind: 'cancel', device, id });
  }

  /** A router that has read the mark, created if need be. */
  async router(client = 0): Promise<TestRouter> {
    const router = new TestRouter(this, this.client(client).view);
    await router.takeOver();
    return router;
  }

  /** A keeper that has not read the mark yet. */
  unreadKeeper(client = 0): TestKeeper {
    return new TestKeeper(this, this.client(client).subscriptions);
  }

  async keeper(client = 0): Promise<TestKeeper> {
    const keeper = this.unreadKeeper(client);
    await keeper.takeOver();
    return keeper;
  }

  /** A router of a view that is ready. */
  async readyRouter(client = 0): Promise<TestRouter> {
    const router = await this.router(client);
    await router.fold();
    await router.finish();
    return router;
  }

  async readyKeeper(client = 0): Promise<TestKeeper> {
    const keeper = await this.keeper(client);
    await keeper.apply();
    await keeper.setReady();
    return keeper;
  }

  /** A subscription that the Registrar has appended and written through. */
  async subscribed(device: DeviceId): Promise<SubscriptionId> {
    const subscription = this.subscription();
    await this.write({ kind: 'present', device, subscription });
    return subscription;
  }

  /** Appends to `subscriptions`. Its change, with the offset. */
  append(fact: WithoutOffset<SubscriptionChange>): SubscriptionChange {
    const change = { ...fact, offset: this.facts.length } as SubscriptionChange;
    this.facts.push(change);
    return change;
  }

  /** Appends and writes through, as the Registrar. */
  async write(fact: WithoutOffset<SubscriptionChange>): Promise<SubscriptionChange> {
    const change = this.append(fact);
    await this.client(1).subscriptions.writeThrough(change);
    return change;
  }

  /** Acks, as a gateway. The outcomes decided, by offset. */
  async settle(offset: number, outcome: Outcome, client = 2): Promise<readonly Announcement[]> {
    const { device } = this.putAt(offset);
    const settled = await this.client(client).view.settle(P, [{ device, offset, outcome }]);
    return this.note(settled.state === 'ready' ? settled.announcements : []);
  }

  async lose(): Promise<void> {
    await this.store.lose();
    this.decided = new Map();
  }

  /** Remembers what was announced; twice is an error. */
  note(announcements: readonly Announcement[]): readonly Announcement[] {
    for (const { offset, outcome, device, id } of announcements) {
      expect(this.decided.get(offset), `a second outcome of ${offset}`).toBeUndefined();
      expect({ device, id }).toEqual({
        device: this.putAt(offset).device,
        id: this.putAt(offset).id,
      });
      this.decided.set(offset, outcome);
    }
    return announcements;
  }

  /** Offsets in the mailbox. */
  async box(device: DeviceId, client = 2): Promise<readonly number[] | undefined> {
    return this.client(client).mailbox.offsets(device);
  }

  /** Who holds the device. Asked with a claim that is older than all others. */
  async holderOf(device: DeviceId): Promise<Holder | undefined> {
    const { presence } = this.client(2);
    const probe = this.holder('probe');
    const answer = await presence.reclaim(device, probe, 0);
    if (!answer.won) return answer.by;
    await presence.release(device, probe);
    return undefined;
  }

  async outcomes(): Promise<Partial<Record<Outcome, number>>> {
    const accounts = await this.view.accounts(P);
    const counted = Object.entries(accounts?.outcomes ?? {}).filter(([, count]) => count > 0);
    return Object.fromEntries(counted);
  }

  async pending(): Promise<number | undefined> {
    return (await this.view.accounts(P))?.pending;
  }

  async expectInvariants(): Promise<void> {
    for (let partition = 0; partition < this.settings.partitions; partition++) {
      const accounts = await this.view.accounts(partition);
      expect(accounts === undefined).toBe((await this.view.mark(partition)) === undefined);
      if (!accounts) continue;
      const ended = OUTCOMES.reduce((sum, outcome) => sum + accounts.outcomes[outcome], 0);
      expect(accounts.accepted, 'accepted = outcomes + pending').toBe(ended + accounts.pending);
      await this.expectBoxes(partition, accounts.pending);
    }
  }

  private async expectBoxes(partition: number, pending: number): Promise<void> {
    if ((await this.view.mark(partition))?.state !== 'ready') return;
    let boxed = 0;
    for (const device of this.devices) {
      if (partitionOf(device, this.settings.partitions) !== partition) continue;
      const offsets = (await this.box(device)) ?? [];
      expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
      expect(offsets.length).toBeLessThanOrEqual(this.settings.mailboxMax);
      for (const offset of offsets) expect(this.decided.has(offset)).toBe(false);
      boxed += offsets.length;
    }
    expect(boxed).toBeLessThanOrEqual(pending);
  }
}

type WithoutOffset<T> = T extends unknown ? Omit<T, 'offset'> : never;

/** A router as the view sees it: a belief of the mark, and batches of the log. */
export class TestRouter {
  belief: Belief = { viewId: '', state: 'rebuilding', applied: -1 };

  constructor(
    private readonly world: World,
    private readonly view: PartitionView,
  ) {}

  async takeOver(): Promise<void> {
    if (!(await this.view.mark(P))) await this.view.createMark(P);
    const mark = await this.view.mark(P);
    if (!mark) throw new Error('no mark after createMark');
    this.belief = { viewId: mark.viewId, state: mark.state, applied: mark.applied };
  }

  /** Applies the log from `from` (where it believes to be) to `next` (the end), delivered up to `routed`. */
  async tryApply(
    from = this.belief.applied,
    next = this.world.log.length,
    routed = 0,
  ): Promise<Applied | undefined> {
    const commands = this.world.log.slice(from, next);
    const applied = await this.view.apply(P, this.belief, { commands, next, routed });
    if (!applied) return undefined;
    this.belief = { ...this.belief, applied: Math.max(this.belief.applied, next) };
    this.world.note(applied.announcements);
    return applied;
  }

  async apply(from?: number, next?: number): Promise<Applied> {
    const applied = await this.tryApply(from, next);
    if (!applied) throw new Error('fenced');
    return applied;
  }

  async applyTo(next = this.world.log.length): Promise<Applied> {
    return this.apply(this.belief.applied, next);
  }

  async fold(next?: number): Promise<void> {
    const { routables } = await this.applyTo(next);
    expect(routables).toEqual([]);
  }

  /** One chunk. The cursor of the next, `'ready'` after the last, undefined when fenced. */
  async finishOnce(cursor: string | undefined, limit = 1): Promise<string | undefined> {
    const step = cursor === undefined ? { limit } : { cursor, limit };
    const chunk = await this.view.finish(P, this.belief, step);
    if (!chunk) return undefined;
    this.world.note(chunk.announcements);
    if (chunk.cursor === undefined) this.belief = { ...this.belief, state: 'ready' };
    return chunk.cursor ?? 'ready';
  }

  async finish(limit = 1_000): Promise<void> {
    let cursor: string | undefined;
    do {
      cursor = await this.finishOnce(cursor, limit);
      if (cursor === undefined) throw new Error('fenced');
      if (cursor !== 'ready') expect((await this.view.mark(P))?.state).toBe('rebuilding');
    } while (cursor !== 'ready');
  }

  async expire(limit = 1_000): Promise<readonly Announcement[]> {
    return this.world.note(await this.view.expire(P, this.belief, limit));
  }

  get viewBelief(): ViewBelief {
    return { viewId: this.belief.viewId, state: this.belief.state };
  }
}

export class TestKeeper {
  belief: SubscriptionsBelief = { viewId: '', state: 'rebuilding', applied: -1 };

  constructor(
    private readonly world: World,
    private readonly view: SubscriptionsView,
  ) {}

  async takeOver(): Promise<void> {
    if (!(await this.view.mark(P))) await this.view.createMark(P);
    const mark = await this.view.mark(P);
    if (!mark) throw new Error('no mark after createMark');
    this.belief = { viewId: mark.viewId, state: mark.state, applied: mark.applied };
  }

  async tryApply(
    next = this.world.facts.length,
    from = this.belief.applied,
  ): Promise<readonly Announcement[] | undefined> {
    const changes = this.world.facts.slice(from, next);
    const announcements = await this.view.apply(P, this.belief, { changes, next });
    if (!announcements) return undefined;
    this.belief = { ...this.belief, applied: Math.max(this.belief.applied, next) };
    return this.world.note(announcements);
  }

  async apply(next?: number): Promise<readonly Announcement[]> {
    const announcements = await this.tryApply(next);
    if (!announcements) throw new Error('fenced');
    return announcements;
  }

  async trySetReady(): Promise<boolean> {
    const isSet = await this.view.setReady(P, this.belief);
    if (isSet) this.belief = { ...this.belief, state: 'ready' };
    return isSet;
  }

  async setReady(): Promise<void> {
    expect(await this.trySetReady()).toBe(true);
  }
}

export function outcomesOf(announcements: readonly Announcement[]): Record<number, Outcome> {
  return Object.fromEntries(announcements.map(({ offset, outcome }) => [offset, outcome]));
}

/** Of bytes that would harm where a store takes them for text: space, line feed, NUL, `:`, `%`, digits, no UTF-8. */
function hex(prefix: string, counter: number): string {
  return `${prefix}${counter.toString(16).padStart(7, '0')}200a00ff3a3025ffc020d00a`;
}
