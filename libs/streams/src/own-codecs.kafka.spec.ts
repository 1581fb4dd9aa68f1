import { randomBytes, randomInt } from 'node:crypto';
import { createRequire } from 'node:module';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { decodeFetched, encodeFetch, type Fetch } from './fetch-bytes.kafka.js';
import './own-codecs.kafka.js';
import { encodeProduce, type Produce, type ProducedRecord } from './produce-bytes.kafka.js';

interface Encoder {
  readonly buffer: Buffer;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeInt64(value: number): Encoder;
  writeString(text: string): Encoder;
  writeBuffer(bytes: Buffer): Encoder;
}

interface Partition {
  readonly partition: number;
  readonly errorCode: number;
  readonly abortedTransactions: readonly unknown[];
  readonly preferredReadReplica: number;
  readonly messages: readonly Message[];
}

interface Message {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  readonly headers: Readonly<Record<string, Buffer | string>>;
  readonly isControlRecord: boolean;
}

interface Answer {
  readonly responses: readonly { readonly partitions: readonly Partition[] }[];
}

type Request<Asked> = (asked: Asked) => { readonly encode: () => Promise<Encoder> };
type Protocol = (of: { readonly version: number }) => Request<unknown>;

/** kafkajs's own codecs say what is right. */
const require = createRequire(import.meta.url);
const protocol = 'kafkajs/src/protocol';
const theirProduce = require(`${protocol}/requests/produce/v7/request`) as Request<Produce>;
const theirFetch = require(`${protocol}/requests/fetch/v11/request`) as Request<Fetch>;
const { decode: theirDecode } = require(`${protocol}/requests/fetch/v11/response`) as {
  decode: (bytes: Buffer) => Promise<Answer>;
};
const EncoderOf = require(`${protocol}/encoder`) as new () => Encoder;
const { RecordBatch } = require(`${protocol}/recordBatch/v0`) as {
  RecordBatch: (of: object) => Promise<Encoder>;
};
const Record = require(`${protocol}/recordBatch/record/v0`) as (of: object) => Encoder;

const NOW = 1_764_500_000_123;
const ROUNDS = 100;

/** In a record batch. */
const ATTRIBUTES_AT = 21;
const LOG_APPEND_TIME = 0x8;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

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

describe('a fetch request', () => {
  test('has the bytes that kafkajs gives it', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const topics = some(3, () => ({
        topic: `${text()}t`,
        partitions: some(40, (partition) => ({
          ...{ partition, maxBytes: randomInt(2 ** 31 - 1) },
          fetchOffset: String([0, 7, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1][randomInt(6)]),
        })),
      }));
      const waits = { maxWaitTime: randomInt(10_000), minBytes: 1, maxBytes: randomInt(2 ** 31) };
      const asked = { ...waits, isolationLevel: randomInt(2), topics };
      const { buffer } = await theirFetch({ replicaId: -1, ...asked } as Fetch).encode();
      expect(encodeFetch(asked).equals(buffer)).toBe(true);
    }
  });
});

describe('a fetch answer', () => {
  const batchOf = async (firstOffset: number): Promise<Buffer> => {
    const records = some(20, (i) => {
      const timestampDelta = [0, 1, -1, 7_000, 2 ** 40][randomInt(5)];
      return Record({ ...record(), offsetDelta: 3 * i, timestampDelta });
    });
    const times = { firstTimestamp: NOW, maxTimestamp: NOW + 9_000 };
    const batch = { ...times, records, firstOffset, lastOffsetDelta: 3 * records.length };
    const { buffer } = await RecordBatch(batch);
    if (randomInt(3) === 0) buffer.writeInt16BE(LOG_APPEND_TIME, ATTRIBUTES_AT);
    if (randomInt(20) === 0) buffer.writeInt16BE(TRANSACTIONAL, ATTRIBUTES_AT);
    if (randomInt(20) === 0) buffer.writeInt16BE(CONTROL, ATTRIBUTES_AT);
    return buffer;
  };

  /** As brokers do: the last batch may be cut, the first never. */
  const recordBytes = async (): Promise<Buffer> => {
    const batches = await Promise.all(some(3, (i) => batchOf(2 ** 33 + 100 * i)));
    const bytes = Buffer.concat(batches);
    const last = batches.slice(1).at(-1)?.length ?? 1;
    return randomInt(3) === 0 ? bytes.subarray(0, bytes.length - randomInt(last)) : bytes;
  };

  const partitionBytes = async (partition: number): Promise<Buffer> => {
    const aborted = randomInt(10) === 0 ? 2 : randomInt(2) - 1;
    const encoder = new EncoderOf()
      .writeInt32(partition)
      .writeInt16(randomInt(10) === 0 ? 3 : 0)
      .writeInt64(2 ** 33 + 1)
      .writeInt64(2 ** 33)
      .writeInt64(17)
      .writeInt32(aborted);
    for (let i = 0; i < aborted; i++) encoder.writeInt64(i).writeInt64(2 * i);
    encoder.writeInt32(randomInt(10) === 0 ? 4 : -1);
    if (randomInt(3) > 0) return encoder.writeInt32(randomInt(2) - 1).buffer;
    const records = await recordBytes();
    return encoder.writeInt32(records.length).writeBuffer(records).buffer;
  };

  const answerBytes = async (): Promise<Buffer> => {
    const encoder = new EncoderOf().writeInt32(7).writeInt16(0).writeInt32(0);
    encoder.writeInt32(2);
    for (const topic of ['a', 'b']) {
      const partitions = await Promise.all(some(32, partitionBytes));
      encoder.writeString(topic).writeInt32(partitions.length);
      for (const bytes of partitions) encoder.writeBuffer(bytes);
    }
    return encoder.buffer;
  };

  /** What says something, with what we make of a record; records of other kinds are kafkajs's own. */
  const said = ({ responses, ...rest }: Answer): unknown => ({
    ...rest,
    responses: responses.map(({ partitions, ...topic }) => ({
      ...topic,
      partitions: partitions
        .filter(
          ({ errorCode, messages, abortedTransactions, preferredReadReplica }) =>
            errorCode !== 0 ||
            messages.length > 0 ||
            abortedTransactions.length > 0 ||
            preferredReadReplica !== -1,
        )
        .map(({ messages, ...one }) => ({ ...one, messages: messages.map(asText) })),
    })),
  });

  const asText = ({
    offset,
    timestamp,
    key,
    value,
    headers,
    isControlRecord,
  }: Message): unknown => ({
    ...{ offset, timestamp, key, value, isControlRecord },
    headers: Object.entries(headers).map(([name, text]) => [name, String(text)]),
  });

  const partitionsIn = ({ responses }: Answer): number =>
    responses.reduce((sum, { partitions }) => sum + partitions.length, 0);

  test('is what kafkajs reads, without the partitions that say nothing', async () => {
    let left = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = await answerBytes();
      const theirs = await theirDecode(bytes);
      const ours = (await decodeFetched(bytes)) as Answer;
      expect(said(ours)).toEqual(said(theirs));
      left += partitionsIn(theirs) - partitionsIn(ours);
    }
    expect(left).toBeGreaterThan(ROUNDS);
  });

  test('that ends too early is none, wherever it was cut', async () => {
    const whole = await answerBytes();
    const cuts = some(ROUNDS, () => randomInt(whole.length), ROUNDS);
    for (const cut of cuts) {
      const bytes = whole.subarray(0, cut);
      const theirs = await theirDecode(bytes).then(
        () => 'read',
        () => 'refused',
      );
      const ours = await decodeFetched(bytes).then(
        () => 'read',
        () => 'refused',
      );
      if (theirs === 'refused') expect(ours).toBe('refused');
    }
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

  test('reads what was fetched in another version, or from a rack, and nothing else', () => {
    const asked = { topics: [], maxWaitTime: 1 };
    const decodes = (version: number, rackId: string): unknown =>
      exchange('fetch', version, { ...asked, rackId }).response.decode;
    expect(decodes(11, '')).toBe(decodeFetched);
    expect(decodes(11, 'r')).toBe(theirDecode);
    expect(decodes(10, '')).not.toBe(decodeFetched);
  });
});

function exchange(name: string, version: number, asked: object) {
  const { protocol: of } = require(`${protocol}/requests/${name}`) as { protocol: Protocol };
  return of({ version })(asked) as unknown as {
    readonly request: { readonly encode: () => Promise<Encoder> };
    readonly response: { readonly decode: unknown };
  };
}
