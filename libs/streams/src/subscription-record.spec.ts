import { describe, expect, test } from 'vitest';
import type { DeviceId, KeyFingerprint, SubscriptionFact, SubscriptionId } from '#webpush';
import type { LogRecord, StreamRecord } from './record.js';
import { decodeSubscriptionRecord, encodeSubscriptionFact } from './subscription-record.js';
import { UndecodableRecord } from './undecodable-record.js';

const device = '00112233445566778899aabbccddeeff' as DeviceId;
const subscription = 'ffeeddccbbaa99887766554433221100' as SubscriptionId;
const fingerprint = Buffer.alloc(32, 0xfb).toString('base64url') as KeyFingerprint;
const site = 'https://stocks.example/ä';
const present = { kind: 'present', device, subscription } as const;
const facts: readonly SubscriptionFact[] = [
  present,
  { ...present, fingerprint },
  { ...present, site },
  { ...present, fingerprint, site },
  { ...present, site: 'x'.repeat(2048) },
  { kind: 'gone', device, subscription },
  { kind: 'seen', device, at: 0 },
  { kind: 'seen', device, at: 2 ** 53 - 1 },
  { kind: 'forgotten', device },
];

function inLog(record: StreamRecord): LogRecord {
  return { ...record, offset: 5, at: 6 };
}

describe('a record of subscriptions', () => {
  test.each(facts.map((fact) => [JSON.stringify(fact).slice(0, 60), fact] as const))(
    '%s comes back as it was',
    (_, fact) => {
      expect(decodeSubscriptionRecord(inLog(encodeSubscriptionFact(fact)))).toEqual(fact);
    },
  );

  test('is keyed by device and subscription, or by the device alone', () => {
    expect(encodeSubscriptionFact(present).key.toString('hex')).toBe(device + subscription);
    expect(encodeSubscriptionFact({ kind: 'seen', device, at: 1 }).key.toString('hex')).toBe(
      device,
    );
    expect(encodeSubscriptionFact({ kind: 'gone', device, subscription }).value).toBeNull();
    expect(encodeSubscriptionFact({ kind: 'forgotten', device }).value).toBeNull();
  });

  test.each<[string, SubscriptionFact]>([
    ['a short device', { ...present, device: 'ab' as DeviceId }],
    [
      'a subscription that is not hex',
      { ...present, subscription: 'g'.repeat(32) as SubscriptionId },
    ],
    ['a short fingerprint', { ...present, fingerprint: 'AAAA' as KeyFingerprint }],
    ['an empty site', { ...present, site: '' }],
    ['a site of 2049 bytes', { ...present, site: 'x'.repeat(2049) }],
    ['a time before 1970', { kind: 'seen', device, at: -1 }],
    ['a broken time', { kind: 'seen', device, at: 1.5 }],
  ])('is not made of %s', (_, fact) => {
    expect(() => encodeSubscriptionFact(fact)).toThrow(RangeError);
  });

  const both = Buffer.from(device + subscription, 'hex');
  const one = Buffer.from(device, 'hex');
  test.each<[string, Buffer, Buffer | null]>([
    ['an empty key', Buffer.alloc(0), null],
    ['a key of 17 bytes', Buffer.alloc(17), null],
    ['a key of 33 bytes', Buffer.alloc(33), Buffer.from([1, 0])],
    ['an empty value', both, Buffer.alloc(0)],
    ['the version alone', both, Buffer.from([1])],
    ['another version', both, Buffer.from([2, 0])],
    ['an unknown flag', both, Buffer.from([1, 4])],
    ['bytes behind it', both, Buffer.from([1, 0, 0])],
    ['a cut off fingerprint', both, Buffer.concat([Buffer.from([1, 1]), Buffer.alloc(31)])],
    ['a fingerprint of 33', both, Buffer.concat([Buffer.from([1, 1]), Buffer.alloc(33)])],
    ['an empty site', both, Buffer.from([1, 2])],
    ['a site of 2049', both, Buffer.concat([Buffer.from([1, 2]), Buffer.alloc(2049, 'x')])],
    ['a site that is not UTF-8', both, Buffer.from([1, 2, 0xc3, 0x28])],
    ['a short time', one, Buffer.from([1, 0, 0])],
    ['a time of another version', one, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0, 1])],
    ['a time beyond 2^53', one, Buffer.from([1, 0xff, 0, 0, 0, 0, 0, 0, 1])],
  ])('with %s is undecodable', (_, key, value) => {
    expect(() => decodeSubscriptionRecord(inLog({ key, value }))).toThrow(UndecodableRecord);
  });
});
