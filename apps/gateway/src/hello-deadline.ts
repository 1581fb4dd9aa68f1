/**
 * Closes what was opened and never says hello. All have the same time, so those that came first are due first:
 * a list and one timer, none per connection.
 */
import type { Session } from './session.js';

interface Arrival {
  readonly session: Session;
  readonly dueMs: number;
}

export class HelloDeadline {
  private readonly arrivals: Arrival[] = [];
  private first = 0;
  private timer: NodeJS.Timeout | undefined;

  /** `clock`: ms; only differences count. */
  constructor(
    private readonly timeoutMs: number,
    private readonly clock: () => number,
  ) {}

  start(): void {
    this.timer ??= setInterval(() => this.look(), Math.max(10, this.timeoutMs / 20)).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  add(session: Session): void {
    this.arrivals.push({ session, dueMs: this.clock() + this.timeoutMs });
  }

  /** Looks at those that are due. */
  look(): void {
    const nowMs = this.clock();
    for (
      let next = this.arrivals[this.first];
      next !== undefined;
      next = this.arrivals[this.first]
    ) {
      if (next.dueMs > nowMs) break;
      this.first++;
      if (next.session.phase === 'arriving') next.session.close('helloTimeout');
    }
    this.arrivals.splice(0, this.first);
    this.first = 0;
  }
}
