import type { Quote } from '../src/quote.js';

/** What came by push, and when. */
export interface Arrival {
  /** Absent: a push without payload. */
  readonly quote?: Quote;
  /** By the clock of this device, ms. */
  readonly arrivedAt: number;
}

/** The same message has the same name, whichever way this page learnt of it. */
export function nameOf({ quote, arrivedAt }: Arrival): string {
  return quote ? `${quote.sentAt}.${quote.number}` : `empty.${arrivedAt}`;
}
