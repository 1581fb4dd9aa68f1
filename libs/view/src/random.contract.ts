/**
 * Thousands of seeded operations by several routers, keepers, gateways and Registrars, each with beliefs that may
 * be stale, held step by step against {@link ReferenceView}.
 */
import { describe, expect, test } from 'vitest';
import type { DeviceId, KeyFingerprint, Outcome, SubscriptionId } from '#webpush';
import { OUTCOMES } from '#webpush';
import type { Holder } from './presence.js';
import { ReferenceView } from './reference-view.contract.js';
import type { SubscriptionChange } from './subscriptions-view.js';
import { inWorld, outcomesOf, P } from './view-harness.contract.js';
import type { TestKeeper, TestRouter, ViewHarness, World } from './view-harness.contract.js';

const STEPS = 4_000;
const SEEDS = [1, 2, 3];
const ALL = 100_000;

export function randomContract(harness: ViewHarness): void {
  describe('random operations', () => {
    for (const seed of SEEDS) {
      test(`do what the reference does, seed ${seed}`, { timeout: 120_000 }, () =>
        inWorld(harness, async (world) => {
          const play = await RandomPlay.of(world, seed);
          for (let step = 0; step < STEPS; step++) await play.step();
          expect(play.done.size, 'kinds of what happened').toBeGreaterThan(30);
        }),
      );
    }
  });
}

interface Connection {
  readonly device: DeviceId;
  readonly holder: Holder;
  readonly since: number;
}

class RandomPlay {
  /** Operations that did something, by name. */
  readonly done = new Set<string>();
  private reference: ReferenceView;
  private readonly due = new Set<number>();
  private readonly devices: readonly DeviceId[];
  private readonly subscriptions: readonly SubscriptionId[];
  private readonly connections: Connection[] = [];
  private unwritten: SubscriptionChange[] = [];
  private name = '';

  static async of(world: World, seed: number): Promise<RandomPlay> {
    const routers = [await world.router(0), await world.router(1)];
    const keepers = [await world.keeper(0), await world.keeper(1)];
    const play = new RandomPlay(world, randomFrom(seed), { routers, keepers });
    await play.readMarks();
    return play;
  }

  private constructor(
    private readonly world: World,
    private readonly random: (below: number) => number,
    private readonly owners: {
      readonly routers: readonly TestRouter[];
      readonly keepers: readonly TestKeeper[];
    },
  ) {
    this.devices = [world.device(), world.device()];
    this.subscriptions = [world.subscription(), world.subscription()];
    this.reference = this.newReference();
  }

  async step(): Promise<void> {
    const operation = this.pick(this.operations());
    this.name = operation.name;
    await operation.call(this);
    await this.compare();
  }

  private operations() {
    const often = [this.put, this.put, this.apply, this.apply, this.apply, this.settle];
    const rules = [this.outcome, this.cancel, this.finish, this.expire, this.sweep, this.outbox];
    const marks = [this.takeOver, this.takeOver, this.routed, this.told];
    const presence = [this.hello, this.hello, this.reclaim, this.release];
    const facts = [this.register, this.register, this.unregister, this.seen, this.forget];
    const keeping = [this.writeThrough, this.keep, this.keep, this.setReady, this.keeperTakesOver];
    const rare = this.random(8) === 0 ? [this.lose] : [];
    return [...often, ...rules, ...marks, ...presence, ...facts, ...keeping, ...rare];
  }

  private async put(): Promise<void> {
    const kind = this.random(6);
    const isDue = kind === 0 || kind === 1;
    const ttlSeconds = kind === 0 || kind === 2 ? 0 : isDue ? 1 : 3_600;
    const topic = this.random(2) === 0 ? { topic: this.pick(['t', 'u']) } : {};
    const offset = await this.world.put(this.pick(this.devices), {
      subscription: this.pick(this.subscriptions),
      ttlSeconds,
      agoMs: isDue ? 60_000 : 0,
      bytes: this.random(500),
      ...topic,
    });
    if (isDue) this.due.add(offset);
  }

  private outcome(): void {
    const target = this.target();
    if (target !== undefined) this.world.outcome(target, this.pick(OUTCOMES));
  }

  private cancel(): void {
    const target = this.target();
    if (target !== undefined) this.world.cancel(target);
  }

  private async apply(): Promise<void> {
    const router = this.pick(this.owners.routers);
    const { belief } = router;
    const from = Math.max(0, belief.applied - this.random(4));
    const next = Math.min(this.world.log.length, from + this.random(8));
    const routed = this.random(next + 1);
    const applied = await router.tryApply(from, next, routed);
    const commands = this.world.log.slice(from, next);
    const expected = this.reference.apply(belief, { commands, from, next, routed });
    const actual = applied && {
      routed: applied.routables.map(({ offset, holder }) => ({ offset, holder })),
      decided: outcomesOf(applied.announcements),
    };
    this.agree(actual, expected);
  }

  private async finish(): Promise<void> {
    const router = this.pick(this.owners.routers);
    const expected = this.reference.finish(router.belief);
    const limit = 1 + this.random(9);
    const decided: Record<number, Outcome> = {};
    let cursor: string | undefined;
    do {
      const step = cursor === undefined ? { limit } : { cursor, limit };
      const chunk = await this.world.view.finish(P, router.belief, step);
      if (!chunk) return this.agree(undefined, expected);
      Object.assign(decided, outcomesOf(this.world.note(chunk.announcements)));
      cursor = chunk.cursor;
    } while (cursor !== undefined);
    router.belief = { ...router.belief, state: 'ready' };
    this.agree(decided, expected);
  }

  private async settle(): Promise<void> {
    const targets = [this.target(), this.target()].filter((target) => target !== undefined);
    const settlements = targets.map((offset) => {
      const device = this.random(8) ? this.world.putAt(offset).device : this.pick(this.devices);
      return { device, offset, outcome: this.pick(OUTCOMES) };
    });
    const { viewBelief } = this.pick(this.owners.routers);
    const belief = this.random(2) ? viewBelief : undefined;
    const settled = await this.world.client(2).view.settle(P, settlements, belief);
    const expected = this.reference.settle(settlements, belief);
    if (settled.state !== 'ready') return this.agree(settled.state, expected);
    this.agree(outcomesOf(this.world.note(settled.announcements)), expected);
  }

  private async expire(): Promise<void> {
    const router = this.pick(this.owners.routers);
    const expected = this.reference.expire(router.viewBelief);
    this.agree(outcomesOf(await router.expire(ALL)), expected);
  }

  private async sweep(): Promise<void> {
    const views = {
      notifications: this.reference.mark?.viewId ?? '',
      subscriptions: this.reference.subscriptionsMark?.viewId ?? '',
    };
    const expected = this.reference.sweep();
    const chunk = await this.world.view.sweepGone(P, views, { limit: ALL });
    this.agree(chunk && outcomesOf(this.world.note(chunk.announcements)), expected);
  }

  private async outbox(): Promise<void> {
    const { viewBelief } = this.pick(this.owners.routers);
    const isRead = this.reference.isView(viewBelief) && viewBelief.state === 'ready';
    const pick = { olderThanMs: 0, limit: ALL };
    const picked = await this.world.view.outbox(P, viewBelief, pick);
    const expected = isRead ? Object.fromEntries(this.reference.outbox) : {};
    this.agree(outcomesOf(picked), expected);
    const some = picked.filter(() => this.random(2) === 0);
    const viewId = this.random(4) ? viewBelief.viewId : 'stale';
    await this.world.view.clearOutbox(P, viewId, some);
    if (viewId === viewBelief.viewId) {
      for (const { offset } of some) this.reference.outbox.delete(offset);
    }
  }

  private async takeOver(): Promise<void> {
    await this.pick(this.owners.routers).takeOver();
    await this.readMarks();
  }

  private async routed(): Promise<void> {
    const { viewBelief } = this.pick(this.owners.routers);
    const routed = this.random(this.world.log.length + 1);
    const isSet = this.reference.isView(viewBelief) && viewBelief.state === 'ready';
    this.agree(await this.world.view.setRouted(P, viewBelief, routed), isSet);
    const { mark } = this.reference;
    if (isSet && mark) mark.routed = Math.max(mark.routed, routed);
  }

  private async told(): Promise<void> {
    const { viewBelief } = this.pick(this.owners.routers);
    const isSet = this.reference.isView(viewBelief) && viewBelief.state === 'ready';
    this.agree(await this.world.view.setTold(P, viewBelief), isSet);
    if (isSet && this.reference.mark) this.reference.mark.isTold = true;
  }

  private async hello(): Promise<void> {
    const device = this.pick(this.devices);
    const holder = this.world.holder(this.pick(['a', 'b']));
    const claimed = await this.world.client(0).presence.hello(device, holder);
    const held = this.reference.holders.get(device);
    this.agree(claimed.displaced, held?.holder);
    if (held) expect(claimed.since).toBeGreaterThan(held.since);
    this.reference.holders.set(device, { holder, since: claimed.since });
    this.connections.push({ device, holder, since: claimed.since });
    if (this.connections.length > 6) this.connections.shift();
  }

  private async reclaim(): Promise<void> {
    if (this.connections.length === 0) return;
    const { device, holder, since } = this.pick(this.connections);
    const claim = { ...holder, epoch: this.random(9) };
    const held = this.reference.holders.get(device);
    const isOwn = held?.holder.connection === holder.connection;
    const answer = await this.world.client(1).presence.reclaim(device, claim, since);
    if (held && !isOwn && held.since >= since) {
      return this.agree(answer, { won: false, by: held.holder });
    }
    const displaced = held && !isOwn ? { displaced: held.holder } : {};
    this.agree(answer, { won: true, ...displaced });
    this.reference.holders.set(device, { holder: claim, since });
  }

  private async release(): Promise<void> {
    if (this.connections.length === 0) return;
    const { device, holder } = this.pick(this.connections);
    await this.world.client(1).presence.release(device, holder);
    if (this.reference.mark?.state !== 'ready') return;
    const held = this.reference.holders.get(device)?.holder;
    if (held?.connection === holder.connection) this.reference.holders.delete(device);
  }

  private register(): void {
    const terms = this.random(2) ? { fingerprint: this.pick(['k', 'l']) as KeyFingerprint } : {};
    const subscription = this.pick(this.subscriptions);
    const device = this.pick(this.devices);
    this.append(this.world.append({ kind: 'present', device, subscription, ...terms }));
  }

  private unregister(): void {
    if (this.random(3)) return;
    const subscription = this.pick(this.subscriptions);
    const device = this.pick(this.devices);
    this.append(this.world.append({ kind: 'gone', device, subscription }));
  }

  private seen(): void {
    const at = 1_000 + this.random(1_000);
    this.append(this.world.append({ kind: 'seen', device: this.pick(this.devices), at }));
  }

  private forget(): void {
    if (this.random(8)) return;
    this.append(this.world.append({ kind: 'forgotten', device: this.pick(this.devices) }));
  }

  /** Most are written through, in any order and some late; of some the Registrar dies before. */
  private append(change: SubscriptionChange): void {
    if (this.random(5)) this.unwritten.push(change);
  }

  private async writeThrough(): Promise<void> {
    const index = this.random(this.unwritten.length);
    const [change] = this.unwritten.splice(index, 1);
    if (!change) return;
    await this.world.client(2).subscriptions.writeThrough(change);
    this.reference.writeThrough(change);
  }

  private async keep(): Promise<void> {
    const keeper = this.pick(this.owners.keepers);
    const { belief } = keeper;
    const from = Math.max(0, belief.applied - this.random(3));
    const next = Math.min(this.world.facts.length, from + this.random(6));
    const announcements = await keeper.tryApply(next, from);
    const expected = this.reference.keep(belief, this.world.facts.slice(from, next), next);
    this.agree(announcements && outcomesOf(announcements), expected);
  }

  private async setReady(): Promise<void> {
    const keeper = this.pick(this.owners.keepers);
    if (keeper.belief.state === 'ready') return;
    const mark = this.reference.isKeeper(keeper.belief) && this.reference.subscriptionsMark;
    this.agree(await keeper.trySetReady(), !!mark);
    if (mark) Object.assign(mark, { state: 'ready', isSwept: false });
  }

  private async keeperTakesOver(): Promise<void> {
    await this.pick(this.owners.keepers).takeOver();
    await this.readMarks();
  }

  private async lose(): Promise<void> {
    await this.world.lose();
    this.reference = this.newReference();
  }

  /** Marks that the store has and the reference has not were created just now. */
  private async readMarks(): Promise<void> {
    const mark = await this.world.view.mark(P);
    const other = await this.world.client(0).subscriptions.mark(P);
    if (mark && !this.reference.mark) this.reference.mark = { ...mark };
    if (other && !this.reference.subscriptionsMark) this.reference.subscriptionsMark = { ...other };
  }

  private async compare(): Promise<void> {
    const { reference, world, name } = this;
    expect(await world.view.mark(P), name).toEqual(reference.mark);
    const { lookup, subscriptions } = world.client(2);
    expect(await subscriptions.mark(P), name).toEqual(reference.subscriptionsMark);
    const { accepted, entries, counts, mark } = reference;
    const accounts = mark && { accepted, pending: entries.length, outcomes: counts };
    expect(await world.view.accounts(P), name).toEqual(accounts);
    const state = reference.subscriptionsMark?.state ?? 'none';
    const device = this.pick(this.devices);
    const box = mark?.state === 'ready' ? reference.box(device) : undefined;
    expect(await world.box(device), name).toEqual(box);
    const present = reference.present(device);
    const listed = await lookup.list(device);
    expect(listed.state).toBe(state);
    const order = (a: { subscription: string }, b: { subscription: string }) =>
      a.subscription < b.subscription ? -1 : 1;
    expect([...listed.subscriptions].sort(order), name).toEqual([...present].sort(order));
    const seenAt = reference.seen.get(device);
    const isKnown = present.length > 0 || seenAt !== undefined;
    const found = await lookup.findDevice(device);
    expect(found, name).toEqual(
      seenAt === undefined ? { state, isKnown } : { state, isKnown, seenAt },
    );
  }

  private agree(actual: unknown, expected: unknown): void {
    expect(actual, this.name).toEqual(expected);
    const isNothing = actual === undefined || actual === false || actual === 'none';
    this.done.add(isNothing ? `${this.name} refused` : this.name);
    for (const outcome of outcomesIn(actual)) this.done.add(`${this.name} ${outcome}`);
  }

  private newReference(): ReferenceView {
    return new ReferenceView(this.world.settings, ({ offset }) => this.due.has(offset));
  }

  /** A notification that waits, or any recent one. */
  private target(): number | undefined {
    if (this.random(2)) return this.pick(this.reference.entries)?.offset;
    const recent = this.world.log.slice(-30);
    const put = this.pick(recent.filter((command) => command.kind === 'put'));
    return put?.offset;
  }

  private pick<T>(from: readonly T[]): T {
    return from[this.random(from.length)] as T;
  }
}

function outcomesIn(actual: unknown): readonly unknown[] {
  if (typeof actual !== 'object' || actual === null) return [];
  return Object.values('decided' in actual ? (actual.decided as object) : actual);
}

/** mulberry32: the same numbers for the same seed, everywhere. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
