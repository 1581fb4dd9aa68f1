/**
 * The records of `deliveries.<gateway>`: what routers and other gateways tell one gateway. The address is the
 * key, so that the value can be the notification's own bytes, untouched and uncopied.
 */
import type { DeviceId } from '#webpush';
import { checkHead } from './notification-record.js';
import type { RecordHeaders, StreamRecord } from './record.js';
import { UndecodableRecord } from './undecodable-record.js';

export type Delivery =
  | {
      readonly kind: 'notification';
      /** The holder that the script returned; every other connection drops it (design §5, rule 3). */
      readonly epoch: number;
      readonly connection: number;
      /** Of the notification, in `notifications`. */
      readonly offset: number;
      /** See peekNotification, decodeNotification; its device: deviceOf. */
      readonly record: Buffer;
      /** When it was appended to `notifications`, ms; told for some, to measure by. */
      readonly at?: number;
    }
  /** Another connection holds the device now: close this one (rule 7). */
  | { readonly kind: 'displace'; readonly device: DeviceId; readonly connection: number }
  /** The partition's view is ready: claim again and drain its devices (rule 6). */
  | { readonly kind: 'ready'; readonly partition: number };

const VERSION = 1;
const NOTIFICATION = 1;
const DISPLACE = 2;
const READY = 3;
const NOTIFICATION_BYTES = 26;
const DISPLACE_BYTES = 26;
const READY_BYTES = 6;

/**
 * ```
 * key          = version (notification / displace / ready)
 * version      = %x01
 * notification = %x01 epoch connection offset   ; u64 each, big-endian, at most 2^53 - 1
 * displace     = %x02 device connection         ; 16OCTET, u64
 * ready        = %x03 partition                 ; u32
 *
 * value        = record / null                  ; the notification's record; null for the other two
 *
 * header at    = 1*DIGIT                        ; ms; with a notification, or not
 * ```
 */
export function encodeDelivery(delivery: Delivery): StreamRecord {
  if (delivery.kind === 'notification') {
    const key = keyFor(NOTIFICATION, NOTIFICATION_BYTES);
    writeWhole(key, delivery.epoch, 2);
    writeWhole(key, delivery.connection, 10);
    writeWhole(key, delivery.offset, 18);
    const { record, at } = delivery;
    return at === undefined
      ? { key, value: record }
      : { key, value: record, headers: { at: String(at) } };
  }
  if (delivery.kind === 'displace') {
    const key = keyFor(DISPLACE, DISPLACE_BYTES);
    if (key.write(delivery.device, 2, 'hex') !== 16) {
      throw new RangeError(`device "${delivery.device}" is not 32 hex digits`);
    }
    writeWhole(key, delivery.connection, 18);
    return { key, value: null };
  }
  const key = keyFor(READY, READY_BYTES);
  key.writeUInt32BE(delivery.partition, 2);
  return { key, value: null };
}

/** Throws {@link UndecodableRecord}. Of the notification's record only its head is looked at. */
export function decodeDelivery({ key, value, headers }: StreamRecord): Delivery {
  const kind = key[0] === VERSION ? key[1] : undefined;
  if (kind === NOTIFICATION && key.length === NOTIFICATION_BYTES && value !== null) {
    checkHead(value);
    const epoch = readWhole(key, 2);
    return {
      kind: 'notification',
      epoch,
      connection: readWhole(key, 10),
      offset: readWhole(key, 18),
      record: value,
      at: headers === undefined ? undefined : timeOf(headers),
    };
  }
  if (kind === DISPLACE && key.length === DISPLACE_BYTES && value === null) {
    const device = key.toString('hex', 2, 18) as DeviceId;
    return { kind: 'displace', device, connection: readWhole(key, 18) };
  }
  if (kind === READY && key.length === READY_BYTES && value === null) {
    return { kind: 'ready', partition: key.readUInt32BE(2) };
  }
  throw new UndecodableRecord(`delivery with the address ${key.toString('hex', 0, 32)}`);
}

/** Only measured by: whatever else stands there is no reason to lose a delivery. */
function timeOf({ at }: RecordHeaders): number | undefined {
  return at !== undefined && /^\d{1,15}$/.test(at) ? Number(at) : undefined;
}

function keyFor(kind: number, size: number): Buffer {
  const key = Buffer.allocUnsafe(size);
  key[0] = VERSION;
  key[1] = kind;
  return key;
}

/** Two halves instead of a bigint: this runs for every delivery. */
function writeWhole(key: Buffer, value: number, at: number): void {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${value} in a delivery`);
  key.writeUInt32BE(Math.floor(value / 2 ** 32), at);
  key.writeUInt32BE(value >>> 0, at + 4);
}

function readWhole(key: Buffer, at: number): number {
  const value = key.readUInt32BE(at) * 2 ** 32 + key.readUInt32BE(at + 4);
  if (!Number.isSafeInteger(value))
    throw new UndecodableRecord(`delivery with the number ${value}`);
  return value;
}
