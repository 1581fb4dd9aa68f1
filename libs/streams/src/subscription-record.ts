/**
 * The records of `subscriptions`: what a device has agreed with whom, and when it was last seen. Compacted by
 * key, so the stream is as long as there are devices and subscriptions.
 */
import type { DeviceId, KeyFingerprint, SubscriptionFact, SubscriptionId } from '#webpush';
import type { LogRecord, StreamRecord } from './record.js';
import { UndecodableRecord } from './undecodable-record.js';

const VERSION = 1;
const HAS_FINGERPRINT = 1;
const HAS_SITE = 2;
const FINGERPRINT_BYTES = 32;
const SITE_BYTES_MAX = 2048;
const SEEN_BYTES = 9;

/**
 * ```
 * key          = device subscription / device   ; 16OCTET each; the device alone: when it was last seen
 *
 * value        = present / seen / null          ; null: the subscription is gone; the device is forgotten
 * present      = version flags [fingerprint] [site]
 * seen         = version at
 * version      = %x01
 * flags        = OCTET                          ; bit 0 fingerprint, bit 1 site, others zero
 * fingerprint  = 32OCTET                        ; SHA-256 of the VAPID key
 * site         = 1*2048OCTET                    ; UTF-8, to the end
 * at           = u64                            ; ms since the epoch, big-endian
 * ```
 * Throws a RangeError for what would not be decodable.
 */
export function encodeSubscriptionFact(fact: SubscriptionFact): StreamRecord {
  if (fact.kind === 'seen') return { key: keyOf(fact.device), value: encodeSeen(fact.at) };
  if (fact.kind === 'forgotten') return { key: keyOf(fact.device), value: null };
  const key = keyOf(fact.device, fact.subscription);
  return { key, value: fact.kind === 'gone' ? null : encodePresent(fact) };
}

/** Throws {@link UndecodableRecord}. */
export function decodeSubscriptionRecord(record: LogRecord): SubscriptionFact {
  const { key, value } = record;
  if (key.length !== 16 && key.length !== 32) {
    throw new UndecodableRecord(`subscription record with a key of ${key.length} B`);
  }
  const device = key.toString('hex', 0, 16) as DeviceId;
  if (key.length === 16) {
    return value === null
      ? { kind: 'forgotten', device }
      : { kind: 'seen', device, at: decodeSeen(value) };
  }
  const subscription = key.toString('hex', 16, 32) as SubscriptionId;
  return value === null
    ? { kind: 'gone', device, subscription }
    : { kind: 'present', device, subscription, ...decodePresent(value) };
}

function keyOf(device: DeviceId, subscription = ''): Buffer {
  const key = Buffer.from(device + subscription, 'hex');
  if (key.length !== (device.length + subscription.length) / 2 || key.length % 16 !== 0) {
    throw new RangeError(
      `device "${device}" or subscription "${subscription}" is not 32 hex digits`,
    );
  }
  return key;
}

function encodeSeen(at: number): Buffer {
  if (!Number.isSafeInteger(at) || at < 0) throw new RangeError(`last seen at ${at}`);
  const value = Buffer.allocUnsafe(SEEN_BYTES);
  value[0] = VERSION;
  value.writeBigUInt64BE(BigInt(at), 1);
  return value;
}

function decodeSeen(value: Buffer): number {
  if (value.length !== SEEN_BYTES || value[0] !== VERSION) {
    throw new UndecodableRecord(`last seen in ${value.length} B, version ${value[0]}`);
  }
  const at = Number(value.readBigUInt64BE(1));
  if (!Number.isSafeInteger(at)) throw new UndecodableRecord(`last seen at ${at}`);
  return at;
}

function encodePresent(fact: {
  readonly fingerprint?: KeyFingerprint;
  readonly site?: string;
}): Buffer {
  const fingerprint = Buffer.from(fact.fingerprint ?? '', 'base64url');
  const site = Buffer.from(fact.site ?? '');
  if (fact.fingerprint !== undefined && fingerprint.length !== FINGERPRINT_BYTES) {
    throw new RangeError(`key fingerprint of ${fingerprint.length} B`);
  }
  if (fact.site !== undefined && (site.length < 1 || site.length > SITE_BYTES_MAX)) {
    throw new RangeError(`site of ${site.length} B: 1 to ${SITE_BYTES_MAX} are stored`);
  }
  const flags =
    (fact.fingerprint === undefined ? 0 : HAS_FINGERPRINT) |
    (fact.site === undefined ? 0 : HAS_SITE);
  return Buffer.concat([Buffer.from([VERSION, flags]), fingerprint, site]);
}

function decodePresent(value: Buffer): { fingerprint?: KeyFingerprint; site?: string } {
  const flags = value[1] ?? 0xff;
  if (value[0] !== VERSION || flags > (HAS_FINGERPRINT | HAS_SITE)) {
    throw new UndecodableRecord(`subscription of version ${value[0]}, flags ${value[1]}`);
  }
  const siteAt = 2 + ((flags & HAS_FINGERPRINT) === 0 ? 0 : FINGERPRINT_BYTES);
  const siteBytes = value.length - siteAt;
  const isWhole = (flags & HAS_SITE) === 0 ? siteBytes === 0 : siteBytes >= 1;
  if (!isWhole || siteBytes > SITE_BYTES_MAX) {
    throw new UndecodableRecord(`subscription of ${value.length} B, flags ${flags}`);
  }
  const present: { fingerprint?: KeyFingerprint; site?: string } = {};
  if (siteAt > 2) present.fingerprint = value.toString('base64url', 2, siteAt) as KeyFingerprint;
  if (siteBytes > 0) present.site = siteIn(value.subarray(siteAt));
  return present;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function siteIn(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new UndecodableRecord('subscription with a site that is not UTF-8', { cause });
  }
}
