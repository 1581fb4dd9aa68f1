import { expect, test } from 'vitest';
import { isMissingStream, isSurelyNotIn } from './append-errors.kafka.js';

/** As kafkajs passes on what a broker answered: in the cause of an error of its own. */
function answered(type: string): Error {
  const answer = Object.assign(new Error(`a broker said ${type}`), { type });
  return new Error('failed', { cause: answer });
}

function refusedBy(code: string): Error {
  const refusal = Object.assign(new Error('connect'), { code });
  return new Error('failed', { cause: new Error('Connection error', { cause: refusal }) });
}

test.each(['NOT_ENOUGH_REPLICAS', 'LEADER_NOT_AVAILABLE', 'UNKNOWN_TOPIC_OR_PARTITION'])(
  '%s means that the one partition has nothing of the request, and nothing of several',
  (type) => {
    expect(isSurelyNotIn(answered(type), { partitions: 1 })).toBe(true);
    expect(isSurelyNotIn(answered(type), { partitions: 2 })).toBe(false);
  },
);

test.each([
  'NOT_LEADER_FOR_PARTITION', // a broker that stops says so of what it has appended
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'REQUEST_TIMED_OUT',
])('%s leaves open whether it is in the log', (type) => {
  expect(isSurelyNotIn(answered(type), { partitions: 1 })).toBe(false);
});

test('what could not connect has sent nothing; what lost its connection may have', () => {
  expect(isSurelyNotIn(refusedBy('ECONNREFUSED'), { partitions: 2 })).toBe(true);
  expect(isSurelyNotIn(new Error('Connection timeout'), { partitions: 2 })).toBe(true);
  expect(isSurelyNotIn(refusedBy('ECONNRESET'), { partitions: 1 })).toBe(false);
});

test('only a topic that is not there is a missing stream', () => {
  expect(isMissingStream(answered('UNKNOWN_TOPIC_OR_PARTITION'))).toBe(true);
  expect(isMissingStream(answered('NOT_LEADER_FOR_PARTITION'))).toBe(false);
});
