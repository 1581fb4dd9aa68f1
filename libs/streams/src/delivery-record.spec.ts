import { describe, expect, test } from 'vitest';
import type { DeviceId, MessageId, SubscriptionId } from '#webpush';
import { decodeDelivery, encodeDelivery } from './delivery-record.js';
import type { Delivery } from './delivery-record.js';
import { encodeNotification } from './notification-record.js';
import { UndecodableRecord } from './undecodable-record.js';

const device = '00112233445566778899aabbccddeeff' as DeviceId;
const record = encodeNotification({
  id: 'AAAA' as MessageId,
  device,
  subscription: device as string as SubscriptionId,
  ttlSeconds: 60,
  urgency: 'normal',
  payload: Buffer.alloc(0),
});
const notification: Delivery = {
  kind: 'notification',
  epoch: 2 ** 48 - 1,
  connection: 2 ** 53 - 1,
  offset: 0x1_2345_6789_abcd,
  record,
};
const deliveries: readonly Delivery[] = [
  notification,
  { ...notification, epoch: 0, connection: 0, offset: 0 },
  { kind: 'displace', device, connection: 2 ** 53 - 1 },
  { kind: 'ready', partition: 31 },
  { ...notification, at: 1_800_000_000_000 },
];

describe('a delivery record', () => {
  test.each(deliveries.map((delivery) => [delivery.kind, delivery] as const))(
    'of kind %s comes back as it was',
    (_, delivery) => {
      expect(decodeDelivery(encodeDelivery(delivery))).toEqual(delivery);
    },
  );

  test('passes the very bytes of the notification on, on both ways', () => {
    const encoded = encodeDelivery(notification);
    const decoded = decodeDelivery(encoded);
    expect(encoded.value).toBe(record);
    expect(decoded.kind === 'notification' && decoded.record).toBe(record);
  });

  test.each(['', '-1', '1e3', '9'.repeat(16), 'x'])('is not lost for the time %j', (at) => {
    const decoded = decodeDelivery({ ...encodeDelivery(notification), headers: { at } });
    expect(decoded).toEqual(notification);
  });

  test.each<[string, Delivery]>([
    ['a negative epoch', { ...notification, epoch: -1 }],
    ['a connection beyond 2^53', { ...notification, connection: 2 ** 53 }],
    ['a broken offset', { ...notification, offset: 0.5 }],
    ['a device that is not hex', { kind: 'displace', device: 'x' as DeviceId, connection: 1 }],
    ['a negative partition', { kind: 'ready', partition: -1 }],
  ])('is not made of %s', (_, delivery) => {
    expect(() => encodeDelivery(delivery)).toThrow(RangeError);
  });

  const [, , displace, ready] = deliveries.map((delivery) => encodeDelivery(delivery).key);
  const address = encodeDelivery(notification).key;
  test.each<[string, Buffer, Buffer | null]>([
    ['no address', Buffer.alloc(0), record],
    ['another version', Buffer.from([2, ...address.subarray(1)]), record],
    ['an unknown kind', Buffer.from([1, 4, ...address.subarray(2)]), record],
    ['a short address', address.subarray(0, 25), record],
    ['a long address', Buffer.from([...address, 0]), record],
    ['a number beyond 2^53', Buffer.from([1, 1, 0xff, ...address.subarray(3)]), record],
    ['no notification', address, null],
    ['a notification of another version', address, Buffer.from([7, ...record.subarray(1)])],
    ['a notification that is cut off', address, record.subarray(0, 20)],
    ['a value beside displace', displace!, record],
    ['a value beside ready', ready!, Buffer.alloc(0)],
    ['a long ready', Buffer.from([...ready!, 0]), null],
  ])('with %s is undecodable', (_, key, value) => {
    expect(() => decodeDelivery({ key, value })).toThrow(UndecodableRecord);
  });
});
