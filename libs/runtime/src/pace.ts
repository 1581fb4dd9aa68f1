/**
 * Limits on how often. The state of a token bucket is one number, the time at which it will be full again
 * (GCRA), so a connection keeps it in a field and a limit by address keeps it in a map.
 */
export class Pace {
  private readonly costMs: number;
  private readonly burstMs: number;

  /** `burst`: how many may come at once after a pause; at least 1. */
  constructor(perSecond: number, burst: number) {
    this.costMs = 1_000 / perSecond;
    this.burstMs = burst * this.costMs;
  }

  /**
   * One more at `nowMs`. `fullAtMs`: what the last call returned, 0 at first.
   * Returns the next state, or -1 when this one is too many (the state stays as it was).
   */
  take(fullAtMs: number, nowMs: number): number {
    const next = Math.max(fullAtMs, nowMs) + this.costMs;
    // A millisecond's millionth forgives the rounding of n times costMs.
    return next - nowMs > this.burstMs + 1e-6 ? -1 : next;
  }
}

/**
 * A pace for each key, e.g. registrations per address. Keeps at most `keysMax` keys: one whose bucket is full
 * again is forgotten without harm; beyond that the key that came longest ago is forgotten, so an attacker with
 * that many addresses gains a burst, and memory stays bounded.
 */
export class PacePerKey {
  private readonly fullAt = new Map<string, number>();

  constructor(
    private readonly pace: Pace,
    private readonly keysMax = 100_000,
  ) {}

  /** False: this one is too many. */
  take(key: string, nowMs: number): boolean {
    const next = this.pace.take(this.fullAt.get(key) ?? 0, nowMs);
    if (next < 0) return false;
    this.fullAt.delete(key); // to the end: the map is ordered by the last time
    this.fullAt.set(key, next);
    this.forget(nowMs);
    return true;
  }

  get size(): number {
    return this.fullAt.size;
  }

  /** Two of the oldest per call: the map shrinks faster than it can grow. */
  private forget(nowMs: number): void {
    let looked = 0;
    for (const [key, fullAtMs] of this.fullAt) {
      const isNeeded = fullAtMs > nowMs && this.fullAt.size <= this.keysMax;
      if (isNeeded || looked++ === 2) return;
      this.fullAt.delete(key);
    }
  }
}

/** How many at the same time for each key, e.g. connections per address. Keeps only keys that have some. */
export class CountPerKey {
  private readonly counts = new Map<string, number>();

  constructor(private readonly max: number) {}

  /** False: there are `max` already, and this one is not counted. Each true is paid back by one `leave`. */
  enter(key: string): boolean {
    const count = this.counts.get(key) ?? 0;
    if (count >= this.max) return false;
    this.counts.set(key, count + 1);
    return true;
  }

  leave(key: string): void {
    const count = this.counts.get(key) ?? 0;
    if (count > 1) this.counts.set(key, count - 1);
    else this.counts.delete(key);
  }

  get size(): number {
    return this.counts.size;
  }
}
