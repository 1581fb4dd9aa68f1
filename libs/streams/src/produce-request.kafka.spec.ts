import { expect, test } from 'vitest';
import { AppendQueue } from './append-queue.kafka.js';
import { topicMessages } from './produce-request.kafka.js';

function requestOf(partitions: readonly number[]) {
  const queue = new AppendQueue();
  for (const partition of partitions) {
    const record = { key: Buffer.from('k'), value: Buffer.from('v'), headers: { of: 'a test' } };
    const settled = { isDone: false, resolve: () => undefined, reject: () => undefined };
    queue.push('topic', partition, {
      ...{ records: [record], isRepeated: false, bytes: 2, since: 0 },
      ...settled,
    });
  }
  let encoded = 0;
  const loads = queue.take(0, { isSuspect: false });
  const [topic] = topicMessages(loads, () => encoded++);
  return { messages: topic?.messages ?? [], encoded: () => encoded };
}

test.each([0, 1, 2])('it is seen when the partition %i is encoded, and only that one', (which) => {
  const { messages, encoded } = requestOf([0, 1, 2]);
  expect(messages.map(({ partition }) => partition)).toEqual([0, 1, 2]);
  expect(encoded()).toBe(0);
  expect(messages[which]?.headers).toEqual({ of: 'a test' });
  expect(encoded()).toBe(1);
});
