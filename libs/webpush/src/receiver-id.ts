/**
 * The receiver id: what an application server holds of a subscription, last segment of the endpoint URL
 * (design §6). It tells its holder neither the device nor that two ids belong to one device.
 *
 *   sealed = device subscription [fingerprint]   ; 16 + 16 [+ 32] OCTET, purpose "endpoint"
 *
 * So an id without key has 87 characters and one with a key 130, and nothing between.
 */
import type { DeviceId, KeyFingerprint, SubscriptionId } from './ids.js';
import type { KeyRing } from './key-ring.js';
import { open, seal, tokenLength, UNOPENABLE, type Unopened } from './sealed-token.js';

const UNKEYED_BYTES = 32;
const KEYED_BYTES = 64;
const UNKEYED_LENGTH = tokenLength(UNKEYED_BYTES);
const KEYED_LENGTH = tokenLength(KEYED_BYTES);

/** What a receiver id names. */
export interface Receiver {
  readonly device: DeviceId;
  readonly subscription: SubscriptionId;
  /** Of the VAPID key that the channel was registered with; absent: none. */
  readonly fingerprint?: KeyFingerprint;
}

export type OpenedReceiver = ({ readonly kind: 'opened' } & Receiver) | Unopened;

/** `nonce`: 12 random bytes, for this id alone. */
export function sealReceiverId(ring: KeyRing, receiver: Receiver, nonce: Buffer): string {
  const { device, subscription, fingerprint } = receiver;
  const plain = Buffer.allocUnsafe(fingerprint === undefined ? UNKEYED_BYTES : KEYED_BYTES);
  plain.write(device, 0, 'hex');
  plain.write(subscription, 16, 'hex');
  if (fingerprint !== undefined) plain.write(fingerprint, 32, 'base64url');
  return seal(ring, 'endpoint', plain, nonce);
}

/** Any text is allowed. `unknown key`: well-formed, but its key is not in this ring (design §6: 404 or 503). */
export function openReceiverId(ring: KeyRing, token: string): OpenedReceiver {
  if (token.length !== UNKEYED_LENGTH && token.length !== KEYED_LENGTH) return UNOPENABLE;
  const plain = open(ring, 'endpoint', token);
  if (!Buffer.isBuffer(plain)) return plain;
  const device = plain.toString('hex', 0, 16) as DeviceId;
  const subscription = plain.toString('hex', 16, 32) as SubscriptionId;
  if (plain.length === UNKEYED_BYTES) return { kind: 'opened', device, subscription };
  const fingerprint = plain.toString('base64url', 32) as KeyFingerprint;
  return { kind: 'opened', device, subscription, fingerprint };
}
