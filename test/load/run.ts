/**
 * A load from its first device to its verdict: connect, begin, send while things are ended, stop, wait until nothing is
 * missing any more, and count.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { Assault } from './assault.js';
import { Driver } from './driver.js';
import type { Engine, Use } from './engine.js';
import type { Happened } from './faults.js';
import { monotonicMs, type Received, type Second, type Sent } from './messages.js';
import { NumberSet } from './number-set.js';
import type { Plan } from './options.js';
import { useOf } from './proc.js';
import type { Share } from './shares.js';
import { Timeline } from './timeline.js';
import { verdictOf, type Account, type Verdict } from './verdict.js';

/** After the end of a second until all processes have told it. */
const TOLD_AFTER_MS = 400;
/** What is missing may still come: at a re-check at the latest (design §5, rule 8). */
const SETTLE_MS = 120_000;
const SENDER_PROCESSES_PER_SECOND = 4_000;
/** Devices come back some time after their close: two drains may meet, and timers run late on a busy machine. */
const SPREAD_SLACK = 1.5;
/** What a drain closes per second at least (apps/gateway/src/drain.ts). */
const CLOSES_PER_SECOND_MIN = 500;

export interface LoadResult {
  readonly plan: Plan;
  readonly timeline: Timeline;
  readonly account: Account;
  readonly verdict: Verdict;
  readonly happened: readonly Happened[];
  readonly connectSeconds: number;
  /** Until when senders sent, in seconds since the load began. */
  readonly sentForSeconds: number;
  /** How long what was under way took to arrive after that. */
  readonly settleSeconds: number;
  /** Devices that came back, by second. */
  readonly returns: Readonly<Record<string, number>>;
}

export interface Listener {
  onStep(step: string): void;
  /** Once a second. */
  onSecond(second: number, timeline: Timeline): void;
  onChange(happened: Happened, isBack: boolean): void;
}

export class Run {
  private readonly timeline = new Timeline();
  private readonly drivers: Driver[] = [];
  private zeroMs = 0;

  constructor(
    private readonly engine: Engine,
    private readonly plan: Plan,
    private readonly listener: Listener,
  ) {}

  async run(shares: readonly Share[]): Promise<LoadResult> {
    try {
      const { devices, senders, connectSeconds } = await this.prepare(shares);
      return await this.drive(devices, senders, connectSeconds);
    } finally {
      await Promise.all(this.drivers.map((driver) => driver.end()));
    }
  }

  private async prepare(
    shares: readonly Share[],
  ): Promise<{ devices: readonly Driver[]; senders: readonly Driver[]; connectSeconds: number }> {
    const { plan, engine, listener } = this;
    const began = performance.now();
    listener.onStep(`${plan.devices.toLocaleString('en')} devices connect and register`);
    const devices = shares.map(() => this.driver('devices'));
    const backAfterMs = plan.backAfterSeconds * 1_000;
    const gateways = engine.gateways();
    const known = await Promise.all(
      devices.map((driver, i) => driver.ask('connect', { ...shares[i]!, gateways, backAfterMs })),
    );
    const connectSeconds = (performance.now() - began) / 1_000;
    const count = Math.min(4, Math.ceil(plan.rate / SENDER_PROCESSES_PER_SECOND), plan.devices);
    const senders = Array.from({ length: count }, () => this.driver('senders'));
    const endpoints = known.flat();
    await Promise.all(
      senders.map((driver, process) =>
        driver.ask('prepare', {
          ...{ process, processes: count, ingests: engine.ingests(), bytes: plan.bytes },
          endpoints: endpoints.filter((_, i) => i % count === process),
          perSecond: plan.rate / count,
          connections: Math.ceil(plan.connections / count),
        }),
      ),
    );
    return { devices, senders, connectSeconds };
  }

  private async drive(
    devices: readonly Driver[],
    senders: readonly Driver[],
    connectSeconds: number,
  ): Promise<LoadResult> {
    const { plan, engine, listener, timeline } = this;
    listener.onStep(`the load begins: ${plan.rate.toLocaleString('en')} notifications per second`);
    this.zeroMs = monotonicMs() + 100;
    await Promise.all(this.drivers.map((driver) => driver.ask('begin', { zeroMs: this.zeroMs })));
    const watch = new AbortController();
    const watching = this.watch(watch.signal);
    const assault = new Assault({
      ...{ engine, seconds: () => this.seconds() },
      onChange: (happened, isBack) => {
        listener.onChange(happened, isBack);
        void this.tellAddresses(devices, senders);
      },
    });
    // A roll that takes longer than the load was to last is under load until its end.
    await Promise.all([pause(plan.durationSeconds * 1_000), assault.run(plan.faults)]);
    const sentForSeconds = this.seconds();
    const sent = await Promise.all(senders.map((driver) => driver.ask('stop')));
    listener.onStep('the senders have stopped; what is under way arrives');
    const counted = await this.settle(devices, sent);
    const settleSeconds = this.seconds() - sentForSeconds;
    watch.abort();
    await watching;
    const { happened } = assault;
    const account = this.account(counted, happened);
    const returns = sumOf(counted.received.map(({ returns }) => returns));
    const verdict = verdictOf(account);
    return {
      ...{ plan, timeline, account, verdict, happened, connectSeconds, returns },
      ...{ sentForSeconds, settleSeconds },
    };
  }

  /** Until every accepted one is there, everybody is back, and the cluster's own accounts have settled. */
  private async settle(devices: readonly Driver[], sent: readonly Sent[]): Promise<Counted> {
    const until = performance.now() + SETTLE_MS;
    const accepted = united(sent.map(({ accepted }) => accepted));
    const unsure = united(sent.map(({ unsure }) => unsure));
    for (;;) {
      const received = await Promise.all(devices.map((driver) => driver.ask('received')));
      const missing = accepted.without(united(received.map(({ numbers }) => numbers)));
      const connected = received.reduce((sum, one) => sum + one.connected, 0);
      const accounts = await this.engine.accounts();
      const isSettled =
        missing.length === 0 &&
        connected === this.plan.devices &&
        (accounts === undefined || (accounts.pending === 0 && accounts.unaccounted === 0));
      if (isSettled || performance.now() > until) {
        return { accepted, unsure, missing, received, connected, accounts };
      }
      await pause(500);
    }
  }

  private account(counted: Counted, happened: readonly Happened[]): Account {
    const { accepted, unsure, missing, received, connected, accounts } = counted;
    const all = (of: (one: Received) => readonly number[]): readonly number[] =>
      received.flatMap(of);
    const { total } = this.timeline;
    const size = accepted.size;
    // Who is killed spreads nothing.
    const isRoll = happened.length > 0 && happened.every(({ how }) => how === 'roll');
    const returns = Object.values(sumOf(received.map((one) => one.returns)));
    return {
      ...{ accepted: size, received: size - missing.length, missing: missing.slice(0, 100) },
      ...{ unsure: unsure.size, answers: total.answers, curt: total.curt },
      behind: all(({ behind }) => behind).filter((number) => accepted.has(number)).length,
      twice: all(({ twice }) => twice).length,
      renamed: all(({ renamed }) => renamed).length,
      misdirected: received.reduce((sum, one) => sum + one.misdirected, 0),
      ...{ devices: this.plan.devices, connected, happened },
      ...(accounts && { cluster: accounts }),
      isForeign: this.engine.parts.length === 0,
      countsAnew: happened.some(({ part }) => part.startsWith('redis')),
      ...(isRoll && { return: { busiest: Math.max(0, ...returns), most: this.returnsMost() } }),
    };
  }

  /**
   * A gateway closes at most so many in a second that its devices are spread over DRAIN_SECONDS, and at least 500; they
   * all stay away equally long, so they come back as they were closed. At worst it held all of them.
   */
  private returnsMost(): number {
    const { devices, drainSeconds } = this.plan;
    const perSecond = Math.max(CLOSES_PER_SECOND_MIN, devices / Math.max(0.1, drainSeconds));
    return Math.ceil(perSecond * SPREAD_SLACK);
  }

  private async watch(signal: AbortSignal): Promise<void> {
    for (let second = 0; !signal.aborted; second = Math.max(second + 1, this.lastFull())) {
      const waitMs = this.zeroMs + (second + 1) * 1_000 + TOLD_AFTER_MS - monotonicMs();
      await pause(Math.max(0, waitMs), undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      const uses = new Map<string, Use>(await this.engine.use().catch(() => new Map()));
      for (const [i, driver] of this.drivers.entries()) {
        const use = useOf(driver.pid);
        if (use) uses.set(`load: ${driver.kind} ${i}`, use);
      }
      this.timeline.sample(second, monotonicMs(), uses);
      this.listener.onSecond(second, this.timeline);
    }
  }

  private async tellAddresses(
    devices: readonly Driver[],
    senders: readonly Driver[],
  ): Promise<void> {
    const { engine } = this;
    const told = [
      ...devices.map((driver) => driver.ask('addresses', engine.gateways())),
      ...senders.map((driver) => driver.ask('addresses', engine.ingests())),
    ];
    // A process that has ended meanwhile has nobody to tell.
    await Promise.all(told).catch(() => undefined);
  }

  /** An engine that takes long to tell what was used makes samples rarer, not late. */
  private lastFull(): number {
    return Math.floor((monotonicMs() - this.zeroMs - TOLD_AFTER_MS) / 1_000) - 1;
  }

  private seconds(): number {
    return (monotonicMs() - this.zeroMs) / 1_000;
  }

  private driver(kind: Driver['kind']): Driver {
    const source = this.drivers.length;
    const driver = new Driver(kind, (second: Second) => this.timeline.add(source, second));
    this.drivers.push(driver);
    return driver;
  }
}

interface Counted {
  readonly accepted: NumberSet;
  readonly unsure: NumberSet;
  readonly missing: readonly number[];
  readonly received: readonly Received[];
  readonly connected: number;
  readonly accounts: Account['cluster'];
}

function united(sets: readonly string[]): NumberSet {
  const all = new NumberSet();
  for (const text of sets) all.unite(NumberSet.parse(text));
  return all;
}

function sumOf(counts: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const one of counts) {
    for (const [name, count] of Object.entries(one)) sum[name] = (sum[name] ?? 0) + count;
  }
  return sum;
}
