/**
 * What is fuzzed: everything that reads bytes of strangers. A target makes an input from the dice, feeds it and says
 * what kind of answer came; it throws an Error when the answer is one that must not come. Whatever else is thrown,
 * takes long or stays in memory is a finding as well.
 */
import type { Dice } from './dice.js';

export interface FuzzTarget {
  readonly name: string;
  /** Every one of them comes often: a generator that never gets past the first check proves nothing. */
  readonly kinds: readonly string[];
  /** Prepares keys and samples, once. What it returns is called for every input. */
  open(): (dice: Dice) => string;
}
