/**
 * The request headers of a push (RFC 8030 §5; RFC 8291 and its draft for aesgcm), in the order in which
 * contract §2 refuses them: TTL, Topic, Urgency, then the headers of the encryption.
 */
import { findParam, parseHeaderParams, type HeaderParam } from './header-params.js';
import { URGENCIES, type ContentEncoding, type Urgency } from './notification.js';
import type { RefusalName, Refused } from './refusals.js';

/** Field values as received; undefined: the request has no such field ('' is a value). */
export interface PushHeaderFields {
  readonly ttl?: string | undefined;
  readonly topic?: string | undefined;
  readonly urgency?: string | undefined;
  readonly contentEncoding?: string | undefined;
  readonly encryption?: string | undefined;
  readonly cryptoKey?: string | undefined;
}

export interface PushLimits {
  /** Without a body nothing about encryption is looked at, and nothing of it is kept. */
  readonly hasBody: boolean;
  readonly ttlSecondsMax: number;
}

export interface PushHeaders {
  readonly kind: 'headers';
  /** Effective: lowered to the maximum. */
  readonly ttlSeconds: number;
  readonly urgency: Urgency;
  /** Without the trailing `=`. */
  readonly topic?: string;
  readonly encoding?: ContentEncoding;
  /** aesgcm only, as devices get them: no double quotes, no trailing `=` of values. */
  readonly encryption?: string;
  readonly cryptoKey?: string;
}

type EncryptionHeaders = Pick<PushHeaders, 'encoding' | 'encryption' | 'cryptoKey'>;

const NUMBER = /^\d+$/;
const NEGATIVE = /^-\d+$/;
const TOPIC = /^([A-Za-z0-9_-]{1,32})={0,2}$/;
const BASE64URL = /^[A-Za-z0-9_-]+={0,2}$/;
const URGENCY_SET: ReadonlySet<string> = new Set(URGENCIES);
const NO_ENCRYPTION: EncryptionHeaders = {};
const AES128GCM: EncryptionHeaders = { encoding: 'aes128gcm' };

export function parsePushHeaders(
  fields: PushHeaderFields,
  limits: PushLimits,
): PushHeaders | Refused {
  const ttl = fields.ttl ?? '';
  if (!NUMBER.test(ttl))
    return NEGATIVE.test(ttl) ? refuse('ttlNegative', ttl) : ttlInvalid(fields);
  const topic = fields.topic === undefined ? undefined : TOPIC.exec(fields.topic)?.[1];
  if (fields.topic !== undefined && topic === undefined)
    return refuse('topicInvalid', fields.topic);
  const urgency = fields.urgency?.toLowerCase() ?? 'normal'; // RFC 8030's ABNF ignores case
  if (!isUrgency(urgency)) return refuse('urgencyInvalid', urgency);
  const encryption = limits.hasBody ? parseEncryption(fields) : NO_ENCRYPTION;
  if ('kind' in encryption) return encryption;
  return {
    kind: 'headers',
    ttlSeconds: Math.min(Number(ttl), limits.ttlSecondsMax),
    urgency,
    ...(topic !== undefined && { topic }),
    ...encryption,
  };
}

function parseEncryption(fields: PushHeaderFields): EncryptionHeaders | Refused {
  const encoding = fields.contentEncoding?.toLowerCase(); // content codings ignore case (RFC 9110)
  if (encoding === 'aes128gcm') return parseAes128gcm(fields);
  if (encoding === 'aesgcm') return parseAesgcm(fields);
  const given =
    fields.contentEncoding === undefined ? 'is missing' : `is "${fields.contentEncoding}"`;
  return refuse('cryptoInvalid', `Content-Encoding ${given}, not aes128gcm or aesgcm`);
}

/** Salt and key stand in the body; of headers that say them too, a device would read the wrong ones. */
function parseAes128gcm(fields: PushHeaderFields): EncryptionHeaders | Refused {
  if (fields.encryption === undefined && fields.cryptoKey === undefined) return AES128GCM;
  const encryption = parseHeaderParams(fields.encryption ?? '');
  const cryptoKey = parseHeaderParams(fields.cryptoKey ?? '');
  if (!encryption || !cryptoKey) return refuse('cryptoInvalid', unreadable(encryption, fields));
  if (findParam(encryption, 'salt') !== undefined) {
    return refuse('cryptoInvalid', 'aes128gcm goes without a salt in Encryption');
  }
  if (findParam(cryptoKey, 'dh') !== undefined) {
    return refuse('cryptoInvalid', 'aes128gcm goes without a dh in Crypto-Key');
  }
  return AES128GCM;
}

/** A request without any Crypto-Key passes, as it does at the reference; one with it must bring the dh. */
function parseAesgcm(fields: PushHeaderFields): EncryptionHeaders | Refused {
  const encryption = parseHeaderParams(fields.encryption ?? '');
  const cryptoKey = parseHeaderParams(fields.cryptoKey ?? '');
  if (!encryption || !cryptoKey) return refuse('cryptoInvalid', unreadable(encryption, fields));
  if (!BASE64URL.test(findParam(encryption, 'salt') ?? '')) {
    return refuse('cryptoInvalid', 'aesgcm needs a base64url salt in Encryption');
  }
  if (fields.cryptoKey === undefined) {
    return { encoding: 'aesgcm', encryption: asDevicesGet(encryption) };
  }
  if (!BASE64URL.test(findParam(cryptoKey, 'dh') ?? '')) {
    return refuse('cryptoInvalid', 'aesgcm needs a base64url dh in Crypto-Key');
  }
  return {
    encoding: 'aesgcm',
    encryption: asDevicesGet(encryption),
    cryptoKey: asDevicesGet(cryptoKey),
  };
}

function asDevicesGet(elements: readonly (readonly HeaderParam[])[]): string {
  return elements
    .map((params) => params.map((p) => `${p.name}=${p.value.replace(/=+$/, '')}`).join(';'))
    .join(',');
}

function isUrgency(text: string): text is Urgency {
  return URGENCY_SET.has(text);
}

function unreadable(encryption: HeaderParam[][] | undefined, fields: PushHeaderFields): string {
  return encryption
    ? `Crypto-Key is not name=value: "${fields.cryptoKey}"`
    : `Encryption is not name=value: "${fields.encryption}"`;
}

function ttlInvalid(fields: PushHeaderFields): Refused {
  return refuse('ttlInvalid', fields.ttl === undefined ? 'no TTL header' : fields.ttl);
}

function refuse(refusal: RefusalName, reason: string): Refused {
  return { kind: 'refused', refusal, reason };
}
