import { describe, expect, test } from 'vitest';
import {
  helloFrame,
  notificationFrame,
  PONG,
  registerFrame,
  unregisterFrame,
} from './server-message.js';

const CHANNEL = '0a1b2c3d-4e5f-4071-8293-a4b5c6d7e8f9';
const NASTY = 'a "quoted" \\ \n\u2028\0\ud800 é </script>';
/** The body of RFC 8291 §5. */
const RFC_BODY =
  'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6Tlz' +
  'AC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN';
const notification = { channelID: CHANNEL, version: 'AbC-_' };
const START = { messageType: 'notification', ...notification };

describe('the frame of', () => {
  test('hello has exactly the members of the contract', () => {
    expect(JSON.parse(helloFrame('0a'.repeat(16)))).toStrictEqual({
      messageType: 'hello',
      uaid: '0a'.repeat(16),
      status: 200,
      use_webpush: true,
      broadcasts: {},
    });
  });

  test('register has the endpoint where there is one, and the channelID verbatim', () => {
    const pushEndpoint = 'http://127.0.0.1:8081/wpush/v2/abc';
    expect(
      JSON.parse(registerFrame({ channelID: CHANNEL, status: 200, pushEndpoint })),
    ).toStrictEqual({ messageType: 'register', channelID: CHANNEL, status: 200, pushEndpoint });
    expect(JSON.parse(registerFrame({ channelID: NASTY, status: 400 }))).toStrictEqual({
      messageType: 'register',
      channelID: NASTY,
      status: 400,
    });
  });

  test('unregister has channelID and status', () => {
    expect(JSON.parse(unregisterFrame({ channelID: NASTY, status: 200 }))).toStrictEqual({
      messageType: 'unregister',
      channelID: NASTY,
      status: 200,
    });
  });

  test('a pong is two characters', () => {
    expect(PONG).toBe('{}');
  });
});

describe('the frame of a notification', () => {
  const parse = (more: object) =>
    JSON.parse(notificationFrame({ ...notification, ...more })) as unknown;

  test('carries the body and its encoding', () => {
    expect(parse({ data: RFC_BODY, encoding: 'aes128gcm' })).toStrictEqual({
      ...START,
      data: RFC_BODY,
      headers: { encoding: 'aes128gcm' },
    });
  });

  test('carries the two headers of aesgcm under the names of the wire', () => {
    const aesgcm = { data: 'AA', encoding: 'aesgcm', encryption: 'salt=x', cryptoKey: 'dh=y' };
    expect(parse(aesgcm)).toStrictEqual({
      ...START,
      data: 'AA',
      headers: { encoding: 'aesgcm', encryption: 'salt=x', crypto_key: 'dh=y' },
    });
  });

  test('carries aesgcm without Crypto-Key', () => {
    expect(parse({ data: 'AA', encoding: 'aesgcm', encryption: 'salt=x' })).toStrictEqual({
      ...START,
      data: 'AA',
      headers: { encoding: 'aesgcm', encryption: 'salt=x' },
    });
  });

  test('escapes what a sender put into a header', () => {
    const headers = { encoding: 'aesgcm', encryption: NASTY, cryptoKey: NASTY };
    expect(parse({ data: 'AA', ...headers })).toMatchObject({
      headers: { encryption: NASTY, crypto_key: NASTY },
    });
  });

  test('without a body has neither data nor headers, whatever came with it', () => {
    expect(parse({})).toStrictEqual(START);
    expect(parse({ encoding: 'aesgcm', encryption: 'salt=x', cryptoKey: 'dh=y' })).toStrictEqual(
      START,
    );
  });
});
