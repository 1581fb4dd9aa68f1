/**
 * What a gateway says (contract §1 "Server → client"). Frames are built by hand: only what can need escaping
 * goes through JSON.stringify, and that is nothing on the hot path.
 */
import type { ContentEncoding } from '#webpush';

/** The statuses that clients understand. */
export type ReplyStatus = 200 | 400 | 409 | 500;

export interface RegisterReply {
  /** As the device sent it, verbatim. */
  readonly channelID: string;
  readonly status: ReplyStatus;
  readonly pushEndpoint?: string;
}
export interface UnregisterReply {
  readonly channelID: string;
  readonly status: ReplyStatus;
}
export interface NotificationFrame {
  /** A UUID of ours (uuidOf). */
  readonly channelID: string;
  /** The message id: base64url. */
  readonly version: string;
  /** base64url without padding; absent for an empty body, and then there are no headers either. */
  readonly data?: string | undefined;
  readonly encoding?: ContentEncoding | undefined;
  readonly encryption?: string | undefined;
  readonly cryptoKey?: string | undefined;
}

/** The answer to a ping. */
export const PONG = '{}';

/** `uaid`: 32 hex digits. */
export function helloFrame(uaid: string): string {
  return `{"messageType":"hello","uaid":"${uaid}","status":200,"use_webpush":true,"broadcasts":{}}`;
}

export function registerFrame(reply: RegisterReply): string {
  return JSON.stringify({ messageType: 'register', ...reply });
}

export function unregisterFrame(reply: UnregisterReply): string {
  return JSON.stringify({ messageType: 'unregister', ...reply });
}

/** `data` without `headers` would lose the payload in Firefox: `encoding` must be there when data is. */
export function notificationFrame(n: NotificationFrame): string {
  const start = `{"messageType":"notification","channelID":"${n.channelID}","version":"${n.version}"`;
  if (n.data === undefined) return start + '}';
  if (n.encryption === undefined && n.cryptoKey === undefined) {
    return `${start},"data":"${n.data}","headers":{"encoding":"${n.encoding}"}}`;
  }
  const { encoding, encryption, cryptoKey: crypto_key } = n;
  return `${start},"data":"${n.data}","headers":${JSON.stringify({ encoding, encryption, crypto_key })}}`;
}
