/**
 * The message id: last segment of `Location`, and `version` on the wire. Sealed, because possession is the
 * right to cancel, and because it must not tell whose message it is.
 *
 *   sealed = device subscription                 ; 16 + 16 OCTET, purpose "message id"
 */
import type { DeviceId, MessageId, SubscriptionId } from './ids.js';
import type { KeyRing } from './key-ring.js';
import { open, seal, tokenLength, UNOPENABLE, type Unopened } from './sealed-token.js';

const SEALED_BYTES = 32;
const LENGTH = tokenLength(SEALED_BYTES);

/** Whose message it is. */
export interface MessageOwner {
  readonly device: DeviceId;
  readonly subscription: SubscriptionId;
}

export type OpenedMessage =
  ({ readonly kind: 'opened'; readonly id: MessageId } & MessageOwner) | Unopened;

/** `nonce`: 12 random bytes, for this message alone; they are what makes the id unique. */
export function sealMessageId(ring: KeyRing, owner: MessageOwner, nonce: Buffer): MessageId {
  const plain = Buffer.allocUnsafe(SEALED_BYTES);
  plain.write(owner.device, 0, 'hex');
  plain.write(owner.subscription, 16, 'hex');
  return seal(ring, 'message id', plain, nonce) as MessageId;
}

/** Any text is allowed. `id` is the token in its one canonical spelling. */
export function openMessageId(ring: KeyRing, token: string): OpenedMessage {
  if (token.length !== LENGTH) return UNOPENABLE;
  const plain = open(ring, 'message id', token);
  if (!Buffer.isBuffer(plain)) return plain;
  const device = plain.toString('hex', 0, 16) as DeviceId;
  const subscription = plain.toString('hex', 16, 32) as SubscriptionId;
  return { kind: 'opened', id: token as MessageId, device, subscription };
}

/** The id's bytes, as they are the key of a record in `notifications`. */
export function rawMessageId(id: MessageId): Buffer {
  return Buffer.from(id, 'base64url');
}

export function messageIdOf(raw: Buffer): MessageId {
  return raw.toString('base64url') as MessageId;
}
