import { randomBytes, randomInt } from 'node:crypto';
import { createRequire } from 'node:module';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AppendQueue } from './append-queue.kafka.js';
import type { Load } from './append-queue.kafka.js';
import { encodeProduce } from './produce-bytes.kafka.js';
import { topicData } from './produce-request.kafka.js';
import type { StreamRecord } from './record.js';

/** kafkajs's own codec says what is right. */
const require = createRequire(import.meta.url);
const theirs = require('kafkajs/src/protocol/requests/produce/v7/request') as (asked: object) => {
  readonly encode: () => Promise<{ readonly buffer: Buffer }>;
};

const NOW = 1_764_500_000_123;
const ROUNDS = 200;
const TEXTS = ['', 'outcome', 'delivered', '0123456789abcdef'.repeat(9), 'naïve ☀ 日本'];
const TOPICS = ['notifications', 'deliveries.g', 'ä'];

beforeEach(() => void vi.useFakeTimers({ now: NOW, toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

const some = <Item>(most: number, make: () => Item, least = 1): Item[] =>
  Array.from({ length: randomInt(least, most + 1) }, make);
const text = (): string => TEXTS[randomInt(TEXTS.length)] as string;

function record(): StreamRecord {
  const key = randomBytes(randomInt(200));
  const value = randomInt(4) === 0 ? null : randomBytes(randomInt(3_000));
  if (randomInt(3) === 0) return { key, value };
  return { key, value, headers: Object.fromEntries(some(4, () => [text(), text()], 0)) };
}

/** Partitions in any order of their topics; of each several appends, of several records each. */
function loadsOfOne(): readonly Load[] {
  const queue = new AppendQueue();
  const most = randomInt(5) === 0 ? 100 : 4;
  for (let appends = randomInt(1, most + 1); appends > 0; appends--) {
    const records = some(3, record);
    const waiting = { records, isRepeated: false, bytes: 0, since: 0, isDone: false };
    const settled = { resolve: () => undefined, reject: () => undefined };
    const topic = TOPICS[randomInt(TOPICS.length)] as string;
    queue.push(topic, randomInt(6), { ...waiting, ...settled });
  }
  return queue.take(0, { isSuspect: false });
}

test('a produce request has the bytes that kafkajs gives it', async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const loads = loadsOfOne();
    const timeoutMs = randomInt(100_000);
    const asked = { acks: -1, timeout: timeoutMs, topicData: topicData(loads) };
    const { buffer } = await theirs(asked).encode();
    expect(encodeProduce({ timeoutMs, loads }, NOW).equals(buffer)).toBe(true);
  }
});
