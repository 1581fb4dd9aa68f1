import { expect, test } from 'vitest';
import { isSurelyNotIn } from './append-errors.kafka.js';

/** As kafkajs passes on what a broker answered: in the cause of an error of its own. */
function answered(type: string): Error {
  const answer = Object.assign(new Error(`a broker said ${type}`), { type });
  return new Error('failed', { cause: answer });
}

test.each(['NOT_ENOUGH_REPLICAS', 'LEADER_NOT_AVAILABLE', 'UNKNOWN_TOPIC_OR_PARTITION'])(
  '%s means that the one partition has nothing of the request, and nothing of several',
  (type) => {
    expect(isSurelyNotIn(answered(type), { partitions: 1, isSent: true })).toBe(true);
    expect(isSurelyNotIn(answered(type), { partitions: 2, isSent: true })).toBe(false);
  },
);

test.each([
  'NOT_LEADER_FOR_PARTITION', // a broker that stops says so of what it has appended
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'REQUEST_TIMED_OUT',
])('%s leaves open whether it is in the log', (type) => {
  expect(isSurelyNotIn(answered(type), { partitions: 1, isSent: true })).toBe(false);
});

test('what was not sent is not in; what was sent is not known by anything but an answer', () => {
  const refusal = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' });
  const error = new Error('failed', { cause: new Error('Connection error', { cause: refusal }) });
  expect(isSurelyNotIn(error, { partitions: 2, isSent: false })).toBe(true);
  expect(isSurelyNotIn(error, { partitions: 1, isSent: true })).toBe(false);
});
