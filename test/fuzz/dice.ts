/** Chance that can be repeated: mulberry32. */
export class Dice {
  private state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** From now on as {@link Dice.of} made it for that input. */
  turnTo(seed: number, input: number): void {
    this.state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(input + 1, 0x85ebca6b)) | 0;
  }

  /** From 0 (in) to 1 (out). */
  roll(): number {
    return this.below(2 ** 32) / 2 ** 32;
  }

  /** A whole number from 0 (in) to `max` (out), at most 2³². */
  below(max: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % max;
  }

  isBelow(chance: number): boolean {
    return this.roll() < chance;
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }
}
