/** What a client tells its application, in the manner of the Push API. */
import type { Bytes } from './base64url.js';
import type { LinkState } from './link.js';
import type { Subscription } from './subscription.js';

/** The decrypted payload. */
export class PushData {
  constructor(private readonly payload: Bytes) {}

  bytes(): Bytes {
    return this.payload.slice();
  }

  arrayBuffer(): ArrayBuffer {
    return this.bytes().buffer;
  }

  blob(): Blob {
    return new Blob([this.payload]);
  }

  text(): string {
    return new TextDecoder().decode(this.payload);
  }

  json(): unknown {
    return JSON.parse(this.text());
  }
}

/**
 * A notification has come. It is acked when all listeners have returned and all that they gave to
 * `waitUntil` is settled: 100, or 102 if any of it rejected. (What a listener throws goes where the
 * runtime takes it, as with every EventTarget: give `waitUntil` a promise where a failure matters.)
 */
export class PushEvent extends Event {
  private readonly waitingFor: Promise<unknown>[] = [];

  constructor(
    /** null: it came without a payload. */
    readonly data: PushData | null,
    readonly subscription: Subscription,
    /** The service's name of the message: the last segment of the sender's `Location`. */
    readonly messageId: string,
  ) {
    super('push');
  }

  waitUntil(work: Promise<unknown>): void {
    this.waitingFor.push(work);
  }

  /** Whether all work, with what was added meanwhile, was fulfilled. For the client. */
  async succeeded(): Promise<boolean> {
    let isFulfilled = true;
    while (this.waitingFor.length > 0) {
      const results = await Promise.allSettled(this.waitingFor.splice(0));
      isFulfilled &&= results.every(({ status }) => status === 'fulfilled');
    }
    return isFulfilled;
  }
}

/** The service does not know this device any more: subscribe again. As in Firefox, nothing replaces the old one. */
export class SubscriptionChangeEvent extends Event {
  readonly newSubscription = null;

  constructor(readonly oldSubscription: Subscription) {
    super('subscriptionchange');
  }
}

export class StateChangeEvent extends Event {
  constructor(
    readonly state: LinkState,
    /** When waiting: ms until the next attempt. */
    readonly retryInMs?: number,
    /** Of the close that led here. */
    readonly code?: number,
  ) {
    super('statechange');
  }
}

/** Something failed that nobody waits for: what was received could not be remembered. */
export class FailureEvent extends Event {
  constructor(readonly error: unknown) {
    super('error');
  }
}

export interface ClientEvents {
  readonly push: PushEvent;
  readonly subscriptionchange: SubscriptionChangeEvent;
  readonly statechange: StateChangeEvent;
  readonly error: FailureEvent;
}

/** An EventTarget that knows its events by name. */
export interface ClientEventTarget extends Omit<
  EventTarget,
  'addEventListener' | 'removeEventListener'
> {
  addEventListener<N extends keyof ClientEvents>(
    name: N,
    listener: (event: ClientEvents[N]) => void,
    options?: AddEventListenerOptions | boolean,
  ): void;
  removeEventListener<N extends keyof ClientEvents>(
    name: N,
    listener: (event: ClientEvents[N]) => void,
  ): void;
}
export const ClientEventTarget = EventTarget as new () => ClientEventTarget;
