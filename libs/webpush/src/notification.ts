import type { DeviceId, KeyFingerprint, MessageId, SubscriptionId } from './ids.js';
import type { TraceContext } from './traceparent.js';

/** RFC 8030 §5.3. */
export const URGENCIES = ['very-low', 'low', 'normal', 'high'] as const;
export type Urgency = (typeof URGENCIES)[number];

/** RFC 8291 and its draft 03; the payload itself is never parsed. */
export const CONTENT_ENCODINGS = ['aes128gcm', 'aesgcm'] as const;
export type ContentEncoding = (typeof CONTENT_ENCODINGS)[number];

/** How a notification ended (design §2). The order is part of the metrics and of nothing else. */
export const OUTCOMES = [
  'delivered',
  'undecryptable',
  'rejected',
  'expired',
  'replaced',
  'deleted',
  'gone',
  'dropped',
] as const;
export type Outcome = (typeof OUTCOMES)[number];

/** What ingest accepted: the RFC 8030 headers and the opaque payload. */
export interface Notification {
  readonly id: MessageId;
  readonly device: DeviceId;
  readonly subscription: SubscriptionId;
  /** Effective, 0 … `TTL_SECONDS_MAX`. */
  readonly ttlSeconds: number;
  readonly urgency: Urgency;
  /** 1–32 characters of the base64url alphabet. */
  readonly topic?: string;
  /** Absent exactly when the payload is empty. */
  readonly encoding?: ContentEncoding;
  /** aesgcm only: header values as the device gets them (no double quotes, no trailing `=`). */
  readonly encryption?: string;
  readonly cryptoKey?: string;
  /** Where its sender asked for it to be traced. */
  readonly trace?: TraceContext;
  readonly payload: Buffer;
}

/** An outcome that is decided and counted, to be told to the log (design §5, rule 4). */
export interface Announcement {
  /** Of the notification it is about, in `notifications`. */
  readonly offset: number;
  readonly device: DeviceId;
  readonly id: MessageId;
  readonly outcome: Outcome;
  /** The store's clock at the decision, ms. */
  readonly at: number;
}

/** What one device agreed with one application server. */
export interface Subscription {
  readonly subscription: SubscriptionId;
  /** Of the VAPID key that the channel was registered with; absent: none. */
  readonly fingerprint?: KeyFingerprint;
  /** The URL of the web site, where the REST door was told one. */
  readonly site?: string;
}

/** What a record of the `subscriptions` stream says. */
export type SubscriptionFact =
  | ({ readonly kind: 'present'; readonly device: DeviceId } & Subscription)
  | { readonly kind: 'gone'; readonly device: DeviceId; readonly subscription: SubscriptionId }
  /** `at`: when the device was seen, ms. */
  | { readonly kind: 'seen'; readonly device: DeviceId; readonly at: number }
  /** The device is removed with all that it has. */
  | { readonly kind: 'forgotten'; readonly device: DeviceId };
