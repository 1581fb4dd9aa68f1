import { expect, test } from 'vitest';
import { subscriptionIdOf, uuidOf } from './uuid.js';

const UUID = '0a1b2c3d-4e5f-4071-8293-a4b5c6d7e8f9';

test('a channelID and its subscription id are each other without and with dashes', () => {
  const id = subscriptionIdOf(UUID)!;
  expect(id).toBe('0a1b2c3d4e5f40718293a4b5c6d7e8f9');
  expect(uuidOf(id)).toBe(UUID);
});

test('any version of UUID is taken', () => {
  expect(subscriptionIdOf('00000000-0000-0000-0000-000000000000')).toBe('0'.repeat(32));
});

test.each([
  '',
  UUID.toUpperCase(),
  UUID.replaceAll('-', ''),
  `${UUID} `,
  `${UUID}\n`,
  `{${UUID}}`,
  `urn:uuid:${UUID}`,
  UUID.slice(1),
  `${UUID}0`,
  UUID.replace('a', 'g'),
  `${UUID}${UUID}`,
])('%j is no channelID', (text) => {
  expect(subscriptionIdOf(text)).toBeUndefined();
});
