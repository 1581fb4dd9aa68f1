import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { DeviceId, KeyFingerprint, SubscriptionId } from './ids.js';
import { KeyRing } from './key-ring.js';
import { openReceiverId, sealReceiverId } from './receiver-id.js';
import { sealMessageId } from './message-id.js';

const bytes = (seed: string, length: number) =>
  createHash('sha512').update(seed).digest().subarray(0, length);
const ringOf = (...seeds: string[]) =>
  KeyRing.parse(seeds.map((seed) => bytes(seed, 32).toString('base64url')).join(','));
const device = (i: number) => bytes(`device ${i}`, 16).toString('hex') as DeviceId;
const subscription = (i: number) => bytes(`channel ${i}`, 16).toString('hex') as SubscriptionId;
const nonce = (i: number) => bytes(`nonce ${i}`, 12);
const fingerprint = bytes('vapid key', 32).toString('base64url') as KeyFingerprint;

const RING = ringOf('a');
const UNKEYED = { device: device(1), subscription: subscription(1) };
const KEYED = { ...UNKEYED, fingerprint };

/** The token with one byte changed. */
function withByte(token: string, at: number, change: (byte: number) => number): string {
  const raw = Buffer.from(token, 'base64url');
  raw[at] = change(raw[at]!);
  return raw.toString('base64url');
}

const longer = (token: string) =>
  Buffer.concat([Buffer.from(token, 'base64url'), Buffer.alloc(1)]).toString('base64url');

describe('a receiver id', () => {
  test.each([
    ['without key', UNKEYED, 87],
    ['with key', KEYED, 130],
  ])('%s opens to what was sealed and has one length', (_, receiver, length) => {
    const token = sealReceiverId(RING, receiver, nonce(1));
    expect(token).toMatch(/^[A-Za-z0-9_-]+$/);
    expect(token).toHaveLength(length);
    expect(openReceiverId(RING, token)).toEqual({ kind: 'opened', ...receiver });
  });

  test('starts with the version, the key id and the nonce', () => {
    const raw = Buffer.from(sealReceiverId(RING, KEYED, nonce(1)), 'base64url');
    const keyId = createHash('sha256').update(bytes('a', 32)).digest().subarray(0, 4);
    expect(raw.subarray(0, 17)).toEqual(Buffer.concat([Buffer.from([1]), keyId, nonce(1)]));
  });

  test('is sealed by the first key of the ring and opened by any', () => {
    const old = sealReceiverId(ringOf('a'), KEYED, nonce(1));
    const fresh = sealReceiverId(ringOf('b', 'a'), KEYED, nonce(2));
    expect(openReceiverId(ringOf('b', 'a'), old)).toMatchObject({ kind: 'opened' });
    expect(openReceiverId(ringOf('a', 'b'), fresh)).toMatchObject({ kind: 'opened' });
    expect(openReceiverId(ringOf('a'), fresh)).toEqual({
      kind: 'unknown key',
      keyId: ringOf('b').sealingKeyId,
    });
  });

  test('needs a nonce of 12 bytes', () => {
    expect(() => sealReceiverId(RING, KEYED, Buffer.alloc(11))).toThrow(/12 bytes/);
  });

  test('does not open when any of its bytes is changed', () => {
    for (const receiver of [UNKEYED, KEYED]) {
      const token = sealReceiverId(RING, receiver, nonce(1));
      const length = Buffer.from(token, 'base64url').length;
      for (let at = 0; at < length; at++) {
        const opened = openReceiverId(
          RING,
          withByte(token, at, (byte) => byte ^ 1),
        );
        expect(opened.kind).toBe(at >= 1 && at < 5 ? 'unknown key' : 'unopenable');
      }
    }
  });
});

describe('what is no receiver id', () => {
  const token = sealReceiverId(RING, UNKEYED, nonce(1));
  const keyed = sealReceiverId(RING, KEYED, nonce(1));

  test.each([
    ['nothing', ''],
    ['one character less', token.slice(1)],
    ['one character more', `${token}A`],
    ['padding', `${token}=`],
    ['a keyed one cut to the length of an unkeyed one', keyed.slice(0, 87)],
    ['an unkeyed one stretched by letters', token + 'A'.repeat(43)],
    ['an unkeyed one stretched by what a decoder skips', token + '!'.repeat(43)],
    ['an unkeyed one stretched by padding', token + '='.repeat(43)],
    ['another version', withByte(token, 0, () => 2)],
    ['version 0', withByte(token, 0, () => 0)],
    ['a message id', sealMessageId(RING, UNKEYED, nonce(1))],
    ['one byte more under a key that is not in the ring', longer(withByte(token, 1, (b) => b ^ 1))],
    ['zeros', 'A'.repeat(87)],
    ['text beyond ASCII', 'é'.repeat(87)],
    ['a NUL in the middle', `${token.slice(0, 40)}\0${token.slice(41)}`],
  ])('%s is unopenable', (_, text) => {
    expect(openReceiverId(RING, text)).toEqual({ kind: 'unopenable' });
  });

  test('a second spelling of one that opens is unopenable', () => {
    const last = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const spellings = [...last].map((letter) => token.slice(0, -1) + letter);
    const opening = spellings.filter(
      (spelling) => openReceiverId(RING, spelling).kind === 'opened',
    );
    expect(opening).toEqual([token]);
    const standard = findToken((text) => /[-_]/.test(text.slice(24)));
    const other = standard.replaceAll('-', '+').replaceAll('_', '/');
    expect(openReceiverId(RING, standard).kind).toBe('opened');
    expect(openReceiverId(RING, other)).toEqual({ kind: 'unopenable' });
  });

  function findToken(fits: (token: string) => boolean): string {
    for (let i = 0; ; i++) {
      const found = sealReceiverId(RING, UNKEYED, nonce(i));
      if (fits(found)) return found;
    }
  }
});

describe('privacy', () => {
  test('two receiver ids share no bytes beyond version and key id, whoever they belong to', () => {
    const pairs = 1000;
    for (const key of [undefined, fingerprint]) {
      const same = countEqualBytes(pairs, (i, channel) => ({
        device: device(i), // one device, two subscriptions
        subscription: subscription(2 * i + channel),
        ...(key && { fingerprint: key }),
      }));
      expect(same.slice(0, 5)).toEqual(new Array(5).fill(pairs));
      // by chance 1000/256 ≈ 4 at each place; more than 24 has odds below 10^-11
      expect(Math.max(...same.slice(5))).toBeLessThan(24);
    }
  });

  test('sealing one subscription twice gives ids that share as little', () => {
    const same = countEqualBytes(1000, () => KEYED);
    expect(Math.max(...same.slice(5))).toBeLessThan(24);
  });

  /** At each place, how many of the pairs have the same byte. */
  function countEqualBytes(
    pairs: number,
    receiver: (pair: number, channel: 0 | 1) => Parameters<typeof sealReceiverId>[1],
  ): number[] {
    const same: number[] = [];
    for (let i = 0; i < pairs; i++) {
      const one = Buffer.from(sealReceiverId(RING, receiver(i, 0), nonce(2 * i)), 'base64url');
      const two = Buffer.from(sealReceiverId(RING, receiver(i, 1), nonce(2 * i + 1)), 'base64url');
      one.forEach((byte, at) => (same[at] = (same[at] ?? 0) + (byte === two[at] ? 1 : 0)));
    }
    return same;
  }
});
