/** A price as it is pushed: the whole payload of a push message. */
export interface Quote {
  readonly symbol: string;
  readonly name: string;
  readonly price: number;
  /** Since the opening, in the currency of the price. */
  readonly change: number;
  /** Counts the messages of this site, since it started. */
  readonly number: number;
  /** When the site sent it for the first time, ms. */
  readonly sentAt: number;
  /** By the button, not by the clock. */
  readonly isAsked: boolean;
}

export interface Listing {
  readonly symbol: string;
  readonly name: string;
  readonly open: number;
}

/** Invented companies of a small exchange. */
export const LISTINGS: readonly Listing[] = [
  { symbol: 'MRRW', name: 'Mirror Works', open: 128.4 },
  { symbol: 'LHOP', name: 'Lighthouse Optics', open: 64.15 },
  { symbol: 'SMPH', name: 'Semaphore Rail', open: 41.9 },
  { symbol: 'MRSC', name: 'Morse Copper', open: 17.32 },
  { symbol: 'SHTR', name: 'Shutter Marine', open: 233.05 },
  { symbol: 'NOON', name: 'Noon Solar', open: 88.7 },
];
