/**
 * The value of a record in `notifications`. Ingest writes it once; router, mailbox and gateway pass the same
 * bytes on untouched, so only its ends (ingest, the frame writer) pay for all of it. The router peeks.
 */
import { CONTENT_ENCODINGS, URGENCIES } from '#webpush';
import type {
  ContentEncoding,
  DeviceId,
  MessageId,
  Notification,
  SubscriptionId,
  TraceContext,
} from '#webpush';
import { UndecodableRecord } from './undecodable-record.js';

/** What routing needs to know of a notification. */
export type NotificationPeek = Pick<
  Notification,
  'device' | 'subscription' | 'id' | 'ttlSeconds' | 'topic'
>;

const VERSION = 1;
const DEVICE_AT = 1;
const SUBSCRIPTION_AT = 17;
const TTL_AT = 33;
const FLAGS_AT = 37;
const ID_LENGTH_AT = 38;
const ID_AT = 39;

const HAS_TOPIC = 0x10;
const HAS_ENCRYPTION = 0x20;
const HAS_CRYPTO_KEY = 0x40;
const HAS_MORE = 0x80;
const MORE_TRACE = 0x01;
const TRACE_BYTES = 25;
/** `more` with the one field that there is. */
const MORE_BYTES = 1 + TRACE_BYTES;

const TOPIC = /^[A-Za-z0-9_-]{1,32}$/;
const NOTHING = /^0+$/;
const HEADER = /^[\x20-\x7e]{0,65535}$/;

/**
 * ```
 * record       = version device subscription ttl flags id [more] [topic] [encryption] [crypto-key] payload
 * version      = %x01
 * device       = 16OCTET              ; at byte 1: see deviceOf
 * subscription = 16OCTET
 * ttl          = u32                  ; seconds; all integers are big-endian
 * flags        = OCTET                ; bits 0–1 urgency (index in URGENCIES), bits 2–3 encoding (0 none,
 *                                     ; 1 aes128gcm, 2 aesgcm), bit 4 topic, bit 5 encryption,
 *                                     ; bit 6 crypto-key, bit 7 more
 * id           = u8 1*255OCTET        ; length, raw message id
 * more         = %x01 trace           ; further flags: bit 0 trace, the others zero
 * trace        = 16OCTET 8OCTET OCTET ; trace id, span id (neither all zero), flags
 * topic        = u8 1*32CHAR          ; length, base64url alphabet
 * encryption   = u16 *VCHAR           ; length, printable ASCII; only with aesgcm
 * crypto-key   = u16 *VCHAR           ; likewise
 * payload      = *OCTET               ; to the end; empty exactly when encoding is none
 * ```
 * One buffer, one copy of the payload. Throws a RangeError for what would not be decodable.
 */
export function encodeNotification(n: Notification): Buffer {
  const { topic, encryption, cryptoKey, payload } = n;
  const idLength = Buffer.byteLength(n.id, 'base64url');
  refuseUnencodable(n, idLength);
  let size = ID_AT + idLength + payload.length;
  if (n.trace !== undefined) size += MORE_BYTES;
  if (topic !== undefined) size += 1 + topic.length;
  if (encryption !== undefined) size += 2 + encryption.length;
  if (cryptoKey !== undefined) size += 2 + cryptoKey.length;

  const record = Buffer.allocUnsafe(size);
  record[0] = VERSION;
  const written =
    record.write(n.device, DEVICE_AT, 'hex') + record.write(n.subscription, SUBSCRIPTION_AT, 'hex');
  record.writeUInt32BE(n.ttlSeconds, TTL_AT);
  record[FLAGS_AT] = flagsOf(n);
  record[ID_LENGTH_AT] = idLength;
  // The memory is not zeroed: an id that wrote less than its length would publish what lay there before.
  if (written !== 32 || record.write(n.id, ID_AT, 'base64url') !== idLength) {
    throw new RangeError(`an id of the notification is malformed: ${n.device} ${n.subscription}`);
  }
  let at = ID_AT + idLength;
  if (n.trace !== undefined) at = writeTrace(record, n.trace, at);
  if (topic !== undefined) {
    record[at] = topic.length;
    at += 1 + record.write(topic, at + 1, 'latin1');
  }
  if (encryption !== undefined) at = writeHeader(record, encryption, at);
  if (cryptoKey !== undefined) at = writeHeader(record, cryptoKey, at);
  record.set(payload, at);
  return record;
}

/** Everything. `payload` is a part of `record`, not a copy. Throws {@link UndecodableRecord}. */
export function decodeNotification(record: Buffer): Notification {
  const { device, subscription, id, ttlSeconds, topic } = peekNotification(record);
  const flags = record[FLAGS_AT] ?? 0;
  const encoding = encodingOf(flags);
  if ((flags & (HAS_ENCRYPTION | HAS_CRYPTO_KEY)) !== 0 && encoding !== 'aesgcm') {
    throw new UndecodableRecord('notification with crypto headers, but its encoding is not aesgcm');
  }
  const trace = traceOf(record);
  let at = moreEnd(record, flags) + (topic === undefined ? 0 : 1 + topic.length);
  let encryption: string | undefined;
  let cryptoKey: string | undefined;
  if ((flags & HAS_ENCRYPTION) !== 0) {
    encryption = readHeader(record, at);
    at += 2 + encryption.length;
  }
  if ((flags & HAS_CRYPTO_KEY) !== 0) {
    cryptoKey = readHeader(record, at);
    at += 2 + cryptoKey.length;
  }
  const payload = record.subarray(at);
  if ((payload.length === 0) !== (encoding === undefined)) {
    throw new UndecodableRecord(`notification with ${payload.length} B of ${encoding} payload`);
  }
  const urgency = URGENCIES[flags & 3] ?? 'normal';
  // Every field each time: one shape for the optimizer.
  return {
    id,
    device,
    subscription,
    ttlSeconds,
    urgency,
    topic,
    encoding,
    encryption,
    cryptoKey,
    trace,
    payload,
  };
}

/** What routing needs alone, for every record that the router reads. Throws {@link UndecodableRecord}. */
export function peekNotification(record: Buffer): NotificationPeek {
  const device = deviceOf(record);
  const flags = record[FLAGS_AT] ?? 0;
  const idEnd = ID_AT + (record[ID_LENGTH_AT] ?? 0);
  if (idEnd === ID_AT || idEnd > record.length) {
    throw new UndecodableRecord(`notification of ${record.length} B, its id ends at ${idEnd}`);
  }
  if ((flags & HAS_MORE) !== 0) traceOf(record); // So that it throws here, or nowhere.
  return {
    device,
    subscription: record.toString('hex', SUBSCRIPTION_AT, TTL_AT) as SubscriptionId,
    id: record.toString('base64url', ID_AT, idEnd) as MessageId,
    ttlSeconds: record.readUInt32BE(TTL_AT),
    topic: (flags & HAS_TOPIC) === 0 ? undefined : readTopic(record, moreEnd(record, flags)),
  };
}

/** Nearly always undefined, by a look at one bit. Throws {@link UndecodableRecord}, but not after a peek. */
export function traceOf(record: Buffer): TraceContext | undefined {
  const flags = record[FLAGS_AT] ?? 0;
  if ((flags & HAS_MORE) === 0) return undefined;
  const at = moreEnd(record, flags) - TRACE_BYTES;
  const traceId = record.toString('hex', at, at + 16);
  const spanId = record.toString('hex', at + 16, at + 24);
  if (NOTHING.test(traceId) || NOTHING.test(spanId)) {
    throw new UndecodableRecord(`notification with the trace ${traceId}-${spanId}`);
  }
  return { traceId, spanId, flags: record[at + 24] ?? 0 };
}

/** The device alone, at its fixed place. Throws {@link UndecodableRecord}. */
export function deviceOf(record: Buffer): DeviceId {
  checkHead(record);
  return record.toString('hex', DEVICE_AT, SUBSCRIPTION_AT) as DeviceId;
}

/** Whether the bytes begin like a notification of this version. Throws {@link UndecodableRecord}. */
export function checkHead(record: Buffer): void {
  if (record[0] === VERSION && record.length > ID_AT) return;
  throw new UndecodableRecord(`notification of ${record.length} B, version ${record[0]}`);
}

function refuseUnencodable(n: Notification, idLength: number): void {
  if (idLength < 1 || idLength > 255) throw new RangeError(`message id of ${idLength} B`);
  if (n.topic !== undefined && !TOPIC.test(n.topic)) throw new RangeError(`topic "${n.topic}"`);
  if ((n.payload.length === 0) !== (n.encoding === undefined)) {
    throw new RangeError(`payload of ${n.payload.length} B with encoding ${n.encoding}`);
  }
  if (n.encryption === undefined && n.cryptoKey === undefined) return;
  if (
    n.encoding !== 'aesgcm' ||
    !HEADER.test(n.encryption ?? '') ||
    !HEADER.test(n.cryptoKey ?? '')
  ) {
    throw new RangeError(`encryption and crypto key belong to aesgcm, in ASCII: ${n.encoding}`);
  }
}

/** Where the fields begin that may follow. */
function moreEnd(record: Buffer, flags: number): number {
  const at = ID_AT + (record[ID_LENGTH_AT] ?? 0);
  if ((flags & HAS_MORE) === 0) return at;
  if (record[at] === MORE_TRACE && at + MORE_BYTES <= record.length) return at + MORE_BYTES;
  throw new UndecodableRecord(`notification with the further flags ${record[at]}`);
}

function writeTrace(record: Buffer, { traceId, spanId, flags }: TraceContext, at: number): number {
  record[at] = MORE_TRACE;
  const written = record.write(traceId, at + 1, 'hex') + record.write(spanId, at + 17, 'hex');
  if (written !== 24) throw new RangeError(`trace ${traceId}-${spanId}`);
  record[at + 25] = flags;
  return at + MORE_BYTES;
}

function flagsOf(n: Notification): number {
  return (
    URGENCIES.indexOf(n.urgency) |
    (n.encoding === undefined ? 0 : (CONTENT_ENCODINGS.indexOf(n.encoding) + 1) << 2) |
    (n.topic === undefined ? 0 : HAS_TOPIC) |
    (n.encryption === undefined ? 0 : HAS_ENCRYPTION) |
    (n.cryptoKey === undefined ? 0 : HAS_CRYPTO_KEY) |
    (n.trace === undefined ? 0 : HAS_MORE)
  );
}

function encodingOf(flags: number): ContentEncoding | undefined {
  const index = (flags >> 2) & 3;
  if (index === 0) return undefined;
  const encoding = CONTENT_ENCODINGS[index - 1];
  if (!encoding) throw new UndecodableRecord(`notification with unknown encoding ${index}`);
  return encoding;
}

function writeHeader(record: Buffer, header: string, at: number): number {
  record.writeUInt16BE(header.length, at);
  return at + 2 + record.write(header, at + 2, 'latin1');
}

function readHeader(record: Buffer, at: number): string {
  const end = at + 2 <= record.length ? at + 2 + record.readUInt16BE(at) : Infinity;
  if (end > record.length) throw new UndecodableRecord('notification cut off in a crypto header');
  const header = record.toString('latin1', at + 2, end);
  if (!HEADER.test(header)) throw new UndecodableRecord('notification with a header not in ASCII');
  return header;
}

function readTopic(record: Buffer, at: number): string {
  const end = at + 1 + (record[at] ?? Infinity);
  if (end > record.length) throw new UndecodableRecord('notification cut off in its topic');
  const topic = record.toString('latin1', at + 1, end);
  if (!TOPIC.test(topic)) throw new UndecodableRecord(`notification with topic "${topic}"`);
  return topic;
}
