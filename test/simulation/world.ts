/**
 * The time of a schedule, and what happens in it, one thing after the other. Each happening belongs to a process
 * (or to the network between them), and everything that follows from it without waiting for another runs before
 * the next: so whose turn it is, is known at every moment. A process that hangs lets its happenings wait; one
 * that is dead loses them.
 */
import { Dice } from './dice.js';
import { START_MS, type Trace } from './trace.js';

/** More than any schedule that ends needs. */
const HAPPENINGS_MAX = 400_000;

export interface Happening {
  atMs: number;
  order: number;
  readonly owner: SimProcess | undefined;
  /** undefined: called off. */
  run: (() => void) | undefined;
}

/** One boot of one service. */
export class SimProcess {
  isDead = false;
  isPaused = false;
  /** How far its clock is off. */
  skewMs = 0;
  /** What would have happened while it hangs. */
  readonly missed: Happening[] = [];

  constructor(readonly name: string) {}

  get isRunning(): boolean {
    return !this.isDead && !this.isPaused;
  }
}

/** A rule that did not hold. The first one ends the schedule. */
export class Violation extends Error {
  override readonly name = 'Violation';
  constructor(
    readonly rule: string,
    what: string,
  ) {
    super(`${rule}: ${what}`);
  }
}

export class World {
  now = START_MS;
  readonly dice: Dice;
  violation: Violation | undefined;
  trace: Trace | undefined;
  /** Whose turn it is; undefined: the network's, or the schedule's own. */
  current: SimProcess | undefined;
  happened = 0;
  /** Each happening in a turn of its own of Node's event loop: slower, but rejections that nobody waits for show. */
  isStrict = false;
  private order = 0;
  private readonly heap: Happening[] = [];

  constructor(readonly seed: number) {
    this.dice = new Dice(seed);
  }

  /** In so many ms, in a turn of `owner`. */
  in(ms: number, owner: SimProcess | undefined, run: () => void): Happening {
    const happening = { atMs: this.now + Math.max(0, ms), order: this.order++, owner, run };
    this.push(happening);
    return happening;
  }

  /** Within the process whose turn it is. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.in(ms, this.current, resolve));
  }

  say(who: string, what: () => string): void {
    this.trace?.add(this.now, who, what());
  }

  /** Notes the first thing that is wrong; the schedule ends with the turn. */
  violate(rule: string, what: string): void {
    if (this.violation) return;
    this.violation = new Violation(rule, what);
    this.say('!!!!', () => `${rule}: ${what}`);
  }

  resume(process: SimProcess): void {
    if (!process.isPaused) return;
    process.isPaused = false;
    for (const happening of process.missed.splice(0)) {
      happening.atMs = this.now;
      happening.order = this.order++;
      this.push(happening);
    }
  }

  /** Lets time pass until then, or until a rule is broken. */
  runUntil(untilMs: number): Promise<void> {
    return new Promise((resolve) => {
      const step = (): void => {
        const next = this.violation ? undefined : this.take(untilMs);
        if (next === undefined) {
          this.current = undefined;
          if (!this.violation) this.now = Math.max(this.now, untilMs);
          return resolve();
        }
        this.happen(next);
        if (this.isStrict) turn(step);
        // A tick that is asked for by a microtask comes when no microtask is left.
        else queueMicrotask(() => process.nextTick(step));
      };
      step();
    });
  }

  private happen({ owner, run }: Happening): void {
    this.current = owner;
    try {
      run?.();
    } catch (error) {
      this.violate('CRASH', `${owner?.name ?? 'the network'} threw ${errorText(error)}`);
    }
    if (++this.happened > HAPPENINGS_MAX) {
      this.violate('LIVE', `${HAPPENINGS_MAX} things have happened and it is still not quiet`);
    }
  }

  /** The next thing that is to happen; undefined: nothing before `untilMs`. */
  private take(untilMs: number): Happening | undefined {
    for (let first = this.heap[0]; first && first.atMs <= untilMs; first = this.heap[0]) {
      this.shift();
      const { owner } = first;
      if (first.run === undefined || owner?.isDead) continue;
      this.now = Math.max(this.now, first.atMs);
      if (!owner?.isPaused) return first;
      owner.missed.push(first);
    }
    return undefined;
  }

  private push(happening: Happening): void {
    const { heap } = this;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent] as Happening;
      if (!isBefore(happening, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = happening;
  }

  private shift(): void {
    const { heap } = this;
    const last = heap.pop() as Happening;
    const end = heap.length;
    if (end === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= end) break;
      const right = child + 1;
      if (right < end && isBefore(heap[right] as Happening, heap[child] as Happening))
        child = right;
      if (!isBefore(heap[child] as Happening, last)) break;
      heap[at] = heap[child] as Happening;
      at = child;
    }
    heap[at] = last;
  }
}

const turn = setImmediate;

function isBefore(a: Happening, b: Happening): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

export function errorText(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
