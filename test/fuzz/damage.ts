/** What generators have in common: words strung together, and sound inputs that are damaged a little. */
import type { Dice } from './dice.js';

/** Pieces of a grammar, now and then any character. */
export function strung(dice: Dice, pieces: readonly string[], countMax: number): string {
  let text = '';
  for (let n = dice.below(countMax); n >= 0; n--) {
    text += dice.isBelow(0.9) ? dice.pick(pieces) : String.fromCharCode(dice.below(300));
  }
  return text;
}

/** The text with up to `timesMax` of its characters changed, doubled or left out. */
export function damaged(dice: Dice, text: string, timesMax = 2): string {
  for (let n = dice.below(timesMax + 1); n > 0; n--) {
    const at = dice.below(text.length + 1);
    const put = dice.pick(['', text[at] ?? '', 'A', '-', '=', '.', '"', '\0', 'é', text]);
    text = text.slice(0, at) + put + text.slice(at + dice.below(2));
  }
  return text;
}

/** A document in which a character or three became something that JSON knows, or does not. */
export function damagedJson(dice: Dice, text: string): string {
  const at = dice.below(text.length);
  const put = dice.pick(['', '"', '{', '}', ',', '\\', '\0', '1e999', 'null', 'é']);
  return text.slice(0, at) + put + text.slice(at + dice.below(3));
}

/** One of the samples with a few bytes changed, cut off, lengthened; or bytes that are nothing. */
export function damagedBytes(dice: Dice, samples: readonly Buffer[]): Buffer {
  const sample = dice.pick(samples);
  switch (dice.below(5)) {
    case 0:
      return noise(dice, dice.below(120));
    case 1:
      return sample.subarray(0, dice.below(sample.length + 1));
    case 2:
      return Buffer.concat([sample, noise(dice, 1 + dice.below(9))]);
    case 3: {
      const end = dice.below(sample.length + 1);
      return Buffer.concat([sample.subarray(0, end), noise(dice, dice.below(60))]);
    }
    default: {
      const bytes = Buffer.from(sample);
      for (let i = dice.below(4); i >= 0 && bytes.length > 0; i--) {
        bytes[dice.below(bytes.length)] = dice.below(256);
      }
      return bytes;
    }
  }
}

function noise(dice: Dice, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i++) bytes[i] = dice.below(256);
  return bytes;
}
