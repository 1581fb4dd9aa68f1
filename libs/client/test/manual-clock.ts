import type { Clock } from '../src/index.js';

interface Timer {
  readonly at: number;
  readonly action: () => void;
}

/** Time that stands still until a test moves it; chance that always says the same. */
export class ManualClock implements Clock {
  private time = 0;
  private readonly timers = new Set<Timer>();

  constructor(private readonly chance = 0.5) {}

  now(): number {
    return this.time;
  }

  random(): number {
    return this.chance;
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { at: this.time + delayMs, action };
    this.timers.add(timer);
    return () => this.timers.delete(timer);
  }

  /** Runs what falls due on the way, in order. */
  advance(byMs: number): void {
    const end = this.time + byMs;
    for (;;) {
      const [next] = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.timers.delete(next);
      this.time = next.at;
      next.action();
    }
    this.time = end;
  }
}
