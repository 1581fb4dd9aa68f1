/**
 * Work that falls due for many connections at once (claims after a lost lease, re-checks): a bounded number is
 * under way, the rest waits its turn. When the store fails the work, everything waits a moment and goes on.
 */
import type { Session } from './session.js';

const PAUSE_MS = 1_000;

export class Pacer {
  /** A set in the order of its entries: asked for twice is done once. */
  private readonly waiting = new Set<Session>();
  private underWay = 0;
  private pause: NodeJS.Timeout | undefined;

  /** `work` rejects for an outage: then the session is taken up again. */
  constructor(
    private readonly work: (session: Session) => Promise<void>,
    private readonly underWayMax: number,
  ) {}

  add(session: Session): void {
    this.waiting.add(session);
    this.goOn();
  }

  get pending(): number {
    return this.waiting.size + this.underWay;
  }

  /** Forgets what waits. */
  stop(): void {
    this.waiting.clear();
    clearTimeout(this.pause);
    this.pause = undefined;
  }

  private goOn(): void {
    if (this.pause !== undefined) return;
    for (const session of this.waiting) {
      if (this.underWay >= this.underWayMax) return;
      this.waiting.delete(session);
      if (!session.isClosed) void this.run(session);
    }
  }

  private async run(session: Session): Promise<void> {
    this.underWay++;
    try {
      await this.work(session);
    } catch {
      this.waiting.add(session);
      this.pause ??= setTimeout(() => {
        this.pause = undefined;
        this.goOn();
      }, PAUSE_MS).unref();
    }
    this.underWay--;
    this.goOn();
  }
}
