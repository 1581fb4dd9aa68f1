import { describe, expect, test } from 'vitest';
import { parsePushHeaders, type PushHeaderFields } from './headers.js';

const TTL_SECONDS_MAX = 2_592_000;
const BODY = { hasBody: true, ttlSecondsMax: TTL_SECONDS_MAX };
const NO_BODY = { hasBody: false, ttlSecondsMax: TTL_SECONDS_MAX };
const KEY = `B${'a'.repeat(86)}`;
/** draft-ietf-webpush-encryption-04 §5. */
const DRAFT_DH =
  'BNoRDbb84JGm8g5Z5CFxurSqsXWJ11ItfXEWYVLE85Y7CYkDjXsIEc4aqxYaQ1G8BqkXCJ6DPpDrWtdWj_mugHU';
const DRAFT_SALT = 'lngarbyKfMoi9Z75xYXmkg';

const withoutBody = (fields: PushHeaderFields) => parsePushHeaders(fields, NO_BODY);
const withBody = (fields: PushHeaderFields) => parsePushHeaders({ ttl: '10', ...fields }, BODY);

describe('TTL', () => {
  test.each([
    ['0', 0],
    ['10', 10],
    ['007', 7],
    ['2592000', TTL_SECONDS_MAX],
    ['2592001', TTL_SECONDS_MAX],
    ['9'.repeat(400), TTL_SECONDS_MAX],
  ])('%s takes effect as %i', (ttl, ttlSeconds) => {
    expect(withoutBody({ ttl })).toEqual({ kind: 'headers', ttlSeconds, urgency: 'normal' });
  });

  test.each([
    undefined,
    '',
    ' ',
    'x',
    '1.5',
    '+1',
    '1e3',
    '0x10',
    '1 2',
    '10s',
    '∞',
    '-',
    '--1',
    '-1.5',
  ])('%j is refused as no number', (ttl) => {
    expect(withoutBody({ ttl })).toMatchObject({ kind: 'refused', refusal: 'ttlInvalid' });
  });

  test.each(['-1', '-0', '-99999999999999999999'])('%s is refused as negative', (ttl) => {
    expect(withoutBody({ ttl })).toMatchObject({ kind: 'refused', refusal: 'ttlNegative' });
  });
});

describe('Topic', () => {
  test.each([
    ['a', 'a'],
    ['Stock_quotes-09', 'Stock_quotes-09'],
    ['x'.repeat(32), 'x'.repeat(32)],
    [`${'x'.repeat(32)}=`, 'x'.repeat(32)],
    ['YQ==', 'YQ'],
  ])('%s is taken as %s', (text, topic) => {
    expect(withoutBody({ ttl: '0', topic: text })).toMatchObject({ kind: 'headers', topic });
  });

  test.each(['', '=', 'x'.repeat(33), 'a b', 'a+b', 'a/b', 'a.b', 'é', 'a=b', 'a===', 'a\n'])(
    '%j is refused',
    (topic) => {
      expect(withoutBody({ ttl: '0', topic })).toMatchObject({ refusal: 'topicInvalid' });
    },
  );
});

describe('Urgency', () => {
  test.each(['very-low', 'low', 'normal', 'high'])('%s is taken', (urgency) => {
    expect(withoutBody({ ttl: '0', urgency })).toMatchObject({ kind: 'headers', urgency });
  });

  test('ignores case, as the ABNF of RFC 8030 does', () => {
    expect(withoutBody({ ttl: '0', urgency: 'Very-Low' })).toMatchObject({ urgency: 'very-low' });
  });

  test.each(['', 'urgent', 'low, high', 'very_low', 'constructor'])('%j is refused', (urgency) => {
    expect(withoutBody({ ttl: '0', urgency })).toMatchObject({ refusal: 'urgencyInvalid' });
  });
});

describe('aes128gcm', () => {
  const contentEncoding = 'aes128gcm';

  test('goes alone (the request of RFC 8291 §5)', () => {
    expect(withBody({ contentEncoding })).toEqual({
      kind: 'headers',
      ttlSeconds: 10,
      urgency: 'normal',
      encoding: 'aes128gcm',
    });
  });

  test.each([
    { cryptoKey: `p256ecdsa=${KEY}` },
    { cryptoKey: `keyid=p256dh;p256ecdsa="${KEY}"` },
    { encryption: 'rs=4096' },
    { encryption: '', cryptoKey: '' },
  ])('goes with %j beside it, and keeps nothing of that', (fields) => {
    const headers = withBody({ contentEncoding, ...fields });
    expect(headers).toMatchObject({ kind: 'headers', encoding: 'aes128gcm' });
    expect(headers).not.toHaveProperty('encryption');
    expect(headers).not.toHaveProperty('cryptoKey');
  });

  test.each([
    { encryption: 'salt=abc' },
    { encryption: 'keyid=a;salt="abc"' },
    { encryption: 'rs=1,salt=' },
    { cryptoKey: `dh=${KEY}` },
    { cryptoKey: `p256ecdsa=${KEY},dh=${KEY}` },
    { encryption: 'nonsense' },
    { cryptoKey: '"' },
  ])('with %j is refused', (fields) => {
    expect(withBody({ contentEncoding, ...fields })).toMatchObject({ refusal: 'cryptoInvalid' });
  });
});

describe('aesgcm', () => {
  const contentEncoding = 'aesgcm';

  test('keeps salt and dh as devices get them: no quotes, no padding', () => {
    const headers = withBody({
      contentEncoding,
      encryption: `keyid="p256dh"; salt="${DRAFT_SALT}=="`,
      cryptoKey: `keyid="p256dh"; dh="${DRAFT_DH}=", p256ecdsa=${KEY}=`,
    });
    expect(headers).toMatchObject({
      encoding: 'aesgcm',
      encryption: `keyid=p256dh;salt=${DRAFT_SALT}`,
      cryptoKey: `keyid=p256dh;dh=${DRAFT_DH},p256ecdsa=${KEY}`,
    });
  });

  test('takes what web-push sends', () => {
    const headers = withBody({
      contentEncoding,
      encryption: `salt=${DRAFT_SALT}`,
      cryptoKey: `dh=${DRAFT_DH};p256ecdsa=${KEY}`,
    });
    expect(headers).toMatchObject({
      encryption: `salt=${DRAFT_SALT}`,
      cryptoKey: `dh=${DRAFT_DH};p256ecdsa=${KEY}`,
    });
  });

  test('takes a request without any Crypto-Key', () => {
    const headers = withBody({ contentEncoding, encryption: 'salt=abc' });
    expect(headers).toMatchObject({ kind: 'headers', encryption: 'salt=abc' });
    expect(headers).not.toHaveProperty('cryptoKey');
  });

  test.each([
    {},
    { cryptoKey: `dh=${KEY}` },
    { encryption: '', cryptoKey: `dh=${KEY}` },
    { encryption: 'salt=', cryptoKey: `dh=${KEY}` },
    { encryption: 'salt="a b"', cryptoKey: `dh=${KEY}` },
    { encryption: 'salt=a+b/', cryptoKey: `dh=${KEY}` },
    { encryption: 'rs=4096', cryptoKey: `dh=${KEY}` },
    { encryption: 'salt=abc', cryptoKey: '' },
    { encryption: 'salt=abc', cryptoKey: `p256ecdsa=${KEY}` },
    { encryption: 'salt=abc', cryptoKey: 'dh=a+b' },
    { encryption: 'salt=abc', cryptoKey: 'dh' },
    { encryption: 'salt=abc"', cryptoKey: `dh=${KEY}` },
  ])('with %j is refused', (fields) => {
    expect(withBody({ contentEncoding, ...fields })).toMatchObject({ refusal: 'cryptoInvalid' });
  });
});

describe('a body', () => {
  test.each([undefined, '', 'gzip', 'aes128gcm, gzip', 'aesgcm128', 'identity', 'toString'])(
    'with Content-Encoding %j is refused',
    (contentEncoding) => {
      expect(withBody({ contentEncoding })).toMatchObject({ refusal: 'cryptoInvalid' });
    },
  );

  test('has its Content-Encoding read without regard to case', () => {
    expect(withBody({ contentEncoding: 'AES128GCM' })).toMatchObject({ encoding: 'aes128gcm' });
  });

  test('that is empty leaves everything about encryption unread and behind', () => {
    const fields = { contentEncoding: 'gzip', encryption: 'nonsense', cryptoKey: '"' };
    expect(withoutBody({ ttl: '5', ...fields })).toEqual({
      kind: 'headers',
      ttlSeconds: 5,
      urgency: 'normal',
    });
  });
});

test('of several faults the first of TTL, Topic, Urgency, encryption is told', () => {
  const faults = { ttl: 'x', topic: '!', urgency: '!', contentEncoding: '!' };
  expect(withBody(faults)).toMatchObject({ refusal: 'ttlInvalid' });
  expect(withBody({ ...faults, ttl: '1' })).toMatchObject({ refusal: 'topicInvalid' });
  expect(withBody({ ...faults, ttl: '1', topic: 't' })).toMatchObject({
    refusal: 'urgencyInvalid',
  });
  expect(withBody({ contentEncoding: '!' })).toMatchObject({ refusal: 'cryptoInvalid' });
});
