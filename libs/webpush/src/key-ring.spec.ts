import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { KeyRing } from './key-ring.js';

const FIRST = Buffer.alloc(32, 1);
const SECOND = Buffer.alloc(32, 2);
const text = (key: Buffer) => key.toString('base64url');
const idOf = (key: Buffer) => createHash('sha256').update(key).digest('hex').slice(0, 8);

describe('a key ring', () => {
  test('seals with the first key and knows all of them', () => {
    const ring = KeyRing.parse(`${text(FIRST)}, ${text(SECOND)}`);
    expect(ring.sealingKeyId).toBe(idOf(FIRST));
    expect(ring.keys.map((key) => key.id)).toEqual([idOf(FIRST), idOf(SECOND)]);
    expect(ring.find(ring.keys[1]!.idNumber)?.id).toBe(idOf(SECOND));
    expect(ring.find(0)).toBeUndefined();
  });

  test('gives each key a fingerprint that starts with its id', () => {
    const [key] = KeyRing.parse(text(FIRST)).keys;
    expect(key.fingerprint).toBe(createHash('sha256').update(FIRST).digest('hex'));
    expect(key.fingerprint.startsWith(key.id)).toBe(true);
  });

  test('takes padded keys', () => {
    expect(KeyRing.parse(`${text(FIRST)}=`).sealingKeyId).toBe(idOf(FIRST));
  });

  test.each([
    ['', /key 1 /],
    [`${text(FIRST)},`, /key 2 /],
    [`,${text(FIRST)}`, /key 1 /],
    [text(Buffer.alloc(31)), /key 1 .*32 bytes.*42 characters/],
    [text(Buffer.alloc(33)), /key 1 .*44 characters/],
    [`${text(FIRST)},${'!'.repeat(43)}`, /key 2 /],
    [FIRST.toString('hex'), /key 1 .*64 characters/],
    [`${text(FIRST)},${text(FIRST)}`, /two keys have the id/],
  ])('refuses the list %j', (list, message) => {
    expect(() => KeyRing.parse(list)).toThrow(message);
  });

  test('never shows a key in an error', () => {
    const secret = `${text(SECOND).slice(0, 42)}!`;
    expect(() => KeyRing.parse(`${text(FIRST)},${secret}`)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret.slice(0, 8)) }),
    );
  });
});
