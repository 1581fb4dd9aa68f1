import { randomBytes, randomInt } from 'node:crypto';
import { createRequire } from 'node:module';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import './own-codecs.kafka.js';
import { encodeProduce, type Produce, type ProducedRecord } from './produce-bytes.kafka.js';

interface Encoder {
  readonly buffer: Buffer;
}

type Request<Asked> = (asked: Asked) => { readonly encode: () => Promise<Encoder> };
type Protocol = (of: { readonly version: number }) => Request<unknown>;

/** kafkajs's own codecs say what is right. */
const require = createRequire(import.meta.url);
const protocol = 'kafkajs/src/protocol';
const theirProduce = require(`${protocol}/requests/produce/v7/request`) as Request<Produce>;

const NOW = 1_764_500_000_123;
const ROUNDS = 100;

const some = <Item>(most: number, make: (i: number) => Item, least = 1): Item[] =>
  Array.from({ length: randomInt(least, most + 1) }, (_, i) => make(i));
const TEXTS = ['', 'outcome', 'delivered', '0123456789abcdef'.repeat(9), 'naïve ☀ 日本'];
const text = (): string => TEXTS[randomInt(TEXTS.length)] as string;

function record(): ProducedRecord {
  const key = randomBytes(randomInt(200));
  const value = randomInt(4) === 0 ? null : randomBytes(randomInt(5_000));
  if (randomInt(3) === 0) return { key, value };
  return { key, value, headers: Object.fromEntries(some(4, () => [text(), text()], 0)) };
}

describe('a produce request', () => {
  beforeEach(() => void vi.useFakeTimers({ now: NOW, toFake: ['Date'] }));
  afterEach(() => void vi.useRealTimers());

  test('has the bytes that kafkajs gives it', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const topicData = some(3, () => ({
        topic: `${text()}t`,
        partitions: some(6, (partition) => ({
          ...{ partition, firstSequence: 0 },
          messages: some(randomInt(5) === 0 ? 200 : 4, record),
        })),
      }));
      const asked = { acks: -1, timeout: randomInt(100_000), producerEpoch: 0, topicData };
      const { buffer } = await theirProduce(asked).encode();
      expect(encodeProduce(asked, NOW).equals(buffer)).toBe(true);
    }
  });

  test('reads the headers of a record only when it is written', async () => {
    let wasRead = false;
    const message = {
      ...{ key: Buffer.from('k'), value: null },
      get headers() {
        wasRead = true;
        return { of: 'a test' };
      },
    };
    const partitions = [{ partition: 0, firstSequence: 0, messages: [message] }];
    const asked = { acks: -1, timeout: 1, producerEpoch: 0, compression: 0 };
    const { request } = exchange('produce', 7, {
      ...asked,
      topicData: [{ topic: 't', partitions }],
    });
    expect(wasRead).toBe(false);
    await request.encode();
    expect(wasRead).toBe(true);
  });
});

describe('kafkajs', () => {
  const partitions = [{ partition: 0, firstSequence: 0, messages: [record()] }];
  const produced = {
    ...{ acks: -1, timeout: 1, producerId: 9, producerEpoch: 3 },
    topicData: [{ topic: 't', partitions }],
  };

  test.each([
    ['is compressed', { compression: 1 }],
    ['is part of a transaction', { compression: 0, transactionalId: 't' }],
  ])('writes a produce request that %s', async (_, more) => {
    vi.useFakeTimers({ now: NOW, toFake: ['Date'] });
    const asked = { ...produced, ...more };
    const { buffer } = await exchange('produce', 7, asked).request.encode();
    expect(buffer.equals((await theirProduce(asked).encode()).buffer)).toBe(true);
    expect(buffer.equals(encodeProduce(asked, NOW))).toBe(false);
    vi.useRealTimers();
  });
});

function exchange(name: string, version: number, asked: object) {
  const { protocol: of } = require(`${protocol}/requests/${name}`) as { protocol: Protocol };
  return of({ version })(asked) as unknown as {
    readonly request: { readonly encode: () => Promise<Encoder> };
    readonly response: { readonly decode: unknown };
  };
}
