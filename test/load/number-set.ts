/** A set of the numbers of notifications, one bit each: a million of them are 125 KB, also between processes. */
export class NumberSet {
  private bits: Uint8Array;

  constructor(bits = new Uint8Array(1_024)) {
    this.bits = bits;
  }

  static parse(text: string): NumberSet {
    return new NumberSet(new Uint8Array(Buffer.from(text, 'base64')));
  }

  add(number: number): void {
    const at = number >>> 3;
    if (at >= this.bits.length) {
      const grown = new Uint8Array(Math.max(at + 1, this.bits.length * 2));
      grown.set(this.bits);
      this.bits = grown;
    }
    this.bits[at]! |= 1 << (number & 7);
  }

  has(number: number): boolean {
    return ((this.bits[number >>> 3] ?? 0) & (1 << (number & 7))) !== 0;
  }

  /** Takes the numbers of another into itself. */
  unite(other: NumberSet): void {
    if (other.bits.length > this.bits.length) {
      const grown = new Uint8Array(other.bits);
      this.bits.forEach((byte, i) => (grown[i]! |= byte));
      this.bits = grown;
    } else other.bits.forEach((byte, i) => (this.bits[i]! |= byte));
  }

  get size(): number {
    let size = 0;
    for (let byte of this.bits) for (; byte > 0; byte &= byte - 1) size++;
    return size;
  }

  /** Those that the other has not, in order. */
  without(other: NumberSet): number[] {
    const found: number[] = [];
    this.bits.forEach((byte, i) => {
      const left = byte & ~(other.bits[i] ?? 0);
      for (let bit = 0; left >> bit > 0; bit++) if ((left >> bit) & 1) found.push(i * 8 + bit);
    });
    return found;
  }

  toString(): string {
    return Buffer.from(this.bits).toString('base64');
  }
}
