/**
 * The push client (design §1, steps 2, 3, 5 and 8) for runtimes whose own push service is another one: a
 * page, a worker, or Node. It speaks the device protocol of the gateway and gives the application what the
 * Push API would: subscriptions and push events.
 */
import { encodeClientMessage, parseServerMessage, type Unregister } from '#wire';
import type { Bytes } from './base64url.js';
import { systemClock, type Clock } from './clock.js';
import { Device } from './device.js';
import {
  ClientEventTarget,
  FailureEvent,
  StateChangeEvent,
  SubscriptionChangeEvent,
} from './events.js';
import { Inbox } from './inbox.js';
import { Link, type LinkState } from './link.js';
import { Requests, type Reply } from './requests.js';
import type { ClientStorage } from './storage.js';
import { applicationServerKeyOf, freshKeys, type Subscription } from './subscription.js';

export interface ClientOptions {
  /** The gateway: `PUBLIC_GATEWAY_URL`, ws:// or wss://. */
  readonly url: string;
  readonly storage: ClientStorage;
  /** How long `subscribe` and `unsubscribe` wait, reconnections included. Default 10 s. */
  readonly requestTimeoutMs?: number;
  /**
   * A connection silent for so long is asked for a sign of life. Default 4 min, at least 1 min: the
   * service closes on pings closer than 45 s.
   */
  readonly pingIntervalMs?: number;
  /** Back-off: a random wait below base × 2ⁿ, at most max. Default 1 s and 1 min. */
  readonly retryBaseMs?: number;
  readonly retryMaxMs?: number;
  /** Every frame as it stands on the wire, but pings; hello holds the device's secret. */
  readonly onFrame?: (direction: 'sent' | 'received', text: string) => void;
  readonly clock?: Clock;
}

export interface SubscribeOptions {
  /** The VAPID public key that identifies the web site; without one anybody who knows the endpoint may send. */
  readonly applicationServerKey?: string | ArrayBuffer | Bytes;
}

const PING_INTERVAL_MIN_MS = 60_000;
const ANSWER_TIMEOUT_MS = 10_000;
const CLOSED = 'the push client was closed';

/** Add the listeners before `connect`: what has been waiting at the service comes at once. */
export class HeliographClient extends ClientEventTarget {
  private readonly link: Link;
  private readonly device: Device;
  private readonly requests: Requests;
  private readonly inbox: Inbox;
  private loading: Promise<void> | undefined;
  private closings = 0;
  private readonly subscribing = new Map<string | undefined, Promise<Subscription>>();

  constructor(private readonly options: ClientOptions) {
    super();
    const { storage, clock = systemClock, requestTimeoutMs: timeoutMs = 10_000 } = options;
    const send = (text: string): void => this.send(text);
    this.link = this.linkOf(clock);
    this.device = new Device(storage, (subscription) => this.unsubscribe(subscription));
    this.requests = new Requests({ timeoutMs, clock }, send);
    this.inbox = new Inbox(this.device, {
      show: (event) => this.dispatchEvent(event),
      failed: (error) => this.dispatchEvent(new FailureEvent(error)),
      send,
    });
  }

  get state(): LinkState {
    return this.link.state;
  }

  /**
   * Fulfilled when the service has answered hello. Until `close` the client comes back by itself whenever
   * the connection is lost, unless another client with the same state displaced it: then `connect` takes
   * the device back. While it waits for its next attempt, `connect` makes it at once.
   */
  async connect(): Promise<void> {
    await this.ready();
    this.start();
    await this.opened();
  }

  /** Subscriptions stay; what is sent meanwhile waits at the service. */
  close(): void {
    globalThis.removeEventListener?.('online', this.onOnline);
    this.closings++;
    this.link.stop();
    this.requests.failAll(CLOSED);
  }

  /** Those of this device, also of earlier runs. */
  async subscriptions(): Promise<readonly Subscription[]> {
    await this.ready();
    return [...this.device.subscriptions.values()];
  }

  /** The subscription with this key, an existing one if there is. Connects if need be. */
  async subscribe(options: SubscribeOptions = {}): Promise<Subscription> {
    const { applicationServerKey } = options;
    const key =
      applicationServerKey === undefined ? undefined : applicationServerKeyOf(applicationServerKey);
    const isWanted = (one: Subscription): boolean => one.stored.applicationServerKey === key;
    const found = (await this.subscriptions()).find(isWanted);
    if (found) return found;
    const underWay = this.subscribing.get(key) ?? this.register(key);
    this.subscribing.set(key, underWay);
    return underWay.finally(() => this.subscribing.delete(key));
  }

  private async register(key: string | undefined): Promise<Subscription> {
    const channelID = crypto.randomUUID();
    const keys = await freshKeys();
    this.start();
    const request = { messageType: 'register', channelID, ...(key && { key }) } as const;
    const { status, pushEndpoint: endpoint } = await this.requests.ask(request);
    if (status !== 200 || !endpoint) {
      throw new Error(`the push service refused to register: status ${status}`);
    }
    const stored = { channelID, endpoint, ...keys, settled: [] };
    return this.device.add(key ? { ...stored, applicationServerKey: key } : stored);
  }

  private async unsubscribe({ stored: { channelID } }: Subscription): Promise<boolean> {
    await this.ready();
    if (!this.device.subscriptions.delete(channelID)) return false;
    this.device.leaving.add(channelID);
    await this.device.save();
    this.start();
    const { status } = await this.requests.ask(leave(channelID));
    if (status === 200) return true;
    throw new Error(
      `the push service could not unregister: status ${status}; it is asked again later`,
    );
  }

  /** Whoever awaits this does not go on when the application has closed the client meanwhile. */
  private async ready(): Promise<void> {
    const { closings } = this;
    const loading = (this.loading ??= this.device.load());
    await loading.catch((error: unknown) => {
      this.loading = undefined;
      throw error;
    });
    if (closings !== this.closings) throw new Error(CLOSED);
  }

  private start(): void {
    globalThis.addEventListener?.('online', this.onOnline);
    this.link.start();
  }

  private opened(): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const { state } = this;
        if (state === 'connecting' || state === 'waiting') return;
        this.removeEventListener('statechange', look);
        if (state === 'open') resolve();
        else reject(new Error(`the push client is ${state}`));
      };
      this.addEventListener('statechange', look);
      look();
    });
  }

  private linkOf(clock: Clock): Link {
    const {
      url,
      pingIntervalMs = 240_000,
      retryBaseMs = 1_000,
      retryMaxMs = 60_000,
    } = this.options;
    if (pingIntervalMs < PING_INTERVAL_MIN_MS) {
      throw new RangeError(`pingIntervalMs ${pingIntervalMs} is below ${PING_INTERVAL_MIN_MS}`);
    }
    const answerTimeoutMs = ANSWER_TIMEOUT_MS;
    return new Link(
      { url, pingIntervalMs, answerTimeoutMs, retryBaseMs, retryMaxMs, clock },
      {
        greeting: () => this.greeting(),
        onFrame: (text) => this.onFrame(text),
        onLinkState: (state, why) => this.onLinkState(state, why),
      },
    );
  }

  private greeting(): string {
    const { uaid } = this.device;
    const hello = { messageType: 'hello', use_webpush: true, ...(uaid && { uaid }) } as const;
    const text = encodeClientMessage(hello);
    this.options.onFrame?.('sent', text);
    return text;
  }

  private send(text: string): void {
    if (this.link.send(text)) this.options.onFrame?.('sent', text);
  }

  private onFrame(text: string): void {
    this.options.onFrame?.('received', text);
    const message = parseServerMessage(text);
    switch (message?.messageType) {
      case 'hello':
        return this.onHello(message.uaid);
      case 'notification':
        return this.inbox.onNotification(message);
      case 'register':
      case 'unregister':
        return this.onReply(message);
    }
  }

  /** Another uaid than ours: the service has lost us, and every subscription with us. */
  private onHello(uaid: string): void {
    const { device } = this;
    const lost = device.uaid === uaid ? [] : [...device.subscriptions.values()];
    if (device.uaid !== uaid) device.forget();
    device.uaid = uaid;
    this.link.opened();
    this.requests.sayAgain();
    for (const channel of device.leaving) {
      const request = leave(channel);
      if (!this.requests.isWaitingFor(request)) this.send(encodeClientMessage(request));
    }
    if (lost.length > 0) this.save();
    for (const one of lost) this.dispatchEvent(new SubscriptionChangeEvent(one));
  }

  private onReply(reply: Reply): void {
    const { messageType, channelID, status } = reply;
    if (messageType === 'unregister' && status === 200) {
      if (this.device.leaving.delete(channelID)) this.save();
    } else if (messageType === 'register' && !this.requests.isWaitingFor(reply)) {
      // Whoever asked for it has given up: the service must not keep what nobody knows.
      this.send(encodeClientMessage(leave(channelID)));
    }
    this.requests.onReply(reply);
  }

  private readonly onOnline = (): void => {
    if (this.state === 'waiting') this.link.start();
  };

  private onLinkState(
    state: LinkState,
    { retryInMs, code }: { readonly retryInMs?: number; readonly code?: number },
  ): void {
    // Whoever displaced us writes the storage now: what is in memory here is read again before it is used.
    if (state === 'displaced') {
      this.device.release();
      this.loading = undefined;
      this.requests.failAll('another push client of this device has taken over');
    }
    this.dispatchEvent(new StateChangeEvent(state, retryInMs, code));
  }

  private save(): void {
    this.device.save().catch((error: unknown) => this.dispatchEvent(new FailureEvent(error)));
  }
}

function leave(channelID: string): Unregister {
  return { messageType: 'unregister', channelID, code: 200 };
}
