/**
 * Brings together what can wait for a moment: all that was asked for between two beats happens in one turn of the event
 * loop. At a thousand notifications a second, spread over partitions, what costs is the turn with its system calls and
 * requests, not what is done in it.
 */
export class Beat {
  private due: (() => void)[] = [];
  private timer: NodeJS.Timeout | undefined;

  /** `waitMs` 0: at the end of the turn. */
  constructor(private readonly waitMs: number) {}

  next(run: () => void): void {
    if (this.due.push(run) > 1) return;
    if (this.waitMs === 0) setImmediate(() => this.now());
    else this.timer = setTimeout(() => this.now(), this.waitMs);
  }

  /** What is due is done at once. */
  now(): void {
    clearTimeout(this.timer);
    const { due } = this;
    this.due = [];
    for (const run of due) run();
  }
}
