/**
 * Seeded schedules over the real router, log and store: two routers between which the partition moves, is lost
 * by crashes and zombies, views that are lost, stores that fail before or after they have executed a script,
 * acks, cancels, topics, TTL 0 and expiry. In the end every accepted notification has one outcome or waits,
 * what waits was delivered to whoever holds its device, and the accounts add up.
 */
import { expect, test } from 'vitest';
import { Log } from '#runtime';
import { decodeDelivery, encodeCancel } from '#streams';
import type { StreamProducer, StreamRecord } from '#streams';
import type { PartitionView } from '#view';
import type { MessageId } from '#webpush';
import {
  Field,
  LEASE_MS,
  deviceId,
  intercepted,
  messageId,
  subscriptionId,
} from '../../../test/support/field.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { ExpirySweep } from './expiry-sweep.js';
import { OUTBOX_AGE_MS, OutboxSweep } from './outbox-sweep.js';
import { unaccounted } from './router-metrics.js';
import { Sweeps } from './sweeps.js';

const SCHEDULES = 150;
const STEPS = 120;
const DEVICES = 3;

interface Sent {
  readonly offset: number;
  readonly device: number;
  readonly id: MessageId;
  readonly ttlSeconds: number;
  readonly expiresAt: number;
}

/** mulberry32 */
function diceOf(seed: number): (sides: number) => number {
  let state = seed;
  return (sides) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % sides;
  };
}

class Schedule {
  private readonly roll: (sides: number) => number;
  private readonly devices = Array.from({ length: DEVICES }, deviceId);
  private readonly subscription = subscriptionId();
  private readonly sent: Sent[] = [];
  private readonly acked = new Set<number>();
  private readonly cancelled = new Set<number>();
  private readonly late: (() => void)[] = [];
  private owner: HandDrivenRouter | undefined;
  private isQuiet = false;
  private onHold: () => void = () => undefined;
  /** A gateway that was told drains what was applied then. */
  private drainedBelow = 0;

  private constructor(
    private readonly field: Field,
    seed: number,
  ) {
    this.roll = diceOf(seed);
  }

  static async play(seed: number): Promise<void> {
    const field = await Field.open();
    await field.tape('notifications');
    try {
      const schedule = new Schedule(field, seed);
      await schedule.stand();
      for (let step = 0; step < STEPS; step++) await schedule.step();
      await schedule.end();
    } finally {
      await field.close();
    }
  }

  /** What a loss of the store takes away besides the view, back at once: device 0 is held, the others are not. */
  private async stand(): Promise<void> {
    const { subscription } = this;
    await this.field.subscribed(...this.devices.map((device) => ({ device, subscription })));
    const [first] = this.devices;
    if (first) await this.field.held(first, { gateway: 'g1', epoch: 7, connection: 70 });
  }

  private async step(): Promise<void> {
    const act = this.roll(100);
    if (act < 30) return this.send();
    if (act < 38) return this.ack();
    if (act < 41) return this.cancel();
    if (act < 46) return this.wait();
    if (act < 49) return this.lose();
    if (act < 55) return this.move();
    if (act < 58) return this.late.shift()?.();
    if (act < 62) return this.sweep();
    return this.read();
  }

  private async send(): Promise<void> {
    const device = this.roll(DEVICES);
    const id = messageId();
    const ttlSeconds = [0, 5, 3_600, 3_600][this.roll(4)] ?? 0;
    const topic = this.roll(4) === 0 ? 'quote' : undefined;
    const { subscription } = this;
    const about = { id, ttlSeconds, subscription, ...(topic === undefined ? {} : { topic }) };
    const expiresAt = this.field.now + ttlSeconds * 1_000;
    const offset = await this.field.put({ device: this.deviceAt(device), ...about });
    this.sent.push({ offset, device, id, ttlSeconds, expiresAt });
  }

  private async ack(): Promise<void> {
    const one = this.sent[this.roll(this.sent.length || 1)];
    if (!one) return;
    const { offset, id } = one;
    const device = this.deviceAt(one.device);
    const settled = await this.field.view.settle(0, [{ device, offset, outcome: 'delivered' }]);
    this.acked.add(offset);
    if (this.roll(3) === 0) return; // the gateway dies before it announces
    const told = { device, id, offset, outcome: 'delivered' as const, at: this.field.now };
    if (settled.state === 'rebuilding') await this.field.announcer.announce(0, undefined, [told]);
    if (settled.state !== 'ready') return;
    await this.field.announcer.announce(0, settled.viewId, settled.announcements);
  }

  private async cancel(): Promise<void> {
    const one = this.sent[this.roll(this.sent.length || 1)];
    if (!one) return;
    this.cancelled.add(one.offset);
    await this.field.append(encodeCancel(this.deviceAt(one.device), one.id));
  }

  private async wait(): Promise<void> {
    this.field.now += this.roll(8_000);
    await this.field.leases.renew('g1', 7, LEASE_MS);
  }

  private async lose(): Promise<void> {
    this.field.store.lose();
    await this.stand();
  }

  /** The old owner crashes, learns that it lost the partition, or never hears of it. */
  private async move(): Promise<void> {
    if (this.roll(2) === 0) this.owner?.revoke();
    const ports = { view: this.unsteady(), producer: this.listening() };
    const owner = new HandDrivenRouter(this.field, ports);
    this.owner = owner;
    await this.orHeld(() => owner.assign());
  }

  private async read(): Promise<void> {
    const { owner } = this;
    if (!owner) return this.move();
    const countMax = 1 + this.roll(4);
    await this.orHeld(() => owner.step(countMax));
  }

  /** Until the call ends or one of its scripts is held up: then the owner is a zombie. */
  private async orHeld(call: () => Promise<unknown>): Promise<void> {
    const held = new Promise<boolean>((resolve) => (this.onHold = () => resolve(true)));
    const ended = call().then(
      () => false,
      () => false,
    );
    if (await Promise.race([ended, held])) this.owner = undefined;
  }

  private async sweep(): Promise<void> {
    const { owner, field } = this;
    if (!owner) return;
    const { counts, owned } = owner.router;
    const sweeps = [new ExpirySweep(field, counts), new OutboxSweep(field, counts)];
    await new Sweeps(owned, sweeps, Log.silent()).run(field.now);
  }

  /** A view that now and then fails before or after executing, or answers only when the schedule says so. */
  private unsteady(): PartitionView {
    return intercepted<PartitionView>(this.field.view, async (_, call) => {
      const fate = this.isQuiet ? 99 : this.roll(100);
      if (fate < 3) throw new Error('away');
      if (fate === 5) await this.hold();
      const answer = await call();
      if (fate < 5) throw new Error('away');
      if (fate === 6) await this.hold();
      return answer;
    });
  }

  private hold(): Promise<void> {
    const held = new Promise<void>((resolve) => this.late.push(resolve));
    this.onHold();
    return held;
  }

  private listening(): StreamProducer {
    return intercepted<StreamProducer>(this.field.producer, async (method, call, args) => {
      const [, , records] = args as [string, number, readonly StreamRecord[]];
      const isReady = method === 'appendUntilIn' && records.some(isReadyRecord);
      if (isReady) this.drainedBelow = (await this.field.view.mark(0))?.applied ?? 0;
      return call();
    });
  }

  /** Quiet: one owner reads to the end, zombies wake, everything is swept. */
  private async end(): Promise<void> {
    const { field } = this;
    this.isQuiet = true;
    for (const wake of this.late) wake();
    await field.announcer.drain();
    this.owner = new HandDrivenRouter(field, { producer: this.listening() });
    await this.owner.own();
    field.now += OUTBOX_AGE_MS;
    for (let round = 0; round < 2; round++) {
      await this.sweep();
      await this.owner.readOn();
    }
    await this.check();
  }

  private async check(): Promise<void> {
    const { field } = this;
    const accounts = await field.view.accounts(0);
    expect(accounts && unaccounted(accounts)).toBe(0);
    expect(accounts?.accepted).toBe(this.sent.length);
    const outcomes = new Map((await field.announced()).map((a) => [a.offset, a.outcome]));
    const waiting = new Set<number>();
    for (const device of this.devices) {
      const offsets = (await field.mailbox.offsets(device)) ?? [];
      expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
      for (const offset of offsets) waiting.add(offset);
    }
    for (const { offset, ttlSeconds, expiresAt } of this.sent) {
      if (ttlSeconds === 0) continue; // pending for 30 s, in no mailbox
      if (!outcomes.has(offset)) expect(waiting).toContain(offset);
      if (!this.acked.has(offset)) expect(outcomes.get(offset)).not.toBe('delivered');
      if (!this.cancelled.has(offset)) expect(outcomes.get(offset)).not.toBe('deleted');
      if (field.now < expiresAt) expect(outcomes.get(offset)).not.toBe('expired');
    }
    await this.checkDeliveries(waiting);
  }

  /** What waits for the device that is held was delivered, or it was there when a gateway was told to drain. */
  private async checkDeliveries(waiting: ReadonlySet<number>): Promise<void> {
    const { field, drainedBelow } = this;
    expect(await field.view.mark(0)).toMatchObject({ state: 'ready', isTold: true });
    const delivered = new Set(await field.delivered('g1'));
    for (const { offset, device } of this.sent) {
      if (device !== 0 || !waiting.has(offset) || offset < drainedBelow) continue;
      expect(delivered).toContain(offset);
    }
  }

  private deviceAt(index: number) {
    const device = this.devices[index];
    if (!device) throw new Error(`no device ${index}`);
    return device;
  }
}

function isReadyRecord(record: StreamRecord): boolean {
  return decodeDelivery(record).kind === 'ready';
}

/** Side by side: most of a schedule is waiting for announcements to reach the log. */
test(`${SCHEDULES} schedules lose nothing and count everything once`, async () => {
  const seeds = Array.from({ length: SCHEDULES }, (_, i) => i + 1);
  const played = await Promise.allSettled(seeds.map((seed) => Schedule.play(seed)));
  for (const [i, result] of played.entries()) {
    if (result.status === 'fulfilled') continue;
    throw new Error(`schedule ${i + 1}: ${String(result.reason)}`, { cause: result.reason });
  }
}, 60_000);
