/**
 * Who sends: VAPID in its two spellings (contract §2). Verifying a signature costs a hundred times more than
 * all else that a POST needs, and senders reuse a token for hours, so verified ones are remembered by token
 * AND key until they expire: whoever shows a known token with another key is verified anew.
 */
import { LRUCache } from 'lru-cache';
import type { KeyFingerprint } from './ids.js';
import { credentialsOf, type Credentials, type VapidFields } from './vapid-credentials.js';
import { parseVapidKey, type VapidKey } from './vapid-key.js';
import { faultOf, hasExpired, isSignedBy, parseToken } from './vapid-token.js';

export type VapidResult =
  /** No Authorization: the sender did not say who it is. */
  | { readonly kind: 'none' }
  | { readonly kind: 'verified'; readonly fingerprint: KeyFingerprint }
  | { readonly kind: 'refused'; readonly reason: string };

interface Remembered {
  readonly result: VapidResult;
  readonly expMs: number;
}

const NONE: VapidResult = { kind: 'none' };
/** Keys are few and a KeyObject is large. */
const KEYS_MAX = 1000;

export class VapidVerifier {
  private readonly audience: string;
  private readonly verified: LRUCache<string, Remembered>;
  private readonly keys: LRUCache<string, VapidKey>;

  /** `audience`: the origin of `PUBLIC_ENDPOINT_URL`. `cacheMax` ≥ 1: verified tokens remembered. */
  constructor({ audience, cacheMax }: { readonly audience: string; readonly cacheMax: number }) {
    const origin = URL.parse(audience)?.origin;
    if (!origin || origin === 'null') throw new Error(`the audience ${audience} has no origin`);
    this.audience = origin;
    this.verified = new LRUCache({ max: cacheMax });
    this.keys = new LRUCache({ max: Math.min(cacheMax, KEYS_MAX) });
  }

  /** Synchronous. Never throws, whatever the fields hold. */
  verify(fields: VapidFields, nowMs: number): VapidResult {
    if (fields.authorization === undefined) return NONE;
    const credentials = credentialsOf(fields.authorization, fields.cryptoKey);
    if (typeof credentials === 'string') return { kind: 'refused', reason: credentials };
    const name = `${credentials.token} ${credentials.key}`;
    const known = this.verified.get(name);
    if (known && !hasExpired(known.expMs, nowMs)) return known.result;
    if (known) this.verified.delete(name);
    return this.verifyAnew(credentials, name, nowMs);
  }

  private verifyAnew({ token, key }: Credentials, name: string, nowMs: number): VapidResult {
    const parsed = parseToken(token);
    if (typeof parsed === 'string') return { kind: 'refused', reason: parsed };
    const fault = faultOf(parsed.claims, this.audience, nowMs);
    if (fault !== undefined) return { kind: 'refused', reason: fault };
    const vapidKey = this.keyOf(key);
    if (!vapidKey) {
      return { kind: 'refused', reason: 'the key is not an uncompressed P-256 point in base64url' };
    }
    if (!isSignedBy(parsed, vapidKey)) {
      return { kind: 'refused', reason: 'the signature is not of this key' };
    }
    const result: VapidResult = { kind: 'verified', fingerprint: vapidKey.fingerprint };
    this.verified.set(name, { result, expMs: parsed.claims.expMs });
    return result;
  }

  private keyOf(text: string): VapidKey | undefined {
    const known = this.keys.get(text);
    if (known) return known;
    const key = parseVapidKey(text);
    if (key) this.keys.set(text, key);
    return key;
  }
}
