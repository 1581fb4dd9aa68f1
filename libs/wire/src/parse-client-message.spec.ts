import { describe, expect, test } from 'vitest';
import { ACK_OUTCOMES, encodeClientMessage, type ClientMessage } from './client-message.js';
import { parseClientMessage } from './parse-client-message.js';

const CHANNEL = '0a1b2c3d-4e5f-4071-8293-a4b5c6d7e8f9';
const parse = (members: unknown) => parseClientMessage(JSON.stringify(members));

describe('what stock Firefox sends', () => {
  test.each<[string, ClientMessage]>([
    [
      '{"messageType":"hello","broadcasts":{},"use_webpush":true}',
      { messageType: 'hello', broadcasts: {}, use_webpush: true },
    ],
    [
      `{"messageType":"hello","broadcasts":{"a/b":"\\"0\\""},"use_webpush":true,"uaid":"${'0a'.repeat(16)}"}`,
      {
        messageType: 'hello',
        uaid: '0a'.repeat(16),
        broadcasts: { 'a/b': '"0"' },
        use_webpush: true,
      },
    ],
    [
      `{"channelID":"${CHANNEL}","messageType":"register","key":"BAbc="}`,
      { messageType: 'register', channelID: CHANNEL, key: 'BAbc=' },
    ],
    [
      `{"channelID":"${CHANNEL}","messageType":"register"}`,
      { messageType: 'register', channelID: CHANNEL },
    ],
    [
      `{"channelID":"${CHANNEL}","messageType":"unregister","code":200}`,
      { messageType: 'unregister', channelID: CHANNEL, code: 200 },
    ],
    [
      `{"messageType":"ack","updates":[{"channelID":"${CHANNEL}","version":"AbC-_","code":100}]}`,
      { messageType: 'ack', updates: [{ channelID: CHANNEL, version: 'AbC-_', code: 100 }] },
    ],
    [
      '{"messageType":"nack","version":"AbC-_","code":302}',
      { messageType: 'nack', version: 'AbC-_', code: 302 },
    ],
    [
      '{"messageType":"broadcast_subscribe","broadcasts":{"remote-settings/monitor_changes":"\\"0\\""}}',
      {
        messageType: 'broadcast_subscribe',
        broadcasts: { 'remote-settings/monitor_changes': '"0"' },
      },
    ],
    ['{}', { messageType: 'ping' }],
  ])('%s is read', (text, message) => {
    expect(parseClientMessage(text)).toEqual(message);
  });
});

describe('leniency', () => {
  test.each([
    [{ messageType: 'hello' }, { messageType: 'hello' }],
    [
      { messageType: 'hello', uaid: null, channelIDs: null, broadcasts: null, use_webpush: null },
      { messageType: 'hello' },
    ],
    [
      { messageType: 'hello', uaid: '', channelIDs: ['x'], more: [1] },
      { messageType: 'hello', uaid: '', channelIDs: ['x'] },
    ],
    [
      { messageType: 'register', channelID: 'no UUID', key: 'no key', more: {} },
      { messageType: 'register', channelID: 'no UUID', key: 'no key' },
    ],
    [
      { messageType: 'register', channelID: '', key: null },
      { messageType: 'register', channelID: '' },
    ],
    [
      { messageType: 'unregister', channelID: 'x', code: -0.5 },
      { messageType: 'unregister', channelID: 'x', code: -0.5 },
    ],
    [
      { messageType: 'unregister', channelID: 'x', code: null },
      { messageType: 'unregister', channelID: 'x' },
    ],
    [
      { messageType: 'nack', version: '', code: 9 },
      { messageType: 'nack', version: '', code: 9 },
    ],
    [
      { messageType: 'nack', version: 'v' },
      { messageType: 'nack', version: 'v' },
    ],
    [
      { messageType: 'ack', updates: [] },
      { messageType: 'ack', updates: [] },
    ],
    [{ messageType: 'ping', more: 1 }, { messageType: 'ping' }],
  ])('%j is read', (members, message) => {
    expect(parse(members)).toEqual(message);
  });

  test('an empty document is a ping however it is spaced', () => {
    expect(parseClientMessage(' {\n} ')).toEqual({ messageType: 'ping' });
  });

  test('the last of two members with one name counts, as JSON.parse has it', () => {
    const text = '{"messageType":"hello","messageType":"ping"}';
    expect(parseClientMessage(text)).toEqual({ messageType: 'ping' });
  });
});

describe('the code of an ack', () => {
  test.each([
    [undefined, 100],
    [null, 100],
    [100, 100],
    [101, 101],
    [102, 102],
    [103, 102],
    [0, 102],
    [-1, 102],
    [100.5, 102],
    [1e300, 102],
  ])('%s counts as %i', (code, counted) => {
    expect(
      parse({ messageType: 'ack', updates: [{ channelID: 'c', version: 'v', code }] }),
    ).toEqual({
      messageType: 'ack',
      updates: [{ channelID: 'c', version: 'v', code: counted }],
    });
  });

  test('each ends redelivery with an outcome of its own', () => {
    expect(ACK_OUTCOMES).toEqual({ 100: 'delivered', 101: 'undecryptable', 102: 'rejected' });
  });
});

describe('what cannot be read', () => {
  test.each([
    '',
    ' ',
    '{',
    '}',
    'null',
    '0',
    '"hello"',
    '[]',
    '[{}]',
    'true',
    'undefined',
    "{'a':1}",
  ])('the text %j', (text) => {
    expect(parseClientMessage(text)).toBeUndefined();
  });
  test.each([
    '{"messageType":"ping"}x',
    '\ufeff{}',
    '{"messageType":"ping",}',
    '{"a":NaN}',
    '{}{}',
  ])('the text %j', (text) => {
    expect(parseClientMessage(text)).toBeUndefined();
  });

  test.each([
    { messageType: 'Hello' },
    { messageType: 'PING' },
    { messageType: ' ping' },
    { messageType: '' },
    { messageType: null },
    { messageType: 1 },
    { messageType: ['ping'] },
    { messageType: 'constructor' },
    { messageType: 'notification' },
    { uaid: 'x' },
    { messagetype: 'ping' },
    { messageType: 'hello', uaid: 1 },
    { messageType: 'hello', uaid: {} },
    { messageType: 'hello', channelIDs: 'x' },
    { messageType: 'hello', channelIDs: {} },
    { messageType: 'hello', channelIDs: [1] },
    { messageType: 'hello', broadcasts: [] },
    { messageType: 'hello', broadcasts: 'x' },
    { messageType: 'hello', broadcasts: { a: 1 } },
    { messageType: 'hello', use_webpush: 'true' },
    { messageType: 'hello', use_webpush: 1 },
    { messageType: 'register' },
    { messageType: 'register', channelID: null },
    { messageType: 'register', channelID: 1 },
    { messageType: 'register', channelID: CHANNEL, key: 1 },
    { messageType: 'register', channelID: CHANNEL, key: ['B'] },
    { messageType: 'unregister' },
    { messageType: 'unregister', channelID: [CHANNEL] },
    { messageType: 'unregister', channelID: CHANNEL, code: '200' },
    { messageType: 'ack' },
    { messageType: 'ack', updates: null },
    { messageType: 'ack', updates: {} },
    { messageType: 'ack', updates: [null] },
    { messageType: 'ack', updates: [[]] },
    { messageType: 'ack', updates: ['v'] },
    { messageType: 'ack', updates: [{ version: 'v' }] },
    { messageType: 'ack', updates: [{ channelID: 'c' }] },
    { messageType: 'ack', updates: [{ channelID: 'c', version: 1 }] },
    { messageType: 'ack', updates: [{ channelID: 1, version: 'v' }] },
    { messageType: 'ack', updates: [{ channelID: 'c', version: 'v', code: '100' }] },
    { messageType: 'ack', updates: [{ channelID: 'c', version: 'v' }, {}] },
    { messageType: 'nack' },
    { messageType: 'nack', version: 1 },
    { messageType: 'nack', version: 'v', code: '301' },
    { messageType: 'broadcast_subscribe' },
    { messageType: 'broadcast_subscribe', broadcasts: null },
    { messageType: 'broadcast_subscribe', broadcasts: ['a'] },
    { messageType: 'broadcast_subscribe', broadcasts: { a: null } },
  ])('the members %j', (members) => {
    expect(parse(members)).toBeUndefined();
  });

  test('a document nested deeper than any stack', () => {
    expect(parseClientMessage('['.repeat(65_536))).toBeUndefined();
    expect(parseClientMessage('{"messageType":'.repeat(4096))).toBeUndefined();
  });

  test('members of a prototype', () => {
    expect(parseClientMessage('{"__proto__":{"messageType":"ping"}}')).toBeUndefined();
    expect(parseClientMessage('{"messageType":"register","__proto__":{"channelID":"x"}}')).toBe(
      undefined,
    );
  });
});

describe('what a push client encodes', () => {
  test.each<ClientMessage>([
    { messageType: 'hello', use_webpush: true, broadcasts: {} },
    { messageType: 'hello', uaid: '0a'.repeat(16), channelIDs: [CHANNEL], use_webpush: true },
    { messageType: 'register', channelID: CHANNEL, key: 'BAbc' },
    { messageType: 'unregister', channelID: CHANNEL, code: 200 },
    { messageType: 'ack', updates: [{ channelID: CHANNEL, version: 'v', code: 101 }] },
    { messageType: 'nack', version: 'v', code: 301 },
    { messageType: 'broadcast_subscribe', broadcasts: { a: 'b' } },
    { messageType: 'ping' },
  ])('%j is read as it was', (message) => {
    expect(parseClientMessage(encodeClientMessage(message))).toEqual(message);
  });

  test('a ping is two characters', () => {
    expect(encodeClientMessage({ messageType: 'ping' })).toBe('{}');
  });
});
