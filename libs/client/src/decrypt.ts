/**
 * What an application server encrypted for one subscription, decrypted with WebCrypto: aes128gcm (RFC 8291
 * over RFC 8188) and its draft, aesgcm (draft-ietf-webpush-encryption-03), that older senders still use.
 * Both put a push message into a single record (RFC 8291 §4), so more than one record does not authenticate.
 */
import type { NotificationHeaders } from '#wire';
import { fromBase64url, type Bytes } from './base64url.js';

/** The receiving half of a subscription. */
export interface ReceiverKeys {
  readonly privateKey: CryptoKey;
  /** Uncompressed point on P-256, 65 bytes: what is public as `p256dh`. */
  readonly publicKey: Bytes;
  /** 16 bytes. */
  readonly auth: Bytes;
}

/** One record with what its keys are derived from. */
interface Sealed {
  readonly salt: Bytes;
  readonly senderKey: Bytes;
  readonly record: Bytes;
}

const P256 = { name: 'ECDH', namedCurve: 'P-256' };

/** Throws for whatever was not encrypted for these keys, or not as the RFC says. */
export async function decrypt(
  keys: ReceiverKeys,
  data: Bytes,
  headers: NotificationHeaders,
): Promise<Bytes> {
  if (headers.encoding === 'aes128gcm') return openAes128gcm(keys, data);
  if (headers.encoding === 'aesgcm') return openAesgcm(keys, data, headers);
  throw new Error(`content encoding ${headers.encoding} is neither aes128gcm nor aesgcm`);
}

/**
 * ```
 * body   = salt rs idlen keyid record   ; RFC 8188 §2.1
 * salt   = 16OCTET
 * rs     = u32                          ; not needed to open a single record
 * idlen  = u8
 * keyid  = 65OCTET                      ; the sender's public key
 * record = AEAD( text delimiter *%x00 ) ; delimiter = %x02, the last record
 * ```
 */
async function openAes128gcm(keys: ReceiverKeys, body: Bytes): Promise<Bytes> {
  const keyEnd = 21 + (body[20] ?? 0);
  const senderKey = body.slice(21, keyEnd);
  const { salt, record } = { salt: body.slice(0, 16), record: body.slice(keyEnd) };
  const info = joined('WebPush: info\0', keys.publicKey, senderKey);
  const secret = await sharedSecret(keys, senderKey, info);
  const text = await open(secret, { salt, senderKey, record }, ['aes128gcm\0', 'nonce\0']);
  let end = text.length - 1;
  while (text[end] === 0) end--;
  if (text[end] !== 2) throw new Error('the record is not the last one, or its padding is wrong');
  return text.slice(0, end);
}

/**
 * `encryption`: `salt=…`; `crypto_key`: `dh=…` among other parameters. The record's text begins with the
 * length of the padding in two bytes, then so many zeros.
 */
async function openAesgcm(
  keys: ReceiverKeys,
  record: Bytes,
  headers: NotificationHeaders,
): Promise<Bytes> {
  const salt = fromBase64url(parameter(headers.encryption, 'salt'));
  const senderKey = fromBase64url(parameter(headers.crypto_key, 'dh'));
  const secret = await sharedSecret(keys, senderKey, joined('Content-Encoding: auth\0'));
  const context = joined('P-256\0', sized(keys.publicKey), sized(senderKey));
  const labels = ['aesgcm\0', 'nonce\0'].map((label) => joined(label, context));
  const text = await open(secret, { salt, senderKey, record }, labels);
  const start = 2 + (text[0] ?? 0) * 256 + (text[1] ?? 0);
  if (start > text.length || text.slice(2, start).some(Boolean)) {
    throw new Error('the padding is wrong');
  }
  return text.slice(start);
}

async function sharedSecret(keys: ReceiverKeys, senderKey: Bytes, info: Bytes): Promise<Bytes> {
  const sender = await crypto.subtle.importKey('raw', senderKey, P256, false, []);
  const ecdh = { name: 'ECDH', public: sender };
  const shared = await crypto.subtle.deriveBits(ecdh, keys.privateKey, 256);
  return hkdf(new Uint8Array(shared), keys.auth, info, 32);
}

async function open(
  secret: Bytes,
  { salt, record }: Sealed,
  [keyLabel = '', nonceLabel = '']: readonly (string | Bytes)[],
): Promise<Bytes> {
  const prefix = 'Content-Encoding: ';
  const rawKey = await hkdf(secret, salt, joined(prefix, keyLabel), 16);
  const iv = await hkdf(secret, salt, joined(prefix, nonceLabel), 12);
  const key = await crypto.subtle.importKey('raw', rawKey, 'AES-GCM', false, ['decrypt']);
  return new Uint8Array(await crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, record));
}

async function hkdf(secret: Bytes, salt: Bytes, info: Bytes, length: number): Promise<Bytes> {
  const key = await crypto.subtle.importKey('raw', secret, 'HKDF', false, ['deriveBits']);
  const how = { name: 'HKDF', hash: 'SHA-256', salt, info };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, length * 8));
}

/** One parameter of a `;`- or `,`-separated header; a header that is the bare value counts as it. */
function parameter(header: string | undefined, name: string): string {
  const found = new RegExp(`(?:^|[;,\\s])${name}=([\\w-]+)`).exec(header ?? '')?.[1] ?? header;
  if (found === undefined || !/^[\w-]+$/.test(found)) throw new Error(`no ${name} in "${header}"`);
  return found;
}

function sized(bytes: Bytes): Bytes {
  return joined(Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes);
}

function joined(...parts: readonly (string | Bytes)[]): Bytes {
  const encoder = new TextEncoder();
  const bytes = parts.map((part) => (typeof part === 'string' ? encoder.encode(part) : part));
  return Uint8Array.from(bytes.flatMap((part) => [...part]));
}
