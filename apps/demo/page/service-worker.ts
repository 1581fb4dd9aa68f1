/**
 * The web application while its page is closed: the browser wakes it for each push (design §1, step 8). It
 * keeps what came, tells the pages that are open, and shows a notification when nobody looks or somebody asked.
 */
import type { Quote } from '../src/quote.js';
import type { Arrival } from './arrival.js';
import { QuoteBook } from './quote-book.js';
import { price, signed } from './spoken.js';

/** Of the worker's own types, what is used here: TypeScript has them in a library that excludes the page's. */
interface Waits extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Pushed extends Waits {
  readonly data: { json(): unknown } | null;
}
interface Clicked extends Waits {
  readonly notification: Notification;
}
interface Page {
  readonly visibilityState: DocumentVisibilityState;
  postMessage(message: unknown): void;
  focus(): Promise<unknown>;
}
interface Worker {
  readonly registration: ServiceWorkerRegistration;
  readonly clients: {
    matchAll(which: { type: 'window'; includeUncontrolled: boolean }): Promise<readonly Page[]>;
    openWindow(url: string): Promise<unknown>;
    claim(): Promise<void>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(name: 'push', listener: (event: Pushed) => void): void;
  addEventListener(name: 'notificationclick', listener: (event: Clicked) => void): void;
  addEventListener(
    name: 'install' | 'activate' | 'pushsubscriptionchange',
    listener: (event: Waits) => void,
  ): void;
}
const worker = self as unknown as Worker;
const book = new QuoteBook();

worker.addEventListener('install', (event) => event.waitUntil(worker.skipWaiting()));
worker.addEventListener('activate', (event) => event.waitUntil(worker.clients.claim()));
worker.addEventListener('push', (event) => event.waitUntil(onPush(event)));
worker.addEventListener('pushsubscriptionchange', (event) =>
  event.waitUntil(tell({ kind: 'lost' })),
);
worker.addEventListener('notificationclick', (event) => {
  event.notification.close();
  event.waitUntil(openPage());
});

async function onPush({ data }: Pushed): Promise<void> {
  const quote = data ? (data.json() as Quote) : undefined;
  const arrival: Arrival = { ...(quote && { quote }), arrivedAt: Date.now() };
  await book.remember(arrival);
  await tell({ kind: 'arrival', arrival });
  const isWatched = (await pages()).some((page) => page.visibilityState === 'visible');
  if (!isWatched || quote?.isAsked !== false) await notify(quote);
}

async function notify(quote: Quote | undefined): Promise<void> {
  const title = quote ? `${quote.symbol} ${price(quote.price)}` : 'A push without payload';
  const body = quote ? `${quote.name}, ${signed(quote.change)} today` : 'Meridian sent a nudge.';
  // One tag: a new price takes the place of the last one instead of piling up.
  await worker.registration.showNotification(title, { body, tag: 'quote', icon: 'icon.svg' });
}

async function tell(message: unknown): Promise<void> {
  for (const page of await pages()) page.postMessage(message);
}

function pages(): Promise<readonly Page[]> {
  return worker.clients.matchAll({ type: 'window', includeUncontrolled: true });
}

async function openPage(): Promise<void> {
  const [page] = await pages();
  await (page ? page.focus() : worker.clients.openWindow('./'));
}
