/**
 * What is done for every connection from time to time, without a timer per connection: a coarse wheel goes
 * through the buckets of the connections once per interval. Whoever connects falls into the next bucket of the
 * wheel, so a crowd that comes at once is visited spread out.
 */
import { BUCKETS, type Connections } from './connections.js';
import type { Session } from './session.js';

const TICK_MS_MIN = 10;

export class Round {
  private timer: NodeJS.Timeout | undefined;
  private bucket = 0;
  private readonly tickMs: number;
  private readonly bucketsPerTick: number;

  constructor(
    private readonly connections: Connections,
    intervalMs: number,
    private readonly visit: (session: Session) => void,
  ) {
    this.tickMs = Math.max(TICK_MS_MIN, intervalMs / BUCKETS);
    this.bucketsPerTick = Math.max(1, Math.round((BUCKETS * this.tickMs) / intervalMs));
  }

  start(): void {
    this.timer ??= setInterval(() => this.turn(), this.tickMs).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  /** One tick of the wheel. */
  turn(): void {
    for (let i = 0; i < this.bucketsPerTick; i++) {
      this.connections.visit(this.bucket, this.visit);
      this.bucket = (this.bucket + 1) % BUCKETS;
    }
  }
}
