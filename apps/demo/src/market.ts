import { LISTINGS, type Listing, type Quote } from './quote.js';

/** Prices that wander by chance: up to 0.6 % a step, drawn back to the opening price so that none is lost. */
const STEP = 0.006;
const PULL = 0.01;

export class Market {
  private readonly prices = new Map<string, number>();
  private turn = 0;

  /** `random`: 0 ≤ x < 1. */
  constructor(
    private readonly random: () => number = Math.random,
    readonly listings: readonly Listing[] = LISTINGS,
  ) {}

  /** The next price of one of the listings, each in its turn. */
  next(): Pick<Quote, 'symbol' | 'name' | 'price' | 'change'> {
    const listing = this.listings[this.turn++ % this.listings.length] as Listing;
    const { symbol, name, open } = listing;
    const last = this.prices.get(symbol) ?? open;
    const drift = (this.random() * 2 - 1) * STEP + ((open - last) / open) * PULL;
    const price = Math.max(0.01, roundedToCents(last * (1 + drift)));
    this.prices.set(symbol, price);
    return { symbol, name, price, change: roundedToCents(price - open) };
  }
}

function roundedToCents(value: number): number {
  return Math.round(value * 100) / 100;
}
