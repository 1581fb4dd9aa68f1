/**
 * An application server as the tests see it: raw POSTs, and VAPID tokens built by hand so that each part can be
 * wrong.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export interface VapidKeys {
  readonly privateKey: KeyObject;
  /** Uncompressed point, base64url without padding. */
  readonly publicKey: string;
}

export function vapidKeys(): VapidKeys {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = pair.publicKey.export({ format: 'jwk' });
  const point = Buffer.concat([
    Buffer.from([4]),
    Buffer.from(jwk.x ?? '', 'base64url'),
    Buffer.from(jwk.y ?? '', 'base64url'),
  ]);
  return { privateKey: pair.privateKey, publicKey: point.toString('base64url') };
}

export interface TokenParts {
  readonly aud?: unknown;
  readonly exp?: unknown;
  readonly sub?: unknown;
  readonly alg?: string;
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
export const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1000) + seconds;

/** A JWT by RFC 8292; every claim can be replaced or left out by `undefined`. */
export function token(keys: VapidKeys, endpoint: string, parts: TokenParts = {}): string {
  const { alg = 'ES256', ...claims } = parts;
  const body = {
    aud: new URL(endpoint).origin,
    exp: inSeconds(3600),
    sub: 'mailto:ops@stocks.example',
    ...claims,
  };
  const signed = `${part({ typ: 'JWT', alg })}.${part(body)}`;
  const key = { key: keys.privateKey, dsaEncoding: 'ieee-p1363' as const };
  return `${signed}.${sign('sha256', Buffer.from(signed), key).toString('base64url')}`;
}

export function vapid(keys: VapidKeys, endpoint: string, parts?: TokenParts): string {
  return `vapid t=${token(keys, endpoint, parts)}, k=${keys.publicKey}`;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: string;
  readonly errno?: number;
}

type HeaderValues = Readonly<Record<string, string | undefined>>;

/** One request; header values that are undefined are left out. */
export async function request(
  method: string,
  url: string,
  { headers = {}, body }: { headers?: HeaderValues; body?: string | Buffer } = {},
): Promise<Answer> {
  const given = Object.entries(headers).filter(
    (one): one is [string, string] => one[1] !== undefined,
  );
  const answer = await fetch(url, {
    method,
    headers: given,
    body: body === undefined ? undefined : new Uint8Array(Buffer.from(body)),
  });
  const text = await answer.text();
  const errno = text.startsWith('{') ? (JSON.parse(text) as { errno?: number }).errno : undefined;
  return { status: answer.status, headers: answer.headers, body: text, errno };
}

/** A POST as a well-behaved sender makes it: TTL 3600, aes128gcm when there is a body. */
export function post(
  endpoint: string,
  body: string | Buffer = '',
  headers: HeaderValues = {},
): Promise<Answer> {
  const encoding = body.length > 0 ? { 'content-encoding': 'aes128gcm' } : {};
  return request('POST', endpoint, { headers: { ttl: '3600', ...encoding, ...headers }, body });
}

/** What `post` must have said, with the message's own address. */
export async function accepted(
  endpoint: string,
  body?: string | Buffer,
  headers?: HeaderValues,
): Promise<string> {
  const answer = await post(endpoint, body, headers);
  if (answer.status !== 201) throw new Error(`not accepted: ${answer.status} ${answer.body}`);
  return answer.headers.get('location') ?? '';
}
