/**
 * Seeded schedules over two real gateways, the real router, log and store: every call to a store takes a random
 * time, before it is executed and before its answer comes; devices come, go, vanish and acknowledge when they
 * like; leases lapse, gateways hang and are killed, the store is lost. On no connection anything comes twice or
 * out of order, nothing acknowledged comes again, and in the end every device has got everything.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { afterAll, expect, test } from 'vitest';
import { Announcer, Settler } from '#outcomes';
import { EmbeddedSubscriptionLookup } from '#view.embedded';
import { OUTCOMES } from '#webpush';
import { Field, intercepted, subscriptionId } from '../../../test/support/field.js';
import { HandDrivenGateway, newDevice } from '../../../test/support/hand-driven-gateway.js';
import type { MemoryDevice, ServerFrame } from '../../../test/support/hand-driven-gateway.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';

const SCHEDULES = 120;
const STEPS = 150;
const PHONES = 2;

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

/** What the schedules have met, to know that they are worth something. */
const met = {
  displaced: 0,
  reclaimsLost: 0,
  postponed: 0,
  epochs: 0,
  outOfStep: 0,
  redelivered: 0,
};

/** A process: what it calls takes a while, waits while it hangs, and is never executed when it is dead. */
class Process {
  isPaused = false;
  isDead = false;
  constructor(private readonly schedule: Schedule) {}

  around<T extends object>(port: T): T {
    return intercepted(port, async (method, call) => {
      await this.elapse();
      const answer = await call();
      if (method === 'settle') this.schedule.noteSettled(answer);
      await this.elapse();
      return answer;
    });
  }

  private async elapse(): Promise<void> {
    for (let i = this.schedule.delay(); i > 0 || this.isPaused; i--) {
      if (this.isDead) await new Promise(() => undefined);
      await turn();
    }
    if (this.isDead) await new Promise(() => undefined);
  }
}

class Host {
  process: Process;
  driven: HandDrivenGateway | undefined;
  links: MemoryDevice[] = [];
  renewedAt = 0;

  constructor(
    private readonly schedule: Schedule,
    private readonly field: Field,
    readonly id: string,
  ) {
    this.process = new Process(schedule);
  }

  async start(): Promise<void> {
    this.process = new Process(this.schedule);
    const { field, process } = this;
    const view = process.around(field.view);
    const driven = new HandDrivenGateway(field, {
      id: this.id,
      env: { WINDOW_MAX: '3' },
      ports: {
        presence: process.around(field.presence),
        mailbox: process.around(field.mailbox),
        leases: process.around(field.leases),
        lookup: process.around(new EmbeddedSubscriptionLookup(field.store)),
        settler: new Settler(view, new Announcer(field.producer, view, { clearMs: 0 }), {
          ...{ retryMs: 1, gatherMs: 0 },
        }),
      },
    });
    this.driven = await driven.begin();
    this.renewedAt = field.now;
  }

  kill(): void {
    this.collect();
    this.process.isDead = true;
    this.driven = undefined;
    for (const link of this.links.splice(0)) link.cut();
  }

  collect(): void {
    if (this.driven === undefined) return;
    const { counts } = this.driven.gateway;
    met.displaced += counts.displaced;
    met.reclaimsLost += counts.reclaimsLost;
    met.postponed += counts.postponed;
    met.epochs += counts.epochs;
    met.outOfStep += counts.closes.outOfStep ?? 0;
  }
}

class Phone {
  readonly identity = newDevice();
  readonly subscription = subscriptionId();
  link: MemoryDevice | undefined;
  /** The texts that came, over all connections. */
  readonly got = new Set<string>();
  private unacked: ServerFrame[] = [];
  private taken = 0;
  private last = -1;
  private settledBefore = new Map<string, number>();

  constructor(private readonly schedule: Schedule) {}

  connect(host: Host): void {
    if (host.driven === undefined) return;
    this.link = host.driven.open();
    host.links.push(this.link);
    this.unacked = [];
    this.taken = 0;
    this.last = -1;
    this.settledBefore = new Map(this.schedule.settled);
    this.link.say({ messageType: 'hello', uaid: this.identity.secret });
  }

  /** Takes what has come, and checks it. */
  receive(): void {
    const { link } = this;
    if (link === undefined) return;
    const frames = link.notifications.slice(this.taken);
    this.taken += frames.length;
    for (const frame of frames) {
      const text = Buffer.from(frame.data ?? '', 'base64url').toString();
      const number = Number(text);
      if (number <= this.last) throw new Error(`${text} came after ${this.last}`);
      this.last = number;
      if (this.settledBefore.get(text) === this.schedule.losses) {
        throw new Error(`${text} came again although its ack had been executed`);
      }
      if (this.got.has(text)) met.redelivered++;
      this.got.add(text);
      this.unacked.push(frame);
    }
    if (link.closed) this.link = undefined;
  }

  ack(count: number): void {
    const some = this.unacked.splice(0, count);
    if (some.length > 0 && this.link && !this.link.closed) this.link.ack(...some);
  }
}

class Schedule {
  losses = 0;
  /** Text → how often the store had been lost when its ack was executed. */
  readonly settled = new Map<string, number>();
  private readonly roll: (sides: number) => number;
  private readonly phones: readonly Phone[];
  private readonly hosts: readonly Host[];
  private readonly texts = new Map<number, string>();
  private readonly posts: { readonly phone: Phone; readonly text: string }[] = [];
  private router: HandDrivenRouter;
  private routing: Promise<unknown> | undefined;
  private isQuiet = false;

  private constructor(
    private readonly field: Field,
    seed: number,
  ) {
    this.roll = diceOf(seed);
    this.phones = Array.from({ length: PHONES }, () => new Phone(this));
    this.hosts = ['g1', 'g2'].map((id) => new Host(this, field, id));
    this.router = new HandDrivenRouter(field);
  }

  static async play(seed: number): Promise<void> {
    const field = await Field.open();
    await field.tape('notifications');
    try {
      const schedule = new Schedule(field, seed);
      await schedule.keepSubscriptions();
      await schedule.router.own();
      for (const host of schedule.hosts) await host.start();
      for (let step = 0; step < STEPS; step++) await schedule.step();
      await schedule.end();
      for (const host of schedule.hosts) host.kill();
    } finally {
      await field.close();
    }
  }

  delay(): number {
    return this.isQuiet ? this.roll(2) : this.roll(5) * this.roll(3);
  }

  noteSettled(answer: unknown): void {
    const { announcements = [] } = answer as { announcements?: readonly { offset: number }[] };
    for (const { offset } of announcements) {
      this.settled.set(this.texts.get(offset) ?? '', this.losses);
    }
  }

  private async step(): Promise<void> {
    await this.act();
    for (let i = this.roll(6); i > 0; i--) await turn();
    for (const phone of this.phones) phone.receive();
  }

  private async act(): Promise<void> {
    const phone = this.phones[this.roll(PHONES)] as Phone;
    const host = this.hosts[this.roll(2)] as Host;
    const x = this.roll(100);
    if (x < 22) await this.post(phone);
    else if (x < 42) this.route();
    else if (x < 60) await host.driven?.step(1 + this.roll(3));
    else if (x < 70) phone.ack(1 + this.roll(3));
    else if (x < 78) this.comeOrGo(phone, host);
    else if (x < 84) this.timeOut(host);
    else if (x < 92) this.passTime();
    else if (x < 94) host.process.isPaused = !host.process.isPaused;
    else if (x < 95) await this.crash(host);
    else if (x < 96) await this.loseStore();
    else this.recheck(host);
  }

  private async post(phone: Phone): Promise<void> {
    const text = String(this.posts.length);
    const { device } = phone.identity;
    const payload = Buffer.from(text);
    this.posts.push({ phone, text });
    const offset = await this.field.put({ device, subscription: phone.subscription, payload });
    this.texts.set(offset, text);
  }

  /** Calls to a reader never overlap. */
  private route(): void {
    this.routing ??= this.router
      .step(1 + this.roll(3))
      .catch(() => undefined)
      .finally(() => (this.routing = undefined));
  }

  private comeOrGo(phone: Phone, host: Host): void {
    if (phone.link === undefined) return phone.connect(host);
    // Gone with a word, or without: then the gateway keeps a ghost for a while.
    if (this.roll(2) === 0) phone.link.leave();
    phone.link = undefined;
  }

  /** A ghost's socket times out. */
  private timeOut(host: Host): void {
    const current = this.phones.map(({ link }) => link);
    const ghost = host.links.find((link) => !link.closed && !current.includes(link));
    if (!host.process.isPaused) ghost?.leave();
  }

  private passTime(): void {
    this.field.now += 1_000 * (1 + this.roll(3));
    for (const host of this.hosts) {
      const isDue = this.field.now - host.renewedAt >= 3_000;
      if (!isDue || host.process.isPaused || host.driven === undefined) continue;
      host.renewedAt = this.field.now;
      void host.driven.gateway.lease.renew();
    }
  }

  private async crash(host: Host): Promise<void> {
    host.kill();
    for (const phone of this.phones) phone.receive();
    await host.start();
  }

  private async loseStore(): Promise<void> {
    this.field.store.lose();
    this.losses++;
    await this.keepSubscriptions();
  }

  private keepSubscriptions(): Promise<void> {
    const known = this.phones.map(({ identity, subscription }) => ({ ...identity, subscription }));
    return this.field.subscribed(...known);
  }

  private recheck(host: Host): void {
    const { connections, rechecks } = host.driven?.gateway ?? {};
    connections?.visitAll((session) => rechecks?.add(session));
  }

  /** No more faults: whoever is away comes back, everything is read, acknowledged and looked at again. */
  private async end(): Promise<void> {
    this.isQuiet = true;
    for (const host of this.hosts) host.process.isPaused = false;
    await this.calm(60);
    for (const host of this.hosts) this.recheck(host);
    await this.calm(60);
    const before = this.posts.length;
    for (const phone of this.phones) await this.post(phone);
    await this.calm(40);
    for (const { driven } of this.hosts) expect(driven?.ended).toEqual([]);
    for (const { phone, text } of this.posts) {
      if (!phone.got.has(text)) throw new Error(`${text} of ${before} never came`);
    }
    for (const { identity } of this.phones) {
      expect(await this.field.mailbox.offsets(identity.device)).toEqual([]);
    }
    const accounts = await this.field.view.accounts(0);
    const ended = OUTCOMES.reduce((sum, name) => sum + (accounts?.outcomes[name] ?? 0), 0);
    expect(accounts).toMatchObject({ pending: 0, accepted: ended });
  }

  private async calm(rounds: number): Promise<void> {
    for (let round = 0; round < rounds; round++) {
      this.field.now += 500;
      for (const host of this.hosts) {
        if (round % 6 === 0) await host.driven?.gateway.lease.renew();
        await host.driven?.step();
      }
      await this.routing;
      await this.router.step();
      for (const phone of this.phones) {
        phone.receive();
        if (phone.link === undefined) phone.connect(this.hosts[this.roll(2)] as Host);
        phone.ack(10);
      }
      for (let i = 0; i < 6; i++) await turn();
    }
  }
}

test.each(Array.from({ length: SCHEDULES / 10 }, (_, i) => i))(
  'schedules %i0 … %i9 end with everything delivered, in order, and the accounts right',
  async (tens) => {
    for (let seed = tens * 10; seed < tens * 10 + 10; seed++) {
      try {
        await Schedule.play(seed);
      } catch (cause) {
        throw new Error(`schedule ${seed}: ${String(cause)}`, { cause });
      }
    }
  },
);

afterAll(() => {
  for (const [what, times] of Object.entries(met)) {
    expect(`${what} ${times > 0 ? 'met' : 'never met'}`).toBe(`${what} met`);
  }
});
