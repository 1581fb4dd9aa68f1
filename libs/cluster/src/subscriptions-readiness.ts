/**
 * Whether a missing subscription means anything yet: only where the view of its partition is ready (design §5,
 * rule 9). Looked at about every second, for the readiness of who answers senders.
 */
import type { SubscriptionsView } from '#view';

const LOOK_EVERY_MS = 1_000;

export class SubscriptionsReadiness {
  /** Why not; undefined: all partitions are ready. */
  absence: string | undefined = 'not looked at yet';
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  constructor(
    private readonly view: Pick<SubscriptionsView, 'mark'>,
    private readonly partitions: number,
  ) {}

  start(): void {
    void this.look().then(() => {
      if (!this.isStopped) this.timer = setTimeout(() => this.start(), LOOK_EVERY_MS);
    });
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  /** Never rejects. */
  async look(): Promise<void> {
    try {
      const all = Array.from({ length: this.partitions }, (_, partition) => partition);
      const marks = await Promise.all(all.map((partition) => this.view.mark(partition)));
      const waiting = marks.filter((mark) => mark?.state !== 'ready').length;
      this.absence =
        waiting === 0 ? undefined : `${waiting} partitions are being rebuilt by registration`;
    } catch (error) {
      this.absence = error instanceof Error ? error.message : String(error);
    }
  }
}
