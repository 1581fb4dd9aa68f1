/**
 * How the network and the stores behave in a schedule: how long a call takes, which fail and how, which store is
 * away. Calls of a process are not kept in order: a later one may be executed first.
 */
import type { Dice } from './dice.js';
import type { World } from './world.js';

export type Store = 'view' | 'log';

/**
 * `lost`: never executed, and the caller is told of an error. `unanswered`: executed, and the caller is told of
 * an error. `repeated`: executed twice, and the caller gets the second answer.
 */
export type Ending = 'answered' | 'lost' | 'unanswered' | 'repeated';

export interface Fate {
  /** Until it is executed. */
  readonly thereMs: number;
  /** From then until the answer. */
  readonly backMs: number;
  readonly ending: Ending;
  /** The caller waits so long, then it is told of an error; the call may be executed later all the same. */
  readonly patienceMs: number;
  /** Sent already when the caller dies. */
  readonly outlivesCaller: boolean;
}

/** A store that is away: `down` refuses, `paused` executes what came when it is back. */
export interface Outage {
  readonly kind: 'down' | 'paused';
  readonly untilMs: number;
}

const PATIENCE_MS = { view: [700, 5_000, 60_000, 60_000], log: [5_000, 10_000, 60_000] } as const;

export class Weather {
  isFine = true;
  private readonly outages: Partial<Record<Store, Outage>> = {};
  private readonly failures: number;
  private readonly repeats: number;
  private readonly spikes: number;
  private readonly patienceMs: Record<Store, number>;
  private readonly speeds = new Map<string, readonly [number, number]>();

  constructor(
    private readonly world: World,
    private readonly dice: Dice,
  ) {
    this.failures = dice.pick([0, 0, 0.01, 0.03, 0.08]);
    this.repeats = dice.pick([0, 0, 0, 0.02]);
    this.spikes = dice.pick([0, 0.01, 0.05]);
    this.patienceMs = { view: dice.pick(PATIENCE_MS.view), log: dice.pick(PATIENCE_MS.log) };
  }

  /** `who` calls `what`. */
  fate(store: Store, who: string, what: string): Fate {
    const { dice } = this;
    if (this.isFine) return this.fineFate();
    const [there, back] = this.speed(`${who} ${what}`);
    let thereMs = dice.about(there);
    let ending: Ending = 'answered';
    const roll = dice.next();
    if (roll < this.failures / 2) ending = 'lost';
    else if (roll < this.failures) ending = 'unanswered';
    else if (roll < this.failures + this.repeats && store === 'view') ending = 'repeated';
    const outage = this.outages[store];
    const awayMs = (outage?.untilMs ?? 0) - this.world.now;
    if (awayMs > 0 && outage?.kind === 'down') ending = 'lost';
    else if (awayMs > 0) thereMs += awayMs;
    if (this.spikes > 0 && dice.chance(this.spikes)) thereMs += dice.about(3_000);
    const outlivesCaller = dice.chance(0.5);
    const backMs = dice.about(back);
    return { thereMs, backMs, ending, patienceMs: this.patienceMs[store], outlivesCaller };
  }

  begin(store: Store, outage: Outage): void {
    this.outages[store] = outage;
  }

  clear(): void {
    this.isFine = true;
    this.outages.view = undefined;
    this.outages.log = undefined;
  }

  private fineFate(): Fate {
    const { dice } = this;
    return {
      thereMs: dice.about(0.5),
      backMs: dice.about(0.5),
      ending: 'answered',
      patienceMs: 60_000,
      outlivesCaller: true,
    };
  }

  /** Some calls of some processes are slow all through a schedule, on their way there, back, or both. */
  private speed(call: string): readonly [number, number] {
    let speed = this.speeds.get(call);
    if (speed === undefined) this.speeds.set(call, (speed = [this.draw(), this.draw()]));
    return speed;
  }

  private draw(): number {
    const { dice } = this;
    const roll = dice.next();
    if (roll < 0.7) return dice.between(0.1, 3);
    if (roll < 0.87) return dice.between(3, 200);
    if (roll < 0.96) return dice.between(200, 3_000);
    return dice.between(3_000, 15_000);
  }
}
