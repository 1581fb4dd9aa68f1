import { expect, test } from 'vitest';
import { Market } from './market.js';

const LISTINGS = [
  { symbol: 'A', name: 'Alpha', open: 100 },
  { symbol: 'B', name: 'Beta', open: 0.02 },
];

test('quotes the listings in turn, with the change since the opening', () => {
  const market = new Market(() => 1, LISTINGS);
  expect(market.next()).toEqual({ symbol: 'A', name: 'Alpha', price: 100.6, change: 0.6 });
  expect(market.next()).toMatchObject({ symbol: 'B' });
  expect(market.next()).toEqual({ symbol: 'A', name: 'Alpha', price: 101.2, change: 1.2 });
});

test('never loses a price to zero or to the sky, whichever way chance goes', () => {
  for (const chance of [0, 0.5, 1 - Number.EPSILON]) {
    const market = new Market(() => chance, LISTINGS);
    for (let step = 0; step < 5_000; step++) {
      const { symbol, price } = market.next();
      expect(price).toBeGreaterThan(0);
      if (symbol === 'A') expect(Math.abs(price - 100)).toBeLessThan(70);
    }
  }
});
