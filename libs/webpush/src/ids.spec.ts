import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { deviceIdOf, isDeviceSecret } from './ids.js';

test('a device is the first 16 bytes of SHA-256 over the 16 bytes of its secret', () => {
  const secret = '00112233445566778899aabbccddeeff';
  const digest = createHash('sha256').update(Buffer.from(secret, 'hex')).digest('hex');
  expect(deviceIdOf(secret)).toBe(digest.slice(0, 32));
});

test.each([
  ['00112233445566778899aabbccddeeff', true],
  ['00112233445566778899AABBCCDDEEFF', false],
  ['00112233445566778899aabbccddeef', false],
  ['00112233445566778899aabbccddeeff0', false],
  ['00112233-4455-6677-8899-aabbccddeeff', false],
  ['00112233445566778899aabbccddeeff\n', false],
  ['', false],
  [undefined, false],
  [['00112233445566778899aabbccddeeff'], false],
])('%j as a secret: %s', (secret, is) => {
  expect(isDeviceSecret(secret)).toBe(is);
});
