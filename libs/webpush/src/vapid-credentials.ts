/** Where the two spellings of VAPID keep the token and the key. */
import { findParam, parseHeaderParams } from './header-params.js';

/** Field values as received; undefined: the request has no such field. */
export interface VapidFields {
  readonly authorization?: string | undefined;
  readonly cryptoKey?: string | undefined;
}

const SCHEME = /^(\S+)[ \t]+(\S.*)$/;

export interface Credentials {
  readonly token: string;
  readonly key: string;
}

/** A string says what is missing. */
export function credentialsOf(
  authorization: string,
  cryptoKey: string | undefined,
): Credentials | string {
  const [, scheme, rest] = SCHEME.exec(authorization) ?? [];
  if (!scheme || !rest) return 'Authorization has no credentials';
  switch (scheme.toLowerCase()) {
    case 'vapid':
      return rfc8292Credentials(rest);
    case 'bearer':
    case 'webpush':
      return draftCredentials(rest.trim(), cryptoKey);
    default:
      return `the scheme ${scheme} is not vapid, WebPush or Bearer`;
  }
}

/** RFC 8292 §3: `vapid t=…, k=…`, in any order, each once. */
function rfc8292Credentials(rest: string): Credentials | string {
  const params = parseHeaderParams(rest)?.flat();
  if (!params) return 'the vapid parameters are not name=value';
  let token: string | undefined;
  let key: string | undefined;
  for (const { name, value } of params) {
    if ((name === 't' && token !== undefined) || (name === 'k' && key !== undefined)) {
      return `the vapid parameter ${name} is given twice`;
    }
    if (name === 't') token = value;
    if (name === 'k') key = value;
  }
  if (!token || !key) return `the vapid parameter ${token ? 'k' : 't'} is missing`;
  return { token, key };
}

/** draft-ietf-webpush-vapid-01: the token alone, the key in `Crypto-Key: p256ecdsa=`. */
function draftCredentials(token: string, cryptoKey: string | undefined): Credentials | string {
  const params = parseHeaderParams(cryptoKey ?? '');
  if (!params) return 'Crypto-Key is not name=value';
  const key = findParam(params, 'p256ecdsa');
  return key ? { token, key } : 'Crypto-Key has no p256ecdsa';
}
