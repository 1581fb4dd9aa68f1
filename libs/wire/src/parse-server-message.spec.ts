import { describe, expect, test } from 'vitest';
import { parseServerMessage } from './parse-server-message.js';
import {
  helloFrame,
  notificationFrame,
  PONG,
  registerFrame,
  unregisterFrame,
} from './server-message.js';

const parse = (members: unknown) => parseServerMessage(JSON.stringify(members));

describe('a push client reads', () => {
  test.each([
    [helloFrame('0a'), { messageType: 'hello', uaid: '0a', status: 200 }],
    [
      registerFrame({ channelID: 'c', status: 200, pushEndpoint: 'http://a/b' }),
      { messageType: 'register', channelID: 'c', status: 200, pushEndpoint: 'http://a/b' },
    ],
    [registerFrame({ channelID: 'c', status: 500 }), { messageType: 'register', status: 500 }],
    [
      unregisterFrame({ channelID: 'c', status: 200 }),
      { messageType: 'unregister', channelID: 'c' },
    ],
    [
      notificationFrame({ channelID: 'c', version: 'v' }),
      { messageType: 'notification', channelID: 'c', version: 'v' },
    ],
    [
      notificationFrame({ channelID: 'c', version: 'v', data: 'AA', encoding: 'aes128gcm' }),
      { messageType: 'notification', data: 'AA', headers: { encoding: 'aes128gcm' } },
    ],
    [PONG, { messageType: 'pong' }],
    ['{"messageType":"broadcast","broadcasts":{"a":"b"}}', { messageType: 'broadcast' }],
    ['{"messageType":"hello","uaid":"0a","status":200,"more":1}', { messageType: 'hello' }],
  ])('%s', (text, message) => {
    expect(parseServerMessage(text)).toMatchObject(message);
  });
});

describe('a push client ignores', () => {
  test.each(['', '{', 'null', '[]', '1', '"{}"', '[{"messageType":"broadcast"}]'])(
    'the text %j',
    (text) => {
      expect(parseServerMessage(text)).toBeUndefined();
    },
  );

  test.each([
    { messageType: 'later' },
    { messageType: 'constructor' },
    { messageType: '__proto__' },
    { messageType: 'pong' },
    { messageType: ['broadcast'] },
    { uaid: 'x' },
    { messageType: 'hello', status: 200 },
    { messageType: 'hello', uaid: 'x', status: '200' },
    { messageType: 'register', status: 200 },
    { messageType: 'register', channelID: 'c', status: 200, pushEndpoint: 1 },
    { messageType: 'unregister', channelID: 'c' },
    { messageType: 'notification', channelID: 'c' },
    { messageType: 'notification', channelID: 'c', version: 1 },
    { messageType: 'notification', channelID: 'c', version: 'v', data: 1 },
    { messageType: 'notification', channelID: 'c', version: 'v', headers: 'x' },
    { messageType: 'notification', channelID: 'c', version: 'v', headers: [] },
    { messageType: 'notification', channelID: 'c', version: 'v', headers: { encoding: 1 } },
    { messageType: 'notification', channelID: 'c', version: 'v', headers: { crypto_key: {} } },
  ])('%j', (members) => {
    expect(parse(members)).toBeUndefined();
  });
});
