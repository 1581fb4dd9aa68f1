/**
 * The browser's own Push API: the browser holds the connection, decrypts, and wakes the service worker. What it
 * says to the push service (steps 3, 4 and 7) no page can see; its results can be shown.
 */
import type { SubscriptionJson } from '#client';
import { serviceOf } from '../src/service-name.js';
import type { Arrival } from './arrival.js';
import { spelled, tokenised, tokenOf } from './spoken.js';
import { ForeignService, type PushWay, type WayListener } from './way.js';

type FromWorker =
  { readonly kind: 'arrival'; readonly arrival: Arrival } | { readonly kind: 'lost' };

const HIDDEN = 'Firefox says this on its own connection, which it shows to no page.';

export class BrowserWay implements PushWay {
  readonly clientName = 'Firefox';

  constructor(
    private readonly endpointOrigin: string,
    private readonly listener: WayListener,
  ) {}

  /** Only Firefox lets its user choose the push service: other browsers are not even asked. */
  static isPossible(): boolean {
    const isFirefox = /\bFirefox\//.test(navigator.userAgent);
    return isFirefox && 'serviceWorker' in navigator && 'PushManager' in globalThis;
  }

  async restore(): Promise<SubscriptionJson | undefined> {
    navigator.serviceWorker.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => {
      if (data.kind === 'arrival') this.onArrival(data.arrival);
      else this.listener.onLost();
    });
    navigator.serviceWorker.startMessages();
    const registration = await navigator.serviceWorker.register('service-worker.js');
    const found = await registration.pushManager.getSubscription();
    if (!found) return undefined;
    await this.refuseForeign(found);
    this.listener.onConnection({ kind: 'hidden' });
    this.tellRegistered(found, ', on an earlier visit');
    return jsonOf(found);
  }

  async subscribe(applicationServerKey: string): Promise<SubscriptionJson> {
    const { pushManager } = await navigator.serviceWorker.ready;
    await this.dropOtherKey(pushManager, applicationServerKey);
    const asked = `pushManager.subscribe(${spelled({ userVisibleOnly: true, applicationServerKey })})`;
    this.listener.onStep(2, {
      state: 'done',
      summary: `\`subscribe({ applicationServerKey: ${tokenised(applicationServerKey)} })\``,
      said: [{ by: 'this page', text: asked }],
    });
    this.listener.onStep(3, { state: 'active', summary: 'Firefox registers', note: HIDDEN });
    const subscription = await pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey,
    });
    await this.refuseForeign(subscription);
    this.listener.onConnection({ kind: 'hidden' });
    this.tellRegistered(subscription);
    return jsonOf(subscription);
  }

  async unsubscribe(): Promise<void> {
    const { pushManager } = await navigator.serviceWorker.ready;
    await (await pushManager.getSubscription())?.unsubscribe();
    this.listener.onConnection({ kind: 'closed' });
  }

  /** A browser's push is never displaced. */
  takeBack(): Promise<void> {
    return Promise.resolve();
  }

  /** One subscription per service worker: with another key (the site made itself a new one) it must go first. */
  private async dropOtherKey(pushManager: PushManager, key: string): Promise<void> {
    const found = await pushManager.getSubscription();
    const bound = found?.options.applicationServerKey;
    if (!found || !bound) return;
    const text = btoa(String.fromCharCode(...new Uint8Array(bound)));
    const isSame = text.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '') === key;
    if (!isSame) await found.unsubscribe();
  }

  private async refuseForeign(subscription: PushSubscription): Promise<void> {
    const endpoint = new URL(subscription.endpoint);
    if (endpoint.origin === this.endpointOrigin) return;
    await subscription.unsubscribe();
    throw new ForeignService(serviceOf(endpoint), subscription.endpoint);
  }

  private tellRegistered(subscription: PushSubscription, which = ''): void {
    this.listener.onStep(3, {
      state: 'done',
      summary: `Firefox has registered this device${which}`,
      note: HIDDEN,
    });
    this.listener.onStep(4, {
      state: 'done',
      summary: `\`${tokenOf(subscription.endpoint)}\`, a sealed name for this subscription`,
      said: [{ by: 'Firefox', text: spelled(jsonOf(subscription)) }],
    });
  }

  private onArrival(arrival: Arrival): void {
    this.listener.onStep(7, {
      state: 'done',
      summary: 'Firefox has received, opened and acknowledged it',
      note: HIDDEN,
    });
    this.listener.onArrival(arrival);
  }
}

function jsonOf(subscription: PushSubscription): SubscriptionJson {
  return subscription.toJSON() as SubscriptionJson;
}
