import { fromBase64url, toBase64url, type Bytes } from './base64url.js';
import type { ReceiverKeys } from './decrypt.js';
import { Settled } from './settled.js';
import type { StoredSubscription } from './storage.js';

const P256 = { name: 'ECDH', namedCurve: 'P-256' };

/** What a PushSubscription serialises to: an application server needs no more. */
export interface SubscriptionJson {
  readonly endpoint: string;
  readonly expirationTime: null;
  readonly keys: { readonly p256dh: string; readonly auth: string };
}

/** Keys of a subscription to be: {@link Subscription} is made of them when the service has answered. */
export type FreshKeys = Pick<StoredSubscription, 'p256dh' | 'auth' | 'privateKey'>;

export async function freshKeys(): Promise<FreshKeys> {
  const pair = await crypto.subtle.generateKey(P256, true, ['deriveBits']);
  const publicKey = await crypto.subtle.exportKey('raw', pair.publicKey);
  return {
    p256dh: toBase64url(new Uint8Array(publicKey)),
    auth: toBase64url(crypto.getRandomValues(new Uint8Array(16))),
    privateKey: await crypto.subtle.exportKey('jwk', pair.privateKey),
  };
}

/** What this device agreed with one application server. Has the members of the Push API's PushSubscription. */
export class Subscription {
  readonly endpoint: string;
  readonly expirationTime = null;
  /** The client's own, not for applications. */
  readonly settled: Settled;
  private imported: Promise<ReceiverKeys> | undefined;

  constructor(
    readonly stored: StoredSubscription,
    private readonly leave: (subscription: Subscription) => Promise<boolean>,
  ) {
    this.endpoint = stored.endpoint;
    this.settled = new Settled(stored.settled);
  }

  get options(): {
    readonly applicationServerKey: ArrayBuffer | null;
    readonly userVisibleOnly: boolean;
  } {
    const key = this.stored.applicationServerKey;
    const applicationServerKey = key === undefined ? null : fromBase64url(key).buffer;
    return { applicationServerKey, userVisibleOnly: false };
  }

  getKey(name: 'p256dh' | 'auth'): ArrayBuffer {
    return fromBase64url(this.stored[name]).buffer;
  }

  toJSON(): SubscriptionJson {
    const { endpoint, p256dh, auth } = this.stored;
    return { endpoint, expirationTime: null, keys: { p256dh, auth } };
  }

  /**
   * Nothing is received any more from this call on. True: the service has removed it; false: it had been
   * given up before. Rejects when the service could not be told: that is done at the next connection.
   */
  unsubscribe(): Promise<boolean> {
    return this.leave(this);
  }

  receiverKeys(): Promise<ReceiverKeys> {
    return (this.imported ??= this.importKeys());
  }

  /** As it is now, to be saved. */
  snapshot(): StoredSubscription {
    return { ...this.stored, settled: this.settled.entries() };
  }

  private async importKeys(): Promise<ReceiverKeys> {
    const { privateKey: jwk, p256dh, auth } = this.stored;
    const privateKey = await crypto.subtle.importKey('jwk', jwk, P256, false, ['deriveBits']);
    return { privateKey, publicKey: fromBase64url(p256dh), auth: fromBase64url(auth) };
  }
}

/** As text for the wire. Throws a TypeError for what can be no VAPID key: the service needs not be asked. */
export function applicationServerKeyOf(key: string | ArrayBuffer | Bytes): string {
  const bytes = typeof key === 'string' ? readKey(key) : new Uint8Array(key);
  if (bytes?.length === 65 && bytes[0] === 4) return toBase64url(bytes);
  throw new TypeError(
    'applicationServerKey must be an uncompressed P-256 key: 65 bytes, 0x04 first',
  );
}

function readKey(key: string): Bytes | undefined {
  try {
    return fromBase64url(key);
  } catch {
    return undefined;
  }
}
