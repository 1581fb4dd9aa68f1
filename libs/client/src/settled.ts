import type { AckCode } from '#wire';

/** More than a gateway has unacknowledged on one connection (64), so more than can come again at once. */
const REMEMBERED_MAX = 100;

/** The latest messages of one subscription that are settled, with the code that each was acked with. */
export class Settled {
  private readonly codes: Map<string, AckCode>;

  constructor(entries: readonly (readonly [string, AckCode])[] = []) {
    this.codes = new Map(entries);
  }

  codeOf(version: string): AckCode | undefined {
    return this.codes.get(version);
  }

  add(version: string, code: AckCode): void {
    this.codes.set(version, code);
    const [oldest] = this.codes.keys();
    if (this.codes.size > REMEMBERED_MAX && oldest !== undefined) this.codes.delete(oldest);
  }

  /** Oldest first. */
  entries(): readonly (readonly [string, AckCode])[] {
    return [...this.codes];
  }
}
