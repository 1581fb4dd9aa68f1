import { describe, expect, test } from 'vitest';
import type { DeviceId, KeyFingerprint, SubscriptionId } from './ids.js';
import { KeyRing } from './key-ring.js';
import { messageIdOf, openMessageId, rawMessageId, sealMessageId } from './message-id.js';
import { sealReceiverId } from './receiver-id.js';

const RING = KeyRing.parse(Buffer.alloc(32, 7).toString('base64url'));
const OTHER = KeyRing.parse(Buffer.alloc(32, 8).toString('base64url'));
const OWNER = {
  device: '0123456789abcdef0123456789abcdef' as DeviceId,
  subscription: 'fedcba9876543210fedcba9876543210' as SubscriptionId,
};
const KEYED = { ...OWNER, fingerprint: 'A'.repeat(43) as KeyFingerprint };
const NONCE = Buffer.from('twelve bytes');

describe('a message id', () => {
  const id = sealMessageId(RING, OWNER, NONCE);

  test('opens to whose message it is', () => {
    expect(id).toMatch(/^[A-Za-z0-9_-]{87}$/);
    expect(openMessageId(RING, id)).toEqual({ kind: 'opened', id, ...OWNER });
  });

  test('is another for another nonce', () => {
    expect(sealMessageId(RING, OWNER, Buffer.from('twelve bytez'))).not.toBe(id);
  });

  test('goes through its raw bytes unchanged', () => {
    expect(rawMessageId(id)).toHaveLength(65);
    expect(messageIdOf(rawMessageId(id))).toBe(id);
  });

  test('of a key that is not in the ring names the key', () => {
    expect(openMessageId(OTHER, id)).toEqual({ kind: 'unknown key', keyId: RING.sealingKeyId });
  });

  test.each([
    ['nothing', ''],
    ['a receiver id', sealReceiverId(RING, OWNER, NONCE)],
    ['padding', `${id}=`],
    [
      'a keyed receiver id under a key that is not in the ring',
      sealReceiverId(OTHER, KEYED, NONCE),
    ],
    ['a cut one', id.slice(0, -1)],
    ['one with another last byte', id.slice(0, -2) + (id.at(-2) === 'A' ? 'B' : 'A') + id.at(-1)],
  ])('%s is unopenable', (_, token) => {
    expect(openMessageId(RING, token)).toEqual({ kind: 'unopenable' });
  });
});
