/**
 * The names of things. Inside the service a device is the first 16 bytes of SHA-256 of its `uaid`: the
 * `uaid` itself is the device's secret and stays on the wire between device and gateway (design §6).
 */
import { createHash } from 'node:crypto';

/** 16 bytes as 32 lower-case hex digits. */
export type DeviceId = string & { readonly __brand: 'DeviceId' };
/** 16 bytes as 32 lower-case hex digits; on the wire a dashed UUID. */
export type SubscriptionId = string & { readonly __brand: 'SubscriptionId' };
/** A sealed token, base64url without padding. Possession is the right to cancel the message. */
export type MessageId = string & { readonly __brand: 'MessageId' };
/** SHA-256 of an uncompressed P-256 VAPID key (65 bytes), base64url without padding (43 characters). */
export type KeyFingerprint = string & { readonly __brand: 'KeyFingerprint' };

/** A device's secret is 128 random bits as 32 lower-case hex digits. */
export function isDeviceSecret(secret: unknown): secret is string {
  return typeof secret === 'string' && /^[0-9a-f]{32}$/.test(secret);
}

/** The device behind a secret. The secret must satisfy {@link isDeviceSecret}. */
export function deviceIdOf(secret: string): DeviceId {
  return createHash('sha256').update(secret, 'hex').digest().toString('hex', 0, 16) as DeviceId;
}
