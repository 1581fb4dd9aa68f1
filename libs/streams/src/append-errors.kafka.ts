/** What an error of kafkajs or of a broker says about what was to be appended. */
import { AppendFailed } from './producer.js';

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
  readonly type?: unknown;
}

/**
 * Nothing of the request is in the log, and it may be sent again (design §5, rule 1: only what is unknown is never
 * repeated). Of what was sent only a broker's answer tells that, not that nobody can be connected to.
 */
export function isSurelyNotIn(
  error: unknown,
  { partitions, isSent }: { readonly partitions: number; readonly isSent: boolean },
): boolean {
  return !isSent || (partitions === 1 && anyOf(error, ({ type }) => NOT_APPENDED.has(type)));
}

export function appendFailed(
  cause: unknown,
  sent: { readonly partitions: number; readonly isSent: boolean },
): AppendFailed {
  return new AppendFailed(`Kafka: ${String(cause)}`, !isSurelyNotIn(cause, sent), { cause });
}

export function notSent(cause: unknown): AppendFailed {
  return appendFailed(cause, { partitions: 1, isSent: false });
}

function anyOf(error: unknown, isIt: (error: DriverError) => boolean): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (isIt(at as DriverError)) return true;
  }
  return false;
}
