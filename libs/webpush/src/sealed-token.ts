/**
 * The envelope of receiver ids and message ids: AES-256-GCM under a key of the ring. Hot: every POST opens
 * one and seals one.
 *
 *   token   = base64url without padding of: version key-id nonce ciphertext tag
 *   version = %x01                ; 1 byte
 *   key-id  = 4 OCTET             ; first 4 bytes of SHA-256 of the key
 *   nonce   = 12 OCTET            ; random, by the caller
 *   tag     = 16 OCTET
 *
 * The purpose is the associated data, so that a token of one purpose does not open as another. A token has
 * one spelling: other alphabets, padding and stray bits at the end do not open.
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { KeyRing } from './key-ring.js';

const VERSION = 1;
export const NONCE_BYTES = 12;
const NONCE_AT = 5;
const SEALED_AT = NONCE_AT + NONCE_BYTES;
const TAG_BYTES = 16;

const PURPOSES = {
  endpoint: Buffer.from('endpoint'),
  'message id': Buffer.from('message id'),
} as const;
export type Purpose = keyof typeof PURPOSES;

/** Why a token gave nothing: its key is not in the ring (another service may hold it), or it is not ours. */
export type Unopened =
  { readonly kind: 'unknown key'; readonly keyId: string } | { readonly kind: 'unopenable' };

export const UNOPENABLE: Unopened = { kind: 'unopenable' };

/** Characters of a token that seals `bytes` bytes. */
export function tokenLength(bytes: number): number {
  return Math.ceil(((SEALED_AT + bytes + TAG_BYTES) * 4) / 3);
}

/**
 * `nonce`: {@link NONCE_BYTES} random bytes, drawn for this token alone. (Two equal ones under one key would let who
 * holds both tokens forge others; with 2^32 tokens under a key the odds of that are 2^-33.)
 */
export function seal(ring: KeyRing, purpose: Purpose, plain: Buffer, nonce: Buffer): string {
  if (nonce.length !== NONCE_BYTES)
    throw new RangeError(`a nonce has ${NONCE_BYTES} bytes, this one ${nonce.length}`);
  const token = Buffer.allocUnsafe(SEALED_AT + plain.length + TAG_BYTES);
  token[0] = VERSION;
  token.writeUInt32BE(ring.sealing.idNumber, 1);
  token.set(nonce, NONCE_AT);
  const cipher = createCipheriv('aes-256-gcm', ring.sealing.secret, nonce);
  cipher.setAAD(PURPOSES[purpose]);
  token.set(cipher.update(plain), SEALED_AT);
  cipher.final();
  token.set(cipher.getAuthTag(), SEALED_AT + plain.length);
  return token.toString('base64url');
}

/** The bytes that were sealed, or why not. Any text is allowed; nothing throws. */
export function open(ring: KeyRing, purpose: Purpose, text: string): Buffer | Unopened {
  const token = Buffer.from(text, 'base64url');
  const sealedEnd = token.length - TAG_BYTES;
  if (token[0] !== VERSION || sealedEnd < SEALED_AT) return UNOPENABLE;
  if (token.toString('base64url') !== text) return UNOPENABLE; // Node's decoder skips what it cannot read
  const key = ring.find(token.readUInt32BE(1));
  if (!key) return { kind: 'unknown key', keyId: token.toString('hex', 1, NONCE_AT) };
  const nonce = token.subarray(NONCE_AT, SEALED_AT);
  const decipher = createDecipheriv('aes-256-gcm', key.secret, nonce);
  decipher.setAAD(PURPOSES[purpose]);
  decipher.setAuthTag(token.subarray(sealedEnd));
  const plain = decipher.update(token.subarray(SEALED_AT, sealedEnd));
  try {
    decipher.final();
  } catch {
    return UNOPENABLE;
  }
  return plain;
}
