/**
 * What lies in the log, where it may be by anybody who can write to it. Bytes are decoded to what encodes to the same
 * bytes, or refused.
 */
import {
  UndecodableRecord,
  decodeDelivery,
  decodeNotification,
  decodeOutcomeRecord,
  decodeSubscriptionRecord,
  deviceOf,
  encodeAnnouncement,
  encodeCancel,
  encodeDelivery,
  encodeNotification,
  encodeSubscriptionFact,
  peekNotification,
  traceOf,
  type LogRecord,
  type StreamRecord,
} from '#streams';
import type {
  Announcement,
  DeviceId,
  KeyFingerprint,
  MessageId,
  Notification,
  SubscriptionId,
} from '#webpush';
import { damagedBytes } from './damage.js';
import type { Dice } from './dice.js';
import type { FuzzTarget } from './target.js';

const device = '00112233445566778899aabbccddeeff' as DeviceId;
const subscription = 'ffeeddccbbaa99887766554433221100' as SubscriptionId;
const id = Buffer.alloc(81, 7).toString('base64url') as MessageId;

const least: Notification = {
  ...{ id, device, subscription, ttlSeconds: 0, urgency: 'normal', payload: Buffer.alloc(0) },
};
const payload = Buffer.from('opaque');
const NOTIFICATIONS: readonly Notification[] = [
  least,
  { ...least, urgency: 'high', topic: 'quotes_-AZaz09', encoding: 'aes128gcm', payload },
  {
    ...{ ...least, encoding: 'aesgcm', encryption: 'salt=abc;rs=4096', cryptoKey: 'dh=def' },
    payload: Buffer.alloc(250, 0xff),
  },
  {
    ...{ ...least, topic: 'traced' },
    trace: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', flags: 1 },
  },
];
const RECORDS = NOTIFICATIONS.map(encodeNotification);

function target(name: string, feed: (dice: Dice) => void): FuzzTarget {
  const decode = (dice: Dice): string => {
    try {
      feed(dice);
      return 'decoded';
    } catch (error) {
      if (error instanceof UndecodableRecord) return 'refused';
      throw error;
    }
  };
  return { name, kinds: ['decoded', 'refused'], open: () => decode };
}

const inLog = (record: StreamRecord): LogRecord => ({ ...record, offset: 5, at: 6 });

const notifications = target('notification records', (dice) => {
  const record = damagedBytes(dice, RECORDS);
  const { device } = peekNotification(record);
  refuseAfterPeek(record);
  const again = encodeNotification(decodeNotification(record));
  if (!again.equals(record)) throw new Error(`${record.toString('hex')} is not canonical`);
  if (device !== deviceOf(record)) throw new Error('peeked otherwise');
});

/** A router that has peeked asks for the trace, whatever the rest of the record is. */
function refuseAfterPeek(record: Buffer): void {
  try {
    traceOf(record);
  } catch (cause) {
    throw new Error(`${record.toString('hex')} throws after a peek`, { cause });
  }
}

const announcement: Announcement = {
  ...{ offset: 2 ** 53 - 1, device, id, outcome: 'delivered', at: 1_800_000_000_000 },
};
const WORDS = ['delivered', 'gone', '1', '0', device, '12', '', 'ü', '99999999999999999', '1e3'];
const NAMES = ['outcome', 'at', 'device', 'offset', 'cancel', 'x', '__proto__'];

const outcomes = target('outcome records', (dice) => {
  const headers: Record<string, string> = dice.below(2) === 0 ? { cancel: '1', device } : {};
  if (dice.below(4) === 0) Object.assign(headers, encodeAnnouncement(announcement).headers);
  for (let i = dice.below(4); i > 0; i--) headers[dice.pick(NAMES)] = dice.pick(WORDS);
  // Cancels and announcements differ in the first octet of their keys.
  const key = Buffer.alloc(dice.below(270), dice.below(2));
  const decoded = decodeOutcomeRecord(inLog({ key, value: null, headers }));
  if (!decoded) return;
  const again =
    decoded.kind === 'cancel'
      ? encodeCancel(decoded.device, decoded.id)
      : encodeAnnouncement(decoded.announcement);
  if (!again.key.equals(key)) throw new Error('another key');
  for (const [name, word] of Object.entries(again.headers ?? {})) {
    if (headers[name] !== word) throw new Error(`${name} is ${word}, not ${headers[name]}`);
  }
});

const fingerprint = Buffer.alloc(32, 0xfb).toString('base64url') as KeyFingerprint;
const site = 'https://stocks.example/ä';
const present = { kind: 'present', device, subscription } as const;
const FACTS = [
  ...[present, { ...present, fingerprint }, { ...present, site }],
  ...[{ ...present, fingerprint, site }, { kind: 'seen', device, at: 2 ** 53 - 1 } as const],
].flatMap((fact) => encodeSubscriptionFact(fact).value ?? []);
const ONE = Buffer.from(device, 'hex');
const BOTH = Buffer.from(device + subscription, 'hex');

const subscriptions = target('subscription records', (dice) => {
  const key = dice.below(20) === 0 ? Buffer.alloc(dice.below(40)) : dice.pick([ONE, BOTH, BOTH]);
  const value = dice.below(20) === 0 ? null : damagedBytes(dice, FACTS);
  const again = encodeSubscriptionFact(decodeSubscriptionRecord(inLog({ key, value })));
  const isSame = value === null ? again.value === null : again.value?.equals(value);
  if (!isSame || !again.key.equals(key)) throw new Error(`${value?.toString('hex')}`);
});

const record = RECORDS[0] as Buffer;
const ADDRESSES = [
  encodeDelivery({
    kind: 'notification',
    epoch: 2 ** 48 - 1,
    connection: 2 ** 53 - 1,
    offset: 5,
    record,
  }),
  encodeDelivery({ kind: 'displace', device, connection: 2 ** 53 - 1 }),
  encodeDelivery({ kind: 'ready', partition: 31 }),
].map(({ key }) => key);

const deliveries = target('delivery records', (dice) => {
  const key = dice.below(4) === 0 ? dice.pick(ADDRESSES) : damagedBytes(dice, ADDRESSES);
  const isDamaged = dice.below(4) === 0;
  const value = dice.below(2) === 0 ? null : isDamaged ? damagedBytes(dice, [record]) : record;
  const again = encodeDelivery(decodeDelivery({ key, value }));
  if (!again.key.equals(key) || again.value !== value) throw new Error(key.toString('hex'));
});

export const RECORD_TARGETS: readonly FuzzTarget[] = [
  notifications,
  outcomes,
  subscriptions,
  deliveries,
];
