/** What happened, a line each, for people: kept only when a schedule is played again to be shown. */

/** When every schedule begins, ms since the epoch. */
export const START_MS = 1_700_000_000_000;

export class Trace {
  readonly lines: string[] = [];
  private readonly names = new Map<string, string>();

  /** From now on `long` (a device, a message id) is written as `short`. */
  name(long: string, short: string): void {
    this.names.set(long, short);
  }

  nameOf(long: string): string {
    return this.names.get(long) ?? (long.length < 20 ? long : long.slice(0, 8));
  }

  add(nowMs: number, who: string, what: string): void {
    const seconds = ((nowMs - START_MS) / 1_000).toFixed(4).padStart(10);
    this.lines.push(`${seconds}  ${who.padEnd(6)} ${what}`);
  }
}
