/** What has come by push, newest first, with the time that each took. */
import { nameOf, type Arrival } from './arrival.js';
import { byId, element } from './element.js';
import { duration, price, signed, timeOfDay } from './spoken.js';

const SHOWN_MAX = 12;
/** Of so many the median is told. */
const MEASURED_MAX = 200;

export class Arrivals {
  private readonly names = new Set<string>();
  private readonly took: number[] = [];

  /** `offsetMs`: the site's clock less ours. */
  constructor(private readonly offsetMs: number) {}

  /** How long it was under way; undefined for one without payload, which does not say when it was sent. */
  tookMs({ quote, arrivedAt }: Arrival): number | undefined {
    return quote && Math.max(0, arrivedAt + this.offsetMs - quote.sentAt);
  }

  /** False: it is here already. */
  add(arrival: Arrival): boolean {
    const name = nameOf(arrival);
    if (this.names.has(name)) return false;
    this.names.add(name);
    const tookMs = this.tookMs(arrival);
    if (tookMs !== undefined) this.took.push(tookMs);
    if (this.took.length > MEASURED_MAX) this.took.shift();
    this.show(arrival, tookMs);
    return true;
  }

  private show({ quote, arrivedAt }: Arrival, tookMs: number | undefined): void {
    const list = byId('arrivals');
    const data = { number: String(quote?.number ?? ''), asked: String(quote?.isAsked ?? true) };
    const what = quote
      ? [
          element('b', { text: quote.symbol }),
          element('span', { className: 'number', text: price(quote.price) }),
          element('span', { className: 'number change', text: signed(quote.change) }),
        ]
      : [element('b', { text: 'Empty push' }), element('span', { text: 'no payload' })];
    const item = element(
      'li',
      { data: { ...data, trend: (quote?.change ?? 0) < 0 ? 'down' : 'up' } },
      [
        element('time', { text: timeOfDay(arrivedAt) }),
        element('span', { className: 'what' }, what),
        element('span', { className: 'tag', text: quote?.isAsked === false ? '' : 'asked' }),
        element('span', { className: 'took', text: tookMs === undefined ? '' : duration(tookMs) }),
      ],
    );
    list.prepend(item);
    while (list.childElementCount > SHOWN_MAX) list.lastElementChild?.remove();
    byId('no-arrivals').hidden = true;
    byId('count').textContent = String(this.names.size);
    const median = this.took.toSorted((a, b) => a - b)[Math.floor(this.took.length / 2)];
    if (median !== undefined) byId('median').textContent = duration(median);
  }
}
