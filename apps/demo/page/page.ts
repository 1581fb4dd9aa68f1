/** The web application: joins a push client, the application server and what is to be seen. */
import type { SubscriptionJson } from '#client';
import type { Report } from '../src/reports.js';
import type { Arrival } from './arrival.js';
import { Arrivals } from './arrivals.js';
import { Board } from './board.js';
import { BrowserWay } from './browser-way.js';
import { byId } from './element.js';
import { LibraryWay } from './library-way.js';
import { clearNotice, showNotice } from './notice.js';
import { QuoteBook } from './quote-book.js';
import { Relay } from './relay.js';
import { SenderLog, statusOf, storyOf } from './sender-log.js';
import { askForQuote, enrol, fetchFacts, followReports, type SiteFacts } from './site.js';
import { duration, price, spelled } from './spoken.js';
import { Status } from './status.js';
import { Steps } from './steps.js';
import { ForeignService, type PushWay, type WayListener } from './way.js';
import { explainLibrary, FOREIGN, isReasonForLibrary } from './why-library.js';

class MeridianPage implements WayListener {
  private readonly steps = new Steps(byId('steps'));
  private readonly book = new QuoteBook();
  private readonly log = new SenderLog();
  private readonly board: Board;
  private readonly arrivals: Arrivals;
  private way: PushWay;
  private status: Status;
  private relay: Relay;
  private subscriberId: string | undefined;
  private stopReports = (): void => undefined;

  constructor(
    private readonly facts: SiteFacts,
    offsetMs: number,
  ) {
    this.board = new Board(facts.listings);
    this.arrivals = new Arrivals(offsetMs);
    byId('service-name').textContent = new URL(facts.endpointOrigin).host;
    const isForeign = localStorage.getItem(FOREIGN) !== null;
    this.way = BrowserWay.isPossible() && !isForeign ? this.browserWay() : this.libraryWay();
    [this.status, this.relay] = this.viewsOf(this.way);
  }

  async start(page: { readonly status: number; readonly tookMs: number }): Promise<void> {
    const { name, applicationServerKey, gatewayUrl, endpointOrigin } = this.facts;
    this.steps.show(1, {
      state: 'done',
      summary: `\`GET /api/site\` ${page.status} in ${duration(page.tookMs)}`,
      said: [
        { by: 'this page', text: 'GET /api/site' },
        {
          by: 'Meridian',
          text: spelled({ name, applicationServerKey, gatewayUrl, endpointOrigin }),
        },
      ],
    });
    byId('subscribe').onclick = () => this.whileBusy(() => this.subscribe());
    byId('unsubscribe').onclick = () => this.whileBusy(() => this.unsubscribe());
    byId('ask').onclick = () => this.whileBusy(() => this.ask(false));
    byId('ask-empty').onclick = () => this.whileBusy(() => this.ask(true));
    byId('take-back').onclick = () => this.whileBusy(() => this.way.takeBack());
    for (const arrival of await this.book.recall()) this.showArrival(arrival, false);
    await this.whileBusy(() => this.restore());
  }

  onArrival(arrival: Arrival): void {
    this.showArrival(arrival, true);
  }

  onLost(): void {
    this.showSubscribed(undefined);
    showNotice(
      'warning',
      'The push service does not know this device any more.',
      'Subscribe again.',
    );
  }

  onConnection(...[connection]: Parameters<WayListener['onConnection']>): void {
    this.status.show(connection);
  }

  onStep(...[step, story]: Parameters<WayListener['onStep']>): void {
    this.steps.show(step, story);
  }

  private async restore(): Promise<void> {
    const found = await this.orLibrary(() => this.way.restore());
    if (found) await this.enrol(found);
    else this.showSubscribed(undefined);
  }

  private async subscribe(): Promise<void> {
    clearNotice();
    this.steps.clear(2);
    await this.enrol(
      await this.orLibrary(() => this.way.subscribe(this.facts.applicationServerKey)),
    );
  }

  /** The push service is told; the site learns it by the 410 that its next quote gets. */
  private async unsubscribe(): Promise<void> {
    await this.way.unsubscribe();
    this.showSubscribed(undefined, { keepsReports: true });
    showNotice(
      'info',
      'Unsubscribed at the push service.',
      'Meridian was not told: its next quote is answered 410 Gone, and then it forgets this device.',
    );
  }

  private async ask(isEmpty: boolean): Promise<void> {
    if (this.subscriberId !== undefined) await askForQuote(this.subscriberId, isEmpty);
  }

  /** Step 5. */
  private async enrol(subscription: SubscriptionJson): Promise<void> {
    const said = { by: 'this page', text: `POST /api/subscriptions\n${spelled(subscription)}` };
    this.steps.show(5, { state: 'active', summary: '`POST /api/subscriptions`', said: [said] });
    const { body, status, tookMs } = await enrol(subscription);
    this.steps.show(5, {
      state: 'done',
      summary: `\`POST /api/subscriptions\` ${status} in ${duration(tookMs)}`,
      said: [said, { by: 'Meridian', text: `${status}\n${spelled(body)}` }],
    });
    this.showSubscribed(body.id);
    this.stopReports();
    this.stopReports = followReports(body.id, (report) => this.onReport(report));
  }

  /** Step 6. */
  private onReport(report: Report): void {
    this.log.add(report);
    this.steps.show(6, storyOf(report));
    this.steps.append(6, this.log.list);
    const said = statusOf(report) ?? report.exchange?.failure ?? report.outcome;
    this.relay.posted(String(said), report.exchange?.tookMs ?? 0);
    if (report.outcome !== 'removed') return;
    this.stopReports();
    if (this.subscriberId !== undefined) this.onLost();
    else showNotice('info', '410 Gone: Meridian has forgotten this device.');
  }

  /** Step 8. */
  private showArrival(arrival: Arrival, isNew: boolean): void {
    if (!this.arrivals.add(arrival)) return;
    const { quote } = arrival;
    if (quote) this.board.show(quote, isNew);
    byId('board-hint').textContent = 'Each price came by push.';
    if (!isNew) return;
    const tookMs = this.arrivals.tookMs(arrival);
    this.relay.arrived(tookMs);
    this.steps.show(8, {
      state: 'done',
      summary: quote
        ? `${quote.symbol} ${price(quote.price)}, ${duration(tookMs ?? 0)} after it was sent`
        : 'a push without payload',
      said: [{ by: this.way.clientName, text: quote ? spelled(quote) : 'event.data is null' }],
    });
    // A price every few seconds is not read aloud; what was asked for is.
    if (quote?.isAsked === false) return;
    byId('announcer').textContent = quote
      ? `${quote.name} at ${price(quote.price)}`
      : 'A push without payload has come';
  }

  private showSubscribed(id: string | undefined, { keepsReports = false } = {}): void {
    this.subscriberId = id;
    for (const name of ['ask', 'ask-empty', 'unsubscribe']) byId(name).hidden = id === undefined;
    byId('subscribe').hidden = id !== undefined;
    if (id === undefined) this.status.show({ kind: 'closed' });
    if (id === undefined && !keepsReports) this.stopReports();
  }

  /** One thing at a time, and what goes wrong is said. */
  private async whileBusy(act: () => Promise<void>): Promise<void> {
    const buttons = document.querySelectorAll<HTMLButtonElement>('.controls button');
    for (const button of buttons) button.disabled = true;
    try {
      await act();
    } catch (error) {
      showNotice('error', 'That did not work.', wordsOf(error));
    } finally {
      for (const button of buttons) button.disabled = false;
    }
  }

  /** Does it with the browser's push; if that is another service's, or not allowed, with the library. */
  private async orLibrary<T>(act: () => Promise<T>): Promise<T> {
    try {
      return await act();
    } catch (error) {
      if (!isReasonForLibrary(error) || this.way instanceof LibraryWay) throw error;
      if (error instanceof ForeignService) localStorage.setItem(FOREIGN, error.service);
      this.steps.clear(2);
      this.way = this.libraryWay(error);
      [this.status, this.relay] = this.viewsOf(this.way);
      return act();
    }
  }

  private browserWay(): PushWay {
    return new BrowserWay(this.facts.endpointOrigin, this);
  }

  private libraryWay(reason?: unknown): PushWay {
    explainLibrary(reason);
    return new LibraryWay(this.facts.gatewayUrl, this.book, this);
  }

  private viewsOf({ clientName }: PushWay): [Status, Relay] {
    return [new Status(clientName), new Relay(clientName)];
  }
}

function wordsOf(error: unknown): string {
  const { name, message } = error as Error;
  return name === 'AbortError' ? `${message} Is the push service running?` : message;
}

async function open(): Promise<void> {
  if (!isSecureContext) {
    const title = 'This page needs a secure context.';
    const why =
      'Browsers decrypt for https:// pages and for this machine’s own (`http://127.0.0.1`) only.';
    return showNotice('error', title, why);
  }
  try {
    const { body, offsetMs, ...page } = await fetchFacts();
    await new MeridianPage(body, offsetMs).start(page);
  } catch (error) {
    showNotice('error', 'This page could not be opened.', wordsOf(error));
  }
}

void open();
