/** The push client library in this page: it holds the connection itself, so each frame can be shown. */
import { HeliographClient, IndexedDbStorage, type PushEvent, type SubscriptionJson } from '#client';
import type { Quote } from '../src/quote.js';
import type { Arrival } from './arrival.js';
import type { QuoteBook } from './quote-book.js';
import { spelled, tokenised, tokenOf } from './spoken.js';
import type { Said } from './steps.js';
import type { PushWay, WayListener } from './way.js';

type Frame = Readonly<Record<string, unknown>>;

export class LibraryWay implements PushWay {
  readonly clientName = 'Client library';
  private readonly client: HeliographClient;
  private greeting: Said[] = [];
  private delivery: Said[] = [];

  constructor(
    gatewayUrl: string,
    private readonly book: QuoteBook,
    private readonly listener: WayListener,
  ) {
    this.client = new HeliographClient({
      url: gatewayUrl,
      storage: new IndexedDbStorage('meridian'),
      // Somebody is looking: this is soon again where a fleet of devices would take its time.
      retryBaseMs: 500,
      retryMaxMs: 4_000,
      onFrame: (direction, text) => this.onFrame(direction === 'sent', text),
    });
    this.client.addEventListener('push', (event) => event.waitUntil(this.onPush(event)));
    this.client.addEventListener('subscriptionchange', () => listener.onLost());
    this.client.addEventListener('statechange', ({ state, retryInMs = 0 }) => {
      if (state === 'waiting') listener.onConnection({ kind: 'waiting', retryInMs });
      else listener.onConnection({ kind: state === 'displaced' ? 'elsewhere' : state });
    });
  }

  async restore(): Promise<SubscriptionJson | undefined> {
    const [found] = await this.client.subscriptions();
    if (!found) return undefined;
    // Not awaited: the service may be away, and what it has kept for us comes whenever it is back.
    void this.client.connect().catch(() => undefined);
    this.listener.onStep(4, {
      state: 'done',
      summary: `\`${tokenOf(found.endpoint)}\`, from an earlier visit`,
      said: [{ by: 'client library', text: spelled(found) }],
    });
    return found.toJSON();
  }

  async subscribe(applicationServerKey: string): Promise<SubscriptionJson> {
    this.listener.onStep(2, {
      state: 'done',
      summary: `\`subscribe({ applicationServerKey: ${tokenised(applicationServerKey)} })\``,
      said: [{ by: 'this page', text: `client.subscribe(${spelled({ applicationServerKey })})` }],
    });
    return (await this.client.subscribe({ applicationServerKey })).toJSON();
  }

  async unsubscribe(): Promise<void> {
    for (const subscription of await this.client.subscriptions()) await subscription.unsubscribe();
    this.client.close();
  }

  async takeBack(): Promise<void> {
    await this.client.connect();
  }

  /** The ack says that it is in the book: it goes out when this is done. */
  private async onPush({ data }: PushEvent): Promise<void> {
    const quote = data ? (data.json() as Quote) : undefined;
    const arrival: Arrival = { ...(quote && { quote }), arrivedAt: Date.now() };
    this.listener.onArrival(arrival);
    await this.book.remember(arrival);
  }

  private onFrame(isSent: boolean, text: string): void {
    const frame = JSON.parse(text) as Frame;
    const said = { by: isSent ? 'client library' : 'Heliograph', text: spelled(masked(frame)) };
    switch (`${isSent ? 'sent' : 'received'} ${String(frame['messageType'])}`) {
      case 'sent hello':
        this.greeting = [said];
        return this.tell(3, '`hello`', this.greeting, 'active');
      case 'received hello':
        this.greeting.push(said);
        return this.tell(3, '`hello`, and the service knows this device', this.greeting);
      case 'sent register':
        return this.tell(3, registrationOf(frame), [...this.greeting, said]);
      case 'received register':
        return this.tell(4, receiverOf(frame), [said]);
      case 'received notification':
        this.delivery = [said];
        return this.tell(7, '`notification`, not yet acknowledged', this.delivery, 'active');
      case 'sent ack':
        this.delivery.push(said);
        return this.tell(7, '`notification`, acknowledged when it was kept', this.delivery);
    }
  }

  private tell(
    step: number,
    summary: string,
    said: readonly Said[],
    state: 'active' | 'done' = 'done',
  ): void {
    this.listener.onStep(step, { state, summary, said: [...said] });
  }
}

function registrationOf({ channelID }: Frame): string {
  return `\`register ${tokenised(String(channelID))}\`, with the site’s key`;
}

function receiverOf({ status, pushEndpoint }: Frame): string {
  if (typeof pushEndpoint !== 'string') return `refused with status ${String(status)}`;
  return `\`${tokenOf(pushEndpoint)}\`, a sealed name for this subscription`;
}

/** Whoever has the device's secret is the device: it is not for a screen that somebody may share. */
function masked(frame: Frame): Frame {
  return 'uaid' in frame ? { ...frame, uaid: '(the secret of this device)' } : frame;
}
