/**
 * The JWT of VAPID (RFC 8292 §2, RFC 7519), read strictly: three canonical base64url parts, ES256, a
 * signature of 64 bytes, claims that name this service and end soon.
 */
import { verify } from 'node:crypto';
import type { VapidKey } from './vapid-key.js';

const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]{86})$/;
/** Clocks of senders differ from ours (contract §2); allowed at both ends of `exp`. */
const LEEWAY_MS = 60_000;
const AHEAD_MAX_MS = 24 * 3_600_000;

export interface Claims {
  /** NumericDate, in ms. */
  readonly expMs: number;
  readonly aud: string;
}

export interface ParsedToken {
  readonly claims: Claims;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

/** A string says what is wrong with it. */
export function parseToken(token: string): ParsedToken | string {
  const [, header, payload, mac] = COMPACT.exec(token) ?? [];
  if (!header || !payload || !mac) return 'the token is not three base64url parts';
  const signature = Buffer.from(mac, 'base64url');
  if (signature.toString('base64url') !== mac) return 'the signature is not canonical base64url';
  const head = parseObject(header);
  if (!head) return 'the header of the token is not a JSON object';
  if (head['alg'] !== 'ES256') return `alg is ${JSON.stringify(head['alg'])}, not ES256`;
  if ('crit' in head) return 'crit names extensions that are not understood'; // RFC 7515 §4.1.11
  const claims = parseClaims(payload);
  if (typeof claims === 'string') return claims;
  return { claims, signature, signed: Buffer.from(`${header}.${payload}`, 'latin1') };
}

/** What is wrong with the claims at this time for this audience (an origin); undefined: nothing. */
export function faultOf(claims: Claims, audience: string, nowMs: number): string | undefined {
  if (hasExpired(claims.expMs, nowMs)) return 'exp is in the past';
  if (claims.expMs > nowMs + AHEAD_MAX_MS + LEEWAY_MS) return 'exp is more than 24 hours ahead';
  if (originOf(claims.aud) !== audience) return `aud is ${claims.aud}, not ${audience}`;
  return undefined;
}

export function hasExpired(expMs: number, nowMs: number): boolean {
  return expMs + LEEWAY_MS <= nowMs;
}

export function isSignedBy(token: ParsedToken, { key }: VapidKey): boolean {
  return verify('sha256', token.signed, { key, dsaEncoding: 'ieee-p1363' }, token.signature);
}

/** The origin that the text is, a trailing slash or a default port forgiven; undefined: it is more or none. */
export function originOf(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url || url.origin === 'null') return undefined;
  return url.href === `${url.origin}/` ? url.origin : undefined;
}

function parseClaims(payload: string): Claims | string {
  const claims = parseObject(payload);
  if (!claims) return 'the claims are not a JSON object';
  const { exp, aud } = claims;
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return 'exp is not a number';
  if (typeof aud !== 'string') return 'aud is not one string';
  return { expMs: exp * 1000, aud };
}

function parseObject(part: string): Record<string, unknown> | undefined {
  const bytes = Buffer.from(part, 'base64url');
  if (bytes.toString('base64url') !== part) return undefined;
  try {
    const value: unknown = JSON.parse(bytes.toString());
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
