import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fingerprintOf } from './vapid-key.js';
import { VapidVerifier } from './vapid.js';

const AUDIENCE = 'https://push.example.net';
const HOUR = 3600;
const LEEWAY = 60;
/** RFC 8292 §2.4; its token ends at 1453523768. */
const RFC_TOKEN =
  'eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM' +
  '1MjM3NjgsInN1YiI6Im1haWx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_HLGkMlMuCGSK2rpi' +
  'UfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA';
const RFC_KEY =
  'BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs';
const RFC_EXP = 1453523768;
const NOW = RFC_EXP - HOUR;

interface Sender {
  readonly privateKey: KeyObject;
  readonly key: string;
}

function newSender(): Sender {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return { privateKey, key: spki.subarray(-65).toString('base64url') };
}

const SENDER = newSender();
const OTHER = newSender();
const CLAIMS = { aud: AUDIENCE, exp: NOW + HOUR, sub: 'mailto:push@example.com' };
const HEADER = { typ: 'JWT', alg: 'ES256' };

const part = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
function signed(text: string, { privateKey }: Sender = SENDER): string {
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
  return `${text}.${sign('sha256', Buffer.from(text), key).toString('base64url')}`;
}
const tokenOf = (claims: unknown, header: unknown = HEADER, sender: Sender = SENDER) =>
  signed(`${part(header)}.${part(claims)}`, sender);
const vapid = (token: string, key = SENDER.key) => ({
  authorization: `vapid t=${token}, k=${key}`,
});
const newVerifier = (cacheMax = 100) => new VapidVerifier({ audience: AUDIENCE, cacheMax });
const verify = (fields: { authorization?: string; cryptoKey?: string }, nowSeconds = NOW) =>
  newVerifier().verify(fields, nowSeconds * 1000);
const VERIFIED = { kind: 'verified', fingerprint: fingerprintOf(SENDER.key) };

describe('a sender is verified', () => {
  test('by the example of RFC 8292 §2.4', () => {
    expect(verify(vapid(RFC_TOKEN, RFC_KEY))).toEqual({
      kind: 'verified',
      fingerprint: fingerprintOf(RFC_KEY),
    });
  });

  test('by RFC 8292, and by draft 01 under both of its schemes', () => {
    const token = tokenOf(CLAIMS);
    const cryptoKey = `dh=abc;p256ecdsa=${SENDER.key}`;
    expect(verify(vapid(token))).toEqual(VERIFIED);
    expect(verify({ authorization: `WebPush ${token}`, cryptoKey })).toEqual(VERIFIED);
    expect(verify({ authorization: `bearer ${token}`, cryptoKey })).toEqual(VERIFIED);
  });

  test('with the key in standard base64 or padded', () => {
    const standard = Buffer.from(SENDER.key, 'base64url').toString('base64');
    expect(verify(vapid(tokenOf(CLAIMS), standard))).toEqual(VERIFIED);
    expect(verify(vapid(tokenOf(CLAIMS), `${SENDER.key}=`))).toEqual(VERIFIED);
  });

  test.each([
    ['without sub', { aud: AUDIENCE, exp: NOW + HOUR }],
    ['with claims that nobody knows', { ...CLAIMS, iat: 'x', nbf: {}, more: [1] }],
    ['with a fractional exp', { ...CLAIMS, exp: NOW + 0.5 }],
    ['with a slash after the origin', { ...CLAIMS, aud: `${AUDIENCE}/` }],
    ['with the default port spelled out', { ...CLAIMS, aud: `${AUDIENCE}:443` }],
    ['with another case of the host', { ...CLAIMS, aud: 'HTTPS://Push.Example.net' }],
  ])('%s', (_, claims) => {
    expect(verify(vapid(tokenOf(claims)))).toEqual(VERIFIED);
  });

  test('without a typ in the header of the token', () => {
    expect(verify(vapid(tokenOf(CLAIMS, { alg: 'ES256' })))).toEqual(VERIFIED);
  });

  test('for an audience with a port, given as any URL of that origin', () => {
    const verifier = new VapidVerifier({ audience: 'http://127.0.0.1:8081/x', cacheMax: 1 });
    const token = tokenOf({ ...CLAIMS, aud: 'http://127.0.0.1:8081' });
    expect(verifier.verify(vapid(token), NOW * 1000)).toEqual(VERIFIED);
  });
});

test('a request without Authorization is from nobody, not refused', () => {
  expect(verify({})).toEqual({ kind: 'none' });
  expect(verify({ cryptoKey: `p256ecdsa=${SENDER.key}` })).toEqual({ kind: 'none' });
});

describe('exp', () => {
  test.each([
    ['a day ahead', 24 * HOUR, 'verified'],
    ['a day ahead by a clock that is a minute before ours', 24 * HOUR + LEEWAY, 'verified'],
    ['more than that', 24 * HOUR + LEEWAY + 1, 'refused'],
    ['now', 0, 'verified'],
    ['less than a minute ago', 1 - LEEWAY, 'verified'],
    ['a minute ago', -LEEWAY, 'refused'],
    ['a day ago', -24 * HOUR, 'refused'],
    ['in ms instead of seconds', NOW * 999, 'refused'],
  ])('%s', (_, ahead, kind) => {
    expect(verify(vapid(tokenOf({ ...CLAIMS, exp: NOW + ahead }))).kind).toBe(kind);
  });
});

describe('a sender is refused', () => {
  test.each([
    ['without exp', { aud: AUDIENCE }, /exp is not a number/],
    ['with a text for exp', { ...CLAIMS, exp: `${NOW + HOUR}` }, /exp is not a number/],
    ['with null for exp', { ...CLAIMS, exp: null }, /exp is not a number/],
    ['with an endless exp', `{"aud":"${AUDIENCE}","exp":1e999}`, /exp is not a number/],
    ['without aud', { exp: NOW + HOUR }, /aud is not one string/],
    ['with a list for aud', { ...CLAIMS, aud: [AUDIENCE] }, /aud is not one string/],
    ['for another host', { ...CLAIMS, aud: 'https://push.example.org' }, /aud is https:\S+org/],
    ['for another scheme', { ...CLAIMS, aud: 'http://push.example.net' }, /aud is/],
    ['for another port', { ...CLAIMS, aud: `${AUDIENCE}:444` }, /aud is/],
    ['for a host that starts like ours', { ...CLAIMS, aud: `${AUDIENCE}.evil.org` }, /aud is/],
    ['for an endpoint', { ...CLAIMS, aud: `${AUDIENCE}/wpush/v2/abc` }, /aud is/],
    ['for an origin with a user', { ...CLAIMS, aud: 'https://a@push.example.net' }, /aud is/],
    ['for a bare host', { ...CLAIMS, aud: 'push.example.net' }, /aud is/],
    ['for nothing', { ...CLAIMS, aud: '' }, /aud is/],
    ['with a list of claims', [CLAIMS], /claims are not a JSON object/],
    ['with claims that are no JSON', '{', /claims are not a JSON object/],
    ['with null for claims', 'null', /claims are not a JSON object/],
  ])('%s', (_, claims, reason) => {
    const result = verify(vapid(tokenOf(claims)));
    expect(result).toEqual({ kind: 'refused', reason: expect.stringMatching(reason) });
  });

  test.each([
    ['none', { typ: 'JWT', alg: 'none' }, /alg is "none"/],
    ['HS256', { typ: 'JWT', alg: 'HS256' }, /alg is "HS256"/],
    ['ES384', { typ: 'JWT', alg: 'ES384' }, /alg is "ES384"/],
    ['es256', { typ: 'JWT', alg: 'es256' }, /alg is "es256"/],
    ['no alg', { typ: 'JWT' }, /alg is undefined/],
    ['a list', { alg: ['ES256'] }, /alg is \["ES256"\]/],
    ['an extension', { ...HEADER, crit: ['b64'], b64: false }, /crit/],
    ['a header that is no object', '"ES256"', /header of the token/],
    ['a header that is no JSON', 'ES256', /header of the token/],
  ])('by a token with %s', (_, header, reason) => {
    const result = verify(vapid(tokenOf(CLAIMS, header)));
    expect(result).toEqual({ kind: 'refused', reason: expect.stringMatching(reason) });
  });

  const token = tokenOf(CLAIMS);
  const [header, claims, mac] = token.split('.') as [string, string, string];
  const der = sign('sha256', Buffer.from(`${header}.${claims}`), SENDER.privateKey);
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  /** The same bytes with the spare bits of the last letter set. */
  const secondSpelling = (text: string) =>
    text.slice(0, -1) + letters[letters.indexOf(text.at(-1)!) + 1]!;
  test.each([
    ['no signature', `${header}.${claims}`],
    ['an empty signature', `${header}.${claims}.`],
    ['a signature in DER', `${header}.${claims}.${der.toString('base64url')}`],
    ['a short signature', token.slice(0, -1)],
    ['a signature of zeros', `${header}.${claims}.${'A'.repeat(86)}`],
    ['a second spelling of its signature', secondSpelling(token)],
    ['padding', `${token}==`],
    ['a padded header', `${header}=.${claims}.${mac}`],
    ['four parts', `${token}.x`],
    ['an empty part', `.${claims}.${mac}`],
    ['no parts', 'x'],
    ['changed claims', `${header}.${part({ ...CLAIMS, sub: 'x' })}.${mac}`],
    ['a changed header', `${part({ alg: 'ES256' })}.${claims}.${mac}`],
    ['a second spelling of its claims', signed(`${header}.${secondSpelling(claims)}`)],
    ['letters outside base64url', signed(`${header}.${claims.slice(0, -1)}+`)],
    ['the signature of another key', tokenOf(CLAIMS, HEADER, OTHER)],
  ])('by a token with %s', (_, bad) => {
    expect(verify(vapid(bad))).toMatchObject({ kind: 'refused' });
  });

  test('by a key that is none, and by the key of another', () => {
    expect(verify(vapid(token, 'abc'))).toMatchObject({ reason: expect.stringMatching(/P-256/) });
    expect(verify(vapid(token, OTHER.key))).toMatchObject({
      reason: expect.stringMatching(/signature/),
    });
  });

  test('under a scheme that is none of ours', () => {
    expect(verify({ authorization: 'Basic YTpi' })).toMatchObject({ kind: 'refused' });
    expect(verify({ authorization: '' })).toMatchObject({ kind: 'refused' });
  });
});

describe('what is remembered', () => {
  const token = tokenOf(CLAIMS);

  test('gives the same answer, and no longer than until it expires', () => {
    const verifier = newVerifier();
    const at = (seconds: number) => verifier.verify(vapid(token), seconds * 1000);
    expect(at(NOW)).toEqual(VERIFIED);
    expect(at(NOW + 1)).toBe(at(NOW + 2)); // the remembered object itself
    expect(at(CLAIMS.exp + LEEWAY - 1)).toEqual(VERIFIED);
    expect(at(CLAIMS.exp + LEEWAY)).toMatchObject({ kind: 'refused' });
    expect(at(CLAIMS.exp + LEEWAY)).toMatchObject({ kind: 'refused' });
  });

  test('is not remembered for another key', () => {
    const verifier = newVerifier();
    expect(verifier.verify(vapid(token), NOW * 1000)).toEqual(VERIFIED);
    const stolen = verifier.verify(vapid(token, OTHER.key), NOW * 1000);
    expect(stolen).toMatchObject({ kind: 'refused' });
    const authorization = `WebPush ${token}`;
    const cryptoKey = `p256ecdsa=${OTHER.key}`;
    const stolenByDraft = verifier.verify({ authorization, cryptoKey }, NOW * 1000);
    expect(stolenByDraft).toMatchObject({ kind: 'refused' });
  });

  test('serves every spelling of the same token and key', () => {
    const verifier = newVerifier();
    const first = verifier.verify(vapid(token), NOW * 1000);
    const cryptoKey = `dh=fresh;p256ecdsa=${SENDER.key}`;
    expect(verifier.verify({ authorization: `Bearer ${token}`, cryptoKey }, NOW * 1000)).toBe(
      first,
    );
  });

  test('is no refusal: what was refused too early is verified later', () => {
    const verifier = newVerifier();
    expect(verifier.verify(vapid(token), (NOW - 48 * HOUR) * 1000).kind).toBe('refused');
    expect(verifier.verify(vapid(token), NOW * 1000)).toEqual(VERIFIED);
  });

  test('is bounded: the oldest goes, and is verified again when it comes back', () => {
    const verifier = newVerifier(2);
    const tokens = [1, 2, 3].map((i) => tokenOf({ ...CLAIMS, exp: NOW + i }));
    const [first, second, third] = tokens.map((t) => verifier.verify(vapid(t), NOW * 1000));
    expect(verifier.verify(vapid(tokens[2]!), NOW * 1000)).toBe(third);
    expect(verifier.verify(vapid(tokens[1]!), NOW * 1000)).toBe(second);
    const again = verifier.verify(vapid(tokens[0]!), NOW * 1000);
    expect(again).toEqual(first);
    expect(again).not.toBe(first);
  });
});

test('an audience without an origin is refused at once', () => {
  expect(() => new VapidVerifier({ audience: 'push.example.net', cacheMax: 1 })).toThrow(/origin/);
  expect(() => new VapidVerifier({ audience: 'mailto:a@b', cacheMax: 1 })).toThrow(/origin/);
});
