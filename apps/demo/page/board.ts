/** The market: one row for each company, its price moved by pushes alone. */
import type { Listing, Quote } from '../src/quote.js';
import { byId, element } from './element.js';
import { price, signed } from './spoken.js';
import { Sparkline } from './sparkline.js';

const FLASH_MS = 900;

export class Board {
  private readonly rows = new Map<string, Row>();

  constructor(listings: readonly Listing[]) {
    for (const listing of listings) this.rows.set(listing.symbol, new Row(listing));
    byId('quotes').replaceChildren(...Array.from(this.rows.values(), ({ item }) => item));
  }

  /** `isNew`: it has just come; otherwise it is from the book. */
  show(quote: Quote, isNew: boolean): void {
    this.rows.get(quote.symbol)?.show(quote, isNew);
  }
}

class Row {
  readonly item: HTMLTableRowElement;
  private readonly price: HTMLTableCellElement;
  private readonly change: HTMLTableCellElement;
  private readonly sparkline: Sparkline;
  private shownAt = 0;

  constructor({ symbol, name, open }: Listing) {
    this.sparkline = new Sparkline(`Course of ${name}`, open);
    this.price = element('td', { className: 'number price', text: price(open) });
    this.change = element('td', { className: 'number change', text: '–' });
    const company = element('th', { attributes: { scope: 'row' } }, [
      element('b', { text: symbol }),
      element('span', { text: name }),
    ]);
    const chart = element('td', { className: 'chart' }, [this.sparkline.picture]);
    const data = { symbol, fresh: 'no' };
    this.item = element('tr', { data }, [company, chart, this.price, this.change]);
  }

  show(quote: Quote, isNew: boolean): void {
    this.sparkline.add(quote.price);
    // One that was delayed is part of the course, but the price is the latest that was quoted.
    if (quote.sentAt < this.shownAt) return;
    this.shownAt = quote.sentAt;
    const percent = (quote.change / (quote.price - quote.change)) * 100;
    this.price.textContent = price(quote.price);
    this.change.replaceChildren(
      element('span', { text: signed(quote.change) }),
      element('span', { className: 'percent', text: `${signed(percent)} %` }),
    );
    this.item.dataset['trend'] = quote.change < 0 ? 'down' : 'up';
    this.item.dataset['fresh'] = 'yes';
    if (isNew) this.flash();
  }

  private flash(): void {
    this.item.classList.remove('flash');
    // Reading the layout lets an animation that runs begin anew.
    void this.item.offsetWidth;
    this.item.classList.add('flash');
    setTimeout(() => this.item.classList.remove('flash'), FLASH_MS);
  }
}
