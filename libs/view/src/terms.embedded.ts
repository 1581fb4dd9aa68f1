/** The terms of subscriptions, each kept once for all that have them, and no longer than those. */
import type { Subscription } from '#webpush';
import { Terms } from './device.embedded.js';

export class TermsTable {
  private readonly terms = new Map<string, Terms>();

  get size(): number {
    return this.terms.size;
  }

  take({ fingerprint, site }: Pick<Subscription, 'fingerprint' | 'site'>): Terms {
    const key = keyOf(fingerprint, site);
    let terms = this.terms.get(key);
    if (!terms) this.terms.set(key, (terms = new Terms(fingerprint, site)));
    terms.uses++;
    return terms;
  }

  drop(terms: Terms | undefined): void {
    if (terms && --terms.uses === 0) this.terms.delete(keyOf(terms.fingerprint, terms.site));
  }
}

/** The fingerprint itself where there is no site (most): no second string is kept for it. */
function keyOf(fingerprint: string | undefined, site: string | undefined): string {
  return site === undefined ? (fingerprint ?? '') : `${fingerprint ?? ''} ${site}`;
}
