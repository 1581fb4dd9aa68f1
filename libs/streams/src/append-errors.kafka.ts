/** What an error of kafkajs's producer says about what it was to append. */

/** The connection did not come about, so nothing was sent. */
const NOT_CONNECTED = new Set<unknown>([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);
/**
 * A broker's answer for a request of one partition: it has appended nothing. That it does not lead the partition is
 * no such answer: with `acks=all` a broker that is just giving up its lead says so of what it has appended.
 */
const NOT_APPENDED = new Set<unknown>([
  'LEADER_NOT_AVAILABLE',
  'NOT_ENOUGH_REPLICAS',
  'UNKNOWN_TOPIC_OR_PARTITION',
]);

interface DriverError {
  readonly code?: unknown;
  readonly type?: unknown;
  readonly message: string;
}

/**
 * Nothing of the request is in the log, and it may be sent again (design §5, rule 1: only what is unknown is never
 * repeated). kafkajs connects to all brokers of a request before it sends to any.
 */
export function isSurelyNotIn(error: unknown, { partitions }: { partitions: number }): boolean {
  return anyOf(
    error,
    ({ code, type, message }) =>
      NOT_CONNECTED.has(code) ||
      message === 'Connection timeout' ||
      (partitions === 1 && NOT_APPENDED.has(type)),
  );
}

export function isMissingStream(error: unknown): boolean {
  return anyOf(error, ({ type }) => type === 'UNKNOWN_TOPIC_OR_PARTITION');
}

function anyOf(error: unknown, isIt: (error: DriverError) => boolean): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (isIt(at as DriverError)) return true;
  }
  return false;
}
