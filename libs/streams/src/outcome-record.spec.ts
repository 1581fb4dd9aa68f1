import { describe, expect, test } from 'vitest';
import { KeyRing, OUTCOMES, rawMessageId, sealMessageId } from '#webpush';
import type { Announcement, DeviceId, MessageId, SubscriptionId } from '#webpush';
import { decodeOutcomeRecord, encodeAnnouncement, encodeCancel } from './outcome-record.js';
import type { LogRecord, StreamRecord } from './record.js';
import { UndecodableRecord } from './undecodable-record.js';

const device = '00112233445566778899aabbccddeeff' as DeviceId;
const id = Buffer.alloc(81, 9).toString('base64url') as MessageId;
const announcement: Announcement = {
  offset: 2 ** 53 - 1,
  device,
  id,
  outcome: 'delivered',
  at: 1_800_000_000_000,
};

function inLog(record: StreamRecord): LogRecord {
  return { ...record, offset: 5, at: 6 };
}

describe('an announcement', () => {
  test.each(OUTCOMES)('of %s comes back as it was', (outcome) => {
    const record = encodeAnnouncement({ ...announcement, outcome });
    expect(decodeOutcomeRecord(inLog(record))).toEqual({
      kind: 'outcome',
      announcement: { ...announcement, outcome },
    });
  });

  test('has the raw message id as its key, no value, and says all in headers', () => {
    expect(encodeAnnouncement({ ...announcement, offset: 0 })).toEqual({
      key: Buffer.alloc(81, 9),
      value: null,
      headers: { outcome: 'delivered', at: '1800000000000', device, offset: '0' },
    });
  });
});

describe('a cancel', () => {
  test('comes back as it was', () => {
    const record = encodeCancel(device, id);
    expect(record).toEqual({
      key: Buffer.concat([Buffer.of(0), Buffer.alloc(81, 9)]),
      value: null,
      headers: { cancel: '1', device },
    });
    expect(decodeOutcomeRecord(inLog(record))).toEqual({ kind: 'cancel', device, id });
  });

  test('has another key than what it cancels, and than its outcome: compaction leaves both', () => {
    const { key } = encodeCancel(device, id);
    expect(key).not.toEqual(rawMessageId(id));
    expect(key).not.toEqual(encodeAnnouncement(announcement).key);
  });

  test('has a key that no message id has, whatever its length', () => {
    const ring = KeyRing.parse(Buffer.alloc(32, 7).toString('base64url'));
    const subscription = 'ffeeddccbbaa99887766554433221100' as SubscriptionId;
    const sealed = sealMessageId(ring, { device, subscription }, Buffer.alloc(12));
    expect(rawMessageId(sealed)[0]).not.toBe(encodeCancel(device, sealed).key[0]);
  });

  test.each([
    ['the key of its notification', Buffer.alloc(81, 9)],
    ['no message id', Buffer.of(0)],
    ['an empty key', Buffer.alloc(0)],
    ['a message id of 256 bytes', Buffer.concat([Buffer.of(0), Buffer.alloc(256, 9)])],
  ])('with %s is undecodable', (_, key) => {
    const { headers } = encodeCancel(device, id);
    const record = inLog({ key, value: null, headers });
    expect(() => decodeOutcomeRecord(record)).toThrow(UndecodableRecord);
  });
});

describe('a record without value', () => {
  const key = Buffer.alloc(81, 9);
  const { headers = {} } = encodeAnnouncement(announcement);

  test.each([
    ['no headers', undefined],
    ['headers of others', { traceparent: '00-1' }],
  ])('and with %s says nothing', (_, others) => {
    expect(decodeOutcomeRecord(inLog({ key, value: null, headers: others }))).toBeUndefined();
  });

  test('may carry headers of others beside its own', () => {
    const both = { ...headers, traceparent: '00-1' };
    expect(decodeOutcomeRecord(inLog({ key, value: null, headers: both }))?.kind).toBe('outcome');
  });

  test.each<[string, Partial<StreamRecord>]>([
    ['a value', { value: Buffer.alloc(0) }],
    ['an empty key', { key: Buffer.alloc(0) }],
    ['a key of 256 bytes', { key: Buffer.alloc(256) }],
    ['an unknown outcome', { headers: { ...headers, outcome: 'lost' } }],
    ['an outcome of a prototype', { headers: { ...headers, outcome: 'constructor' } }],
    ['no device', { headers: { ...headers, device: '' } }],
    ['a device in capitals', { headers: { ...headers, device: device.toUpperCase() } }],
    ['a negative offset', { headers: { ...headers, offset: '-1' } }],
    ['an offset beyond 2^53', { headers: { ...headers, offset: '9007199254740992' } }],
    ['an offset with a leading zero', { headers: { ...headers, offset: '01' } }],
    ['a time in hex', { headers: { ...headers, at: '0x10' } }],
    ['a cancel of another kind', { headers: { cancel: '2', device } }],
    ['a cancel without device', { headers: { cancel: '1' } }],
  ])('and with %s is undecodable', (_, wrong) => {
    const record = { key, value: null, headers, ...wrong };
    expect(() => decodeOutcomeRecord(inLog(record))).toThrow(UndecodableRecord);
  });
});
