import { describe, expect, test } from 'vitest';
import type { DeviceId, MessageId, Notification, SubscriptionId } from '#webpush';
import {
  decodeNotification,
  deviceOf,
  encodeNotification,
  peekNotification,
} from './notification-record.js';
import { UndecodableRecord } from './undecodable-record.js';

const device = '00112233445566778899aabbccddeeff' as DeviceId;
const subscription = 'ffeeddccbbaa99887766554433221100' as SubscriptionId;
const id = Buffer.alloc(81, 7).toString('base64url') as MessageId;
const least: Notification = {
  id,
  device,
  subscription,
  ttlSeconds: 0,
  urgency: 'normal',
  payload: Buffer.alloc(0),
};
const aes128gcm: Notification = {
  ...least,
  ttlSeconds: 2_592_000,
  urgency: 'high',
  topic: 'quotes_-AZaz09',
  encoding: 'aes128gcm',
  payload: Buffer.from('opaque'),
};
const aesgcm: Notification = {
  ...least,
  ttlSeconds: 0xffff_ffff,
  urgency: 'very-low',
  encoding: 'aesgcm',
  encryption: 'salt=abc;rs=4096',
  cryptoKey: 'dh=def',
  payload: Buffer.alloc(65_536, 0xff),
};

const trace = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  flags: 1,
};

/** The bytes with some replaced. */
function patched(record: Buffer, at: number, ...bytes: readonly number[]): Buffer {
  const copy = Buffer.from(record);
  copy.set(bytes, at);
  return copy;
}

describe('a notification record', () => {
  test.each([
    ['without payload', least],
    ['with aes128gcm and a topic', aes128gcm],
    ['with aesgcm, its headers and 64 KiB', aesgcm],
    ['with aesgcm and one header', { ...aesgcm, encryption: undefined, cryptoKey: '' }],
    ['with the shortest id and topic', { ...aes128gcm, id: 'AA' as MessageId, topic: 'a' }],
    ['with the longest topic', { ...aes128gcm, topic: 'x'.repeat(32) }],
    ['with a trace', { ...aes128gcm, trace }],
    ['with a trace and crypto headers', { ...aesgcm, trace }],
    ['with low urgency', { ...aes128gcm, urgency: 'low' as const }],
  ])('%s comes back as it was', (_, notification) => {
    expect(decodeNotification(encodeNotification(notification))).toEqual(notification);
  });

  test('of a time before there were traces is still decoded', () => {
    const old = Buffer.from(`01${device}${subscription}0000003c12020102${'04'}61626364`, 'hex');
    expect(decodeNotification(old)).toEqual({
      ...{ ...least, ttlSeconds: 60, urgency: 'normal', topic: 'abcd', trace: undefined },
      id: 'AQI',
    });
  });

  test('begins with version, device and subscription at fixed places', () => {
    const record = encodeNotification(aes128gcm);
    expect(record.toString('hex', 0, 33)).toBe(`01${device}${subscription}`);
    expect(deviceOf(record)).toBe(device);
  });

  test('holds the payload untouched at its end, and gives it out without a copy', () => {
    const record = encodeNotification(aes128gcm);
    const { payload } = decodeNotification(record);
    expect(record.subarray(-6).toString()).toBe('opaque');
    expect(payload.buffer).toBe(record.buffer);
    expect(payload.byteOffset).toBe(record.byteOffset + record.length - 6);
  });

  test('is peeked for what routing needs', () => {
    const { ttlSeconds, topic } = aes128gcm;
    const routing = { device, subscription, id, ttlSeconds, topic };
    expect(peekNotification(encodeNotification(aes128gcm))).toEqual(routing);
    expect(peekNotification(encodeNotification(least)).topic).toBeUndefined();
  });

  test.each<[string, Partial<Notification>]>([
    ['a short device', { device: 'abcd' as DeviceId }],
    ['a device that is not hex', { device: 'z'.repeat(32) as DeviceId }],
    ['an empty id', { id: '' as MessageId }],
    ['an id of 256 bytes', { id: Buffer.alloc(256).toString('base64url') as MessageId }],
    ['an id that is not base64url', { id: '!!!!' as MessageId }],
    ['a negative TTL', { ttlSeconds: -1 }],
    ['a TTL beyond 32 bits', { ttlSeconds: 2 ** 32 }],
    ['a topic of 33', { topic: 'x'.repeat(33) }],
    ['an empty topic', { topic: '' }],
    ['a payload without encoding', { encoding: undefined }],
    ['an encoding without payload', { payload: Buffer.alloc(0) }],
    ['crypto headers with aes128gcm', { encryption: 'salt=a' }],
    ['a crypto header beyond ASCII', { encoding: 'aesgcm', cryptoKey: 'dh=ü' }],
    ['a crypto header of 64 KiB', { encoding: 'aesgcm', cryptoKey: 'x'.repeat(65_536) }],
  ])('is not made of %s', (_, wrong) => {
    expect(() => encodeNotification({ ...aes128gcm, ...wrong })).toThrow(RangeError);
  });

  const sound = encodeNotification(aes128gcm);
  const legacy = encodeNotification(aesgcm);
  const traced = encodeNotification({ ...aes128gcm, trace });
  const moreAt = 39 + 81;
  const flagsAt = 37;
  const idLengthAt = 38;
  const topicAt = 39 + 81;
  test.each([
    ['nothing', Buffer.alloc(0)],
    ['another version', patched(sound, 0, 2)],
    ['version zero', patched(sound, 0, 0)],
    ['its head alone', sound.subarray(0, 39)],
    ['further flags that are unknown', patched(traced, moreAt, 3)],
    ['no further flags where there must be', patched(traced, moreAt, 0)],
    ['a cut off trace', traced.subarray(0, moreAt + 20)],
    ['a trace id of zeros', patched(traced, moreAt + 1, ...Buffer.alloc(16))],
    ['a span id of zeros', patched(traced, moreAt + 17, ...Buffer.alloc(8))],
    ['no id', patched(sound, idLengthAt, 0)],
    ['an id beyond the end', patched(sound, idLengthAt, 255)],
    ['a cut off id', sound.subarray(0, 100)],
    ['an empty topic', patched(sound, topicAt, 0)],
    ['a topic of 33', Buffer.concat([patched(sound, topicAt, 33), Buffer.alloc(40, 'x')])],
    ['a topic beyond the end', patched(sound, topicAt, 255)],
    ['a cut off topic', sound.subarray(0, topicAt)],
    ['a topic with another character', patched(sound, topicAt + 1, 0x2f)],
    ['an unknown encoding', patched(sound, flagsAt, 0x1f)],
    ['a payload without encoding', patched(sound, flagsAt, 0x13)],
    ['an encoding without payload', sound.subarray(0, -6)],
    ['crypto headers with aes128gcm', patched(legacy, flagsAt, 0x64)],
    ['a crypto header cut off', legacy.subarray(0, 39 + 81 + 1)],
    ['a crypto header beyond the end', patched(legacy.subarray(0, 150), 39 + 81, 0xff, 0xff)],
    ['a crypto header that is not text', patched(legacy, 39 + 81 + 2, 0)],
  ])('with %s is undecodable', (_, record) => {
    expect(() => decodeNotification(record)).toThrow(UndecodableRecord);
  });
});
