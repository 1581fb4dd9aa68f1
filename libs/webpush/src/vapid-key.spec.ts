import { createHash, generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fingerprintOf, parseVapidKey } from './vapid-key.js';

/** RFC 8292 §2.4. */
const KEY =
  'BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs';
const RAW = Buffer.from(KEY, 'base64url');
const FIELD = 'ffffffff00000001000000000000000000000000ffffffffffffffffffffffff';
/** (0, this) is a point of P-256. */
const ROOT_OF_B = '66485c780e2f83d72433bd5d84a06bb6541c2af31dae871728bf856a174f93f4';
const point = (x: string, y: string) => Buffer.from(`04${x}${y}`, 'hex').toString('base64url');

describe('the fingerprint of a key', () => {
  const fingerprint = createHash('sha256').update(RAW).digest('base64url');

  test('is SHA-256 of its 65 bytes', () => {
    expect(fingerprintOf(KEY)).toBe(fingerprint);
    expect(fingerprint).toHaveLength(43);
  });

  test.each([`${KEY}=`, KEY.replaceAll('-', '+').replaceAll('_', '/'), RAW.toString('base64')])(
    'is the same for %s',
    (spelling) => {
      expect(fingerprintOf(spelling)).toBe(fingerprint);
    },
  );
});

test('a point with a coordinate of 0 is a key like others', () => {
  expect(fingerprintOf(point('0'.repeat(64), ROOT_OF_B))).toBeDefined();
});

describe('what is no key', () => {
  const changed = (at: number, byte: number) => {
    const raw = Buffer.from(RAW);
    raw[at] = byte;
    return raw.toString('base64url');
  };
  const compressed = Buffer.concat([Buffer.from([2 + (RAW[64]! & 1)]), RAW.subarray(1, 33)]);
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;

  test.each([
    ['nothing', ''],
    ['a word', 'key'],
    ['one character less', KEY.slice(0, -1)],
    ['one character more', `${KEY}A`],
    ['too much padding', `${KEY}===`],
    ['letters outside the alphabets', `${KEY.slice(0, -1)}!`],
    ['a blank inside', `${KEY.slice(0, 40)} ${KEY.slice(41)}`],
    ['a compressed point', compressed.toString('base64url')],
    ['a hybrid point', changed(0, 6)],
    ['a point off the curve', changed(64, RAW[64]! ^ 1)],
    ['the point at infinity', Buffer.from([4]).toString('base64url')],
    ['zeros', Buffer.concat([Buffer.from([4]), Buffer.alloc(64)]).toString('base64url')],
    ['a coordinate that is the field prime, for 0', point(FIELD, ROOT_OF_B)],
    ['a coordinate beyond the field', point(FIELD, 'f'.repeat(64))],
    ['another curve', p384.export({ type: 'spki', format: 'der' }).toString('base64url')],
    [
      'a key in DER',
      parseVapidKey(KEY)!.key.export({ type: 'spki', format: 'der' }).toString('base64url'),
    ],
  ])('%s', (_, text) => {
    expect(fingerprintOf(text)).toBeUndefined();
  });
});
