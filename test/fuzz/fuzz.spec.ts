/** Whatever strangers send: an answer comes, never an exception. `npm run fuzz` is the same for longer. */
import { describe, expect, test } from 'vitest';
import { Dice } from './dice.js';
import { FUZZ_TARGETS } from './targets.js';

const INPUTS = 100_000;
/** Of each kind, or chance alone decides whether it comes. */
const OF_EACH_MIN = 50;

describe('100,000 seeded inputs', () => {
  test.each(FUZZ_TARGETS)(
    'as $name get one of the answers that there are',
    ({ kinds, open }) => {
      const dice = new Dice(0);
      const feed = open();
      const counts = new Map<string, number>(kinds.map((kind) => [kind, 0]));
      for (let input = 0; input < INPUTS; input++) {
        dice.turnTo(1, input);
        const kind = feed(dice);
        counts.set(kind, (counts.get(kind) ?? 0) + 1);
      }
      expect([...counts.keys()]).toEqual(kinds);
      expect(Math.min(...counts.values())).toBeGreaterThan(OF_EACH_MIN);
    },
    60_000,
  );
});
