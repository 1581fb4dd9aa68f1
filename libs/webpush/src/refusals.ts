/**
 * THE table of refusals: answers that ingest gives on purpose (contract §2 "Answers"). Status, errno, text,
 * metric label and headers live here and nowhere else. Anything that goes wrong and is no row is an error.
 */
export interface RefusalRow {
  readonly errno: number;
  readonly status: number;
  /** The first words of the `message` for people. */
  readonly say: string;
  /** Value of the `refusal` label in metrics and log lines. */
  readonly label: string;
  /** Where the rule stands. */
  readonly see: string;
  readonly retryAfterSeconds?: number;
  readonly cacheControl?: string;
  /** The value of `WWW-Authenticate`. */
  readonly challenge?: string;
}

const RFC8030 = 'https://www.rfc-editor.org/rfc/rfc8030';
const RFC8291 = 'https://www.rfc-editor.org/rfc/rfc8291';
const RFC8292 = 'https://www.rfc-editor.org/rfc/rfc8292';

/** In the order in which ingest finds them: path, receiver id, VAPID, subscription, body size, headers. */
export const REFUSALS = {
  pathUnknown: {
    errno: 102,
    status: 404,
    say: 'No such path',
    label: 'path_unknown',
    see: `${RFC8030}#section-5`,
  },
  methodUnknown: {
    errno: 999,
    status: 405,
    say: 'This path does not take this method',
    label: 'method_unknown',
    see: `${RFC8030}#section-5`,
  },
  receiverUnknown: {
    errno: 102,
    status: 404,
    say: 'No such receiver: delete this subscription',
    label: 'receiver_unknown',
    see: `${RFC8030}#section-7.3`,
  },
  messageUnknown: {
    errno: 102,
    status: 400,
    say: 'No such message id',
    label: 'message_unknown',
    see: `${RFC8030}#section-5`,
  },
  vapidInvalid: {
    errno: 109,
    status: 401,
    say: 'VAPID authentication failed',
    label: 'vapid_invalid',
    see: `${RFC8292}#section-2`,
    challenge: 'vapid',
  },
  deviceGone: {
    errno: 103,
    status: 410,
    say: 'The device is gone: delete this subscription',
    label: 'device_gone',
    see: `${RFC8030}#section-7.3`,
    cacheControl: 'max-age=86400',
  },
  subscriptionGone: {
    errno: 106,
    status: 410,
    say: 'The subscription is gone: delete it',
    label: 'subscription_gone',
    see: `${RFC8030}#section-7.3`,
    cacheControl: 'max-age=86400',
  },
  payloadTooLarge: {
    errno: 104,
    status: 413,
    say: 'Payload too large',
    label: 'payload_too_large',
    see: `${RFC8030}#section-7.2`,
  },
  ttlInvalid: {
    errno: 111,
    status: 400,
    say: 'TTL is missing or not a number of seconds',
    label: 'ttl_invalid',
    see: `${RFC8030}#section-5.2`,
  },
  ttlNegative: {
    errno: 112,
    status: 400,
    say: 'TTL is negative',
    label: 'ttl_negative',
    see: `${RFC8030}#section-5.2`,
  },
  topicInvalid: {
    errno: 113,
    status: 400,
    say: 'Topic is not 1 to 32 characters of the base64url alphabet',
    label: 'topic_invalid',
    see: `${RFC8030}#section-5.4`,
  },
  urgencyInvalid: {
    errno: 115,
    status: 400,
    say: 'Urgency is none of very-low, low, normal, high',
    label: 'urgency_invalid',
    see: `${RFC8030}#section-5.3`,
  },
  cryptoInvalid: {
    errno: 110,
    status: 400,
    say: 'The headers of the encryption do not fit',
    label: 'crypto_invalid',
    see: `${RFC8291}#section-4`,
  },
  quotaExceeded: {
    errno: 300,
    status: 429,
    say: 'Too many requests: retry later',
    label: 'quota_exceeded',
    see: `${RFC8030}#section-8.4`,
    retryAfterSeconds: 60,
  },
  unavailable: {
    errno: 201,
    status: 503,
    say: 'Unavailable for the moment: retry with back-off',
    label: 'unavailable',
    see: `${RFC8030}#section-8.4`,
    retryAfterSeconds: 30,
  },
  unknown: {
    errno: 999,
    status: 500,
    say: 'Unknown error',
    label: 'unknown',
    see: RFC8030,
  },
} as const satisfies Record<string, RefusalRow>;

export type RefusalName = keyof typeof REFUSALS;

/** A refusal with the words that name what was wrong with this request. */
export interface Refused {
  readonly kind: 'refused';
  readonly refusal: RefusalName;
  readonly reason?: string;
}

/** Reason phrases of the statuses in the table. */
export const REASON_PHRASES: Readonly<Record<(typeof REFUSALS)[RefusalName]['status'], string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  404: 'Not Found',
  405: 'Method Not Allowed',
  410: 'Gone',
  413: 'Content Too Large',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};

/** The JSON body of a refusal; `reason` may be any text, what the sender sent included. */
export function refusalBody(name: RefusalName, reason?: string): string {
  const row = REFUSALS[name];
  return JSON.stringify({
    code: row.status,
    errno: row.errno,
    error: REASON_PHRASES[row.status],
    message: reason === undefined ? row.say : `${row.say}: ${reason}`,
    more_info: row.see,
  });
}
