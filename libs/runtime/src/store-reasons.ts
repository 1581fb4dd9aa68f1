/**
 * Why a store cannot be used, as somebody who runs it needs to hear it: which setting is wrong, not which call of
 * which driver failed. What is not known here is passed on in the driver's words.
 */
import type { KafkaAccess, RedisAccess } from './store-settings.js';

/** What drivers put on their errors; each layer may have been wrapped into another. */
interface DriverError {
  readonly message: string;
  readonly code?: unknown;
  readonly type?: unknown;
  readonly name?: string;
  readonly cause?: unknown;
}

const UNTRUSTED = new Set<unknown>([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);
const OUT_OF_DATE = new Set<unknown>(['CERT_HAS_EXPIRED', 'CERT_NOT_YET_VALID']);
const HUNG_UP = /^Closed connection|ECONNRESET|EPIPE|Connection is closed|socket hang up/;
const NO_TLS = /before secure TLS connection was established|wrong version number|packet length/;

/** `error` is anything that a call to Kafka rejected with. */
export function kafkaReason(error: unknown, { tls, sasl }: KafkaAccess): string {
  const { message, type, name, code } = innermost(error);
  if (name === 'KafkaJSSASLAuthenticationError') {
    return `it refuses the user ${sasl?.username}: KAFKA_USERNAME or KAFKA_PASSWORD is wrong`;
  }
  if (type === 'UNSUPPORTED_SASL_MECHANISM') {
    return `it does not take KAFKA_SASL_MECHANISM ${sasl?.mechanism}`;
  }
  if (type === 'ILLEGAL_SASL_STATE') {
    return 'its port wants no user: unset KAFKA_USERNAME, or name the port that does';
  }
  const ofTls = tls && tlsReason(code, message, { setting: 'KAFKA_CA_FILE', file: tls.caFile });
  if (ofTls !== undefined) return ofTls;
  if (HUNG_UP.test(message) && !(tls && sasl)) {
    const lacks = [
      ...(tls ? [] : ['TLS (KAFKA_TLS)']),
      ...(sasl ? [] : ['a user (KAFKA_USERNAME)']),
    ];
    return `it hangs up (${message}): its port may want ${lacks.join(' or ')}`;
  }
  return message;
}

/** `error` is anything that a client of Redis emitted. */
export function redisReason(error: unknown, access: RedisAccess): string {
  const { urls, caFile } = access;
  const { message, code } = innermost(error);
  if (message.includes('NOAUTH')) return 'it wants a user and a password, and REDIS_URL has none';
  if (message.includes('WRONGPASS')) {
    return `it refuses the user ${userOf(access)}: user or password in REDIS_URL is wrong`;
  }
  const isTls = urls.some((url) => url.startsWith('rediss:'));
  if (!isTls) {
    if (!HUNG_UP.test(message)) return message;
    return `it hangs up (${message}): a port that speaks TLS wants rediss:// in REDIS_URL`;
  }
  const reason = tlsReason(code, message, { setting: 'REDIS_CA_FILE', file: caFile });
  if (reason !== undefined) return reason;
  if (code !== 'ETIMEDOUT') return message;
  return `no answer (${message}): a port that speaks no TLS wants redis:// in REDIS_URL`;
}

/** Redis calls the one that needs no name so. */
export function userOf({ urls }: RedisAccess): string {
  return decodeURIComponent(URL.parse(urls[0] ?? '')?.username ?? '') || 'default';
}

function tlsReason(
  code: unknown,
  message: string,
  { setting, file }: { readonly setting: string; readonly file?: string },
): string | undefined {
  if (UNTRUSTED.has(code)) {
    const whom = file === undefined ? `an authority that Node knows: set ${setting}` : setting;
    return `its certificate is not signed by ${whom} (${message})`;
  }
  if (OUT_OF_DATE.has(code)) return `its certificate is out of date (${message})`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `its certificate bears another name (${message})`;
  }
  return NO_TLS.test(message) ? `its port speaks no TLS (${message})` : undefined;
}

function innermost(error: unknown): DriverError {
  let at = error;
  while (at instanceof Error && at.cause instanceof Error) at = at.cause;
  return at instanceof Error ? at : { message: String(error) };
}
