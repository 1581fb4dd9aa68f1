/** What every decoder of record bytes must survive: whoever can write to the log can write anything. */
import { expect, test } from 'vitest';
import { UndecodableRecord } from './undecodable-record.js';

/** Numbers below `max`, the same ones for the same seed (mulberry32). */
export function seededDice(seed: number): (max: number) => number {
  let state = seed;
  return (max) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % max;
  };
}

/** One of the samples with a few bytes changed, cut off, lengthened; or bytes that are nothing. */
export function mutated(dice: (max: number) => number, samples: readonly Buffer[]): Buffer {
  const sample = samples[dice(samples.length)] ?? Buffer.alloc(0);
  const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, () => dice(256)));
  switch (dice(5)) {
    case 0:
      return noise(dice(120));
    case 1:
      return sample.subarray(0, dice(sample.length + 1));
    case 2:
      return Buffer.concat([sample, noise(1 + dice(9))]);
    case 3:
      return Buffer.concat([sample.subarray(0, dice(sample.length + 1)), noise(dice(60))]);
    default: {
      const bytes = Buffer.from(sample);
      for (let i = dice(4); i >= 0 && bytes.length > 0; i--) bytes[dice(bytes.length)] = dice(256);
      return bytes;
    }
  }
}

/** `decode` throws a plain Error with what it should not have done; UndecodableRecord is its answer. */
export function decoderContract(decode: (dice: (max: number) => number) => void): void {
  test('100,000 malformed inputs are decoded to what encodes to the same bytes, or refused', () => {
    const dice = seededDice(20_260_509);
    let refused = 0;
    for (let i = 0; i < 100_000; i++) {
      try {
        decode(dice);
      } catch (error) {
        if (!(error instanceof UndecodableRecord)) throw error;
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(20_000);
    expect(refused).toBeLessThan(100_000);
  });
}
