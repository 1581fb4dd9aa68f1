/** The public key of an application server: an uncompressed point on P-256 (RFC 8292 §3.2). */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import type { KeyFingerprint } from './ids.js';

/** 65 bytes are 87 characters; standard base64 and padding are tolerated (contract §2). */
const KEY_TEXT = /^[A-Za-z0-9_+/-]{87}={0,2}$/;
const UNCOMPRESSED = 4;

export interface VapidKey {
  readonly key: KeyObject;
  readonly fingerprint: KeyFingerprint;
}

/** undefined: not 65 bytes of base64url, not uncompressed, or not on the curve. */
export function parseVapidKey(text: string): VapidKey | undefined {
  if (!KEY_TEXT.test(text)) return undefined;
  const raw = Buffer.from(text, 'base64url'); // Node reads both alphabets
  if (raw[0] !== UNCOMPRESSED) return undefined;
  const x = raw.toString('base64url', 1, 33);
  const y = raw.toString('base64url', 33, 65);
  try {
    const key = createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x, y } });
    return {
      key,
      fingerprint: createHash('sha256').update(raw).digest('base64url') as KeyFingerprint,
    };
  } catch {
    return undefined; // OpenSSL refuses a point off the curve
  }
}

/** The fingerprint of a VAPID key as a device or a sender gives it; undefined: it is not a key. */
export function fingerprintOf(key: string): KeyFingerprint | undefined {
  return parseVapidKey(key)?.fingerprint;
}
