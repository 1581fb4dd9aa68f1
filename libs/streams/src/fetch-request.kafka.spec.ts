import { randomBytes, randomInt } from 'node:crypto';
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import {
  decodeFetched,
  encodeFetch,
  type Fetch,
  type Fetched,
  type FetchedPartition,
} from './fetch-bytes.kafka.js';
import { FETCH_VERSIONS } from './fetch-request.kafka.js';
import { fromTheirs, type TheirPartition } from './their-batches.kafka.js';

interface Encoder {
  readonly buffer: Buffer;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeInt64(value: number): Encoder;
  writeString(text: string): Encoder;
  writeBuffer(bytes: Buffer): Encoder;
}

interface TheirAnswer {
  readonly responses: readonly {
    readonly partitions: readonly (TheirPartition & { readonly errorCode: number })[];
  }[];
}

/** kafkajs's own codecs say what is right. */
const require = createRequire(import.meta.url);
const protocol = 'kafkajs/src/protocol';
const requestOf = (version: number) =>
  require(`${protocol}/requests/fetch/v${version}/request`) as (asked: object) => {
    readonly encode: () => Promise<Encoder>;
  };
const { decode: theirDecode } = require(`${protocol}/requests/fetch/v11/response`) as {
  decode: (bytes: Buffer) => Promise<TheirAnswer>;
};
const EncoderOf = require(`${protocol}/encoder`) as new () => Encoder;
const { RecordBatch } = require(`${protocol}/recordBatch/v0`) as {
  RecordBatch: (of: object) => Promise<Encoder>;
};
const Record = require(`${protocol}/recordBatch/record/v0`) as (of: object) => Encoder;

const NOW = 1_764_500_000_123;
const FIRST = 2 ** 33;
const ROUNDS = 100;
const NOT_LEADER = 6;
/** Between the offsets of two records, and above the last one of a batch. */
const STEP = 3;

/** In a record batch. */
const AT = { attributes: 21, count: 57, records: 61 };
const LOG_APPEND_TIME = 0x8;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

const some = <Item>(most: number, make: (i: number) => Item, least = 1): Item[] =>
  Array.from({ length: randomInt(least, most + 1) }, (_, i) => make(i));
const TEXTS = ['', 'outcome', 'delivered', '0123456789abcdef'.repeat(9), 'naïve ☀ 日本'];
const text = (): string => TEXTS[randomInt(TEXTS.length)] as string;

const asking = (places: Fetch['places']): Fetch => ({
  ...{ topic: `${text()}t`, minBytes: 1, maxWaitMs: randomInt(10_000) },
  ...{ maxBytes: randomInt(2 ** 31), partitionBytesMax: randomInt(2 ** 31 - 1), places },
});
/** As kafkajs is asked. */
const theirs = ({ topic, places, partitionBytesMax, ...asked }: Fetch): object => ({
  ...{ replicaId: -1, isolationLevel: 1, maxWaitTime: asked.maxWaitMs, ...asked },
  topics: [
    {
      topic,
      partitions: places.map(({ partition, offset }) => ({
        ...{ partition, fetchOffset: String(offset), maxBytes: partitionBytesMax },
      })),
    },
  ],
});
const everywhere = (from: number): Fetch =>
  asking(Array.from({ length: 33 }, (_, partition) => ({ partition, offset: from })));

function record(i: number): Encoder {
  const key = randomInt(9) === 0 ? null : randomBytes(randomInt(200));
  const value = randomInt(4) === 0 ? null : randomBytes(randomInt(5_000));
  const headers = randomInt(3) === 0 ? {} : Object.fromEntries(some(4, () => [text(), text()], 0));
  const timestampDelta = [0, 1, -1, 7_000, 2 ** 40][randomInt(5)];
  return Record({ key, value, headers, offsetDelta: STEP * i, timestampDelta });
}

/** Of the plain kind, as all of ours are. */
async function plainBatchOf(firstOffset: number): Promise<Buffer> {
  const records = some(20, record);
  const times = { firstTimestamp: NOW, maxTimestamp: NOW + 9_000 };
  const lastOffsetDelta = STEP * records.length - 1;
  return (await RecordBatch({ ...times, records, firstOffset, lastOffsetDelta })).buffer;
}

async function batchOf(firstOffset: number): Promise<Buffer> {
  const buffer = await plainBatchOf(firstOffset);
  if (randomInt(3) === 0) buffer.writeInt16BE(LOG_APPEND_TIME, AT.attributes);
  if (randomInt(20) === 0) buffer.writeInt16BE(TRANSACTIONAL, AT.attributes);
  if (randomInt(20) === 0) buffer.writeInt16BE(CONTROL, AT.attributes);
  return buffer;
}

/** As brokers do: the last batch may be cut, the first never. */
async function recordBytes(): Promise<Buffer> {
  const batches = await Promise.all(some(3, (i) => batchOf(FIRST + 100 * i)));
  const bytes = Buffer.concat(batches);
  const last = batches.slice(1).at(-1)?.length ?? 1;
  return randomInt(3) === 0 ? bytes.subarray(0, bytes.length - randomInt(last)) : bytes;
}

async function partitionBytes(partition: number): Promise<Buffer> {
  const isFailed = randomInt(10) === 0;
  const aborted = randomInt(10) === 0 ? 2 : randomInt(2) - 1;
  const encoder = new EncoderOf()
    .writeInt32(partition)
    .writeInt16(isFailed ? NOT_LEADER : 0)
    .writeInt64(FIRST + 1)
    .writeInt64(FIRST)
    .writeInt64(17)
    .writeInt32(aborted);
  for (let i = 0; i < aborted; i++) encoder.writeInt64(i).writeInt64(2 * i);
  encoder.writeInt32(-1);
  if (isFailed || randomInt(3) > 0) return encoder.writeInt32(randomInt(2) - 1).buffer;
  const records = await recordBytes();
  return encoder.writeInt32(records.length).writeBuffer(records).buffer;
}

async function answerBytes(partitions?: readonly Buffer[]): Promise<Buffer> {
  const encoder = new EncoderOf().writeInt32(7).writeInt16(0).writeInt32(0).writeInt32(1);
  const all = partitions ?? (await Promise.all(some(32, partitionBytes)));
  encoder.writeString('a topic').writeInt32(all.length);
  for (const bytes of all) encoder.writeBuffer(bytes);
  return encoder.buffer;
}

/** What says something. kafkajs goes on behind the last record, and we behind its batch. */
function saidBy({ responses }: TheirAnswer, from: number): Partial<FetchedPartition>[] {
  const partitions = responses.flatMap(({ partitions }) => partitions);
  return partitions
    .map(({ errorCode, ...one }) => {
      const { records, next } = fromTheirs(one, from);
      return { partition: one.partition, from, errorCode, records, next };
    })
    .filter(({ errorCode, next }) => errorCode !== 0 || next > from);
}

describe('a fetch request', () => {
  test('has the bytes that kafkajs gives it', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const places = some(40, (partition) => ({
        partition,
        offset: [0, 7, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1][randomInt(6)] as number,
      }));
      const asked = asking(places);
      const { buffer } = await requestOf(11)(theirs(asked)).encode();
      expect(encodeFetch(asked).equals(buffer)).toBe(true);
    }
  });

  test('to a broker of before 2.3 is written by kafkajs', async () => {
    const asked = asking([{ partition: 3, offset: FIRST }]);
    for (const version of [4, 10]) {
      const { request } = FETCH_VERSIONS.protocol({ version })(asked);
      const { buffer } = await requestOf(version)(theirs(asked)).encode();
      expect([request.apiVersion, (await request.encode()).buffer.equals(buffer)]).toEqual([
        version,
        true,
      ]);
    }
  });
});

describe('a fetch answer', () => {
  test('has the records that kafkajs reads, from that offset on, of the partitions that say something', async () => {
    let said = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = await answerBytes();
      const from = FIRST + randomInt(150);
      const expected = saidBy(await theirDecode(bytes), from);
      const { clientSideThrottleTime, partitions } = await decodeFetched(bytes, everywhere(from));
      expect(clientSideThrottleTime).toBe(7);
      for (const [i, { next, records, ...one }] of partitions.entries()) {
        const their = expected.find(({ partition }) => partition === one.partition);
        if (their === undefined) {
          // Nothing but records below: kafkajs says so by an offset that is not there.
          expect([i, records, next > from]).toEqual([i, [], true]);
          continue;
        }
        expect({ ...one, records }).toEqual({ ...one, records: their.records });
        expect(next).toBeGreaterThanOrEqual(their.next as number);
        said++;
      }
      const ours = new Set(partitions.map(({ partition }) => partition));
      const missing = expected.filter(
        ({ partition, records }) => !ours.has(partition as number) && records?.length,
      );
      expect(missing).toEqual([]);
    }
    expect(said).toBeGreaterThan(ROUNDS);
  });

  test('goes on above the last batch, also where its last records were compacted away', async () => {
    const batch = await plainBatchOf(FIRST);
    const count = batch.readInt32BE(AT.count);
    const partition = (records: Buffer): Buffer =>
      new EncoderOf()
        .writeInt32(0)
        .writeInt16(0)
        .writeInt64(FIRST)
        .writeInt64(FIRST)
        .writeInt64(0)
        .writeInt32(-1)
        .writeInt32(-1)
        .writeInt32(records.length)
        .writeBuffer(records).buffer;
    const whole = await decodeFetched(await answerBytes([partition(batch)]), everywhere(FIRST));
    expect(whole.partitions).toMatchObject([{ from: FIRST, next: FIRST + STEP * count }]);
    const emptied = Buffer.from(batch.subarray(0, AT.records));
    emptied.writeInt32BE(AT.records - 12, 8);
    emptied.writeInt32BE(0, AT.count);
    const empty = await decodeFetched(await answerBytes([partition(emptied)]), everywhere(FIRST));
    expect(empty.partitions).toMatchObject([{ records: [], next: FIRST + STEP * count }]);
    const behind = everywhere(FIRST + STEP * count);
    expect((await decodeFetched(await answerBytes([partition(batch)]), behind)).partitions).toEqual(
      [],
    );
  });

  test('that ends too early is none, wherever it was cut', async () => {
    const whole = await answerBytes();
    for (const cut of some(ROUNDS, () => randomInt(whole.length), ROUNDS)) {
      const bytes = whole.subarray(0, cut);
      const isRead = (reading: Promise<unknown>) =>
        reading.then(
          () => true,
          () => false,
        );
      if (await isRead(theirDecode(bytes))) continue;
      expect(await isRead(decodeFetched(bytes, everywhere(FIRST)))).toBe(false);
    }
  });

  test('of a broker of before 2.3 is read by kafkajs', async () => {
    const records = Buffer.concat([await plainBatchOf(FIRST), await plainBatchOf(FIRST + 100)]);
    const encoder = new EncoderOf().writeInt32(9).writeInt16(0).writeInt32(0).writeInt32(1);
    encoder.writeString('a topic').writeInt32(2);
    for (const [partition, errorCode, bytes] of [
      [3, 0, records],
      [4, NOT_LEADER, Buffer.alloc(0)],
    ] as const) {
      encoder
        .writeInt32(partition)
        .writeInt16(errorCode)
        .writeInt64(FIRST + 200);
      encoder.writeInt64(FIRST).writeInt64(0).writeInt32(-1);
      encoder.writeInt32(bytes.length).writeBuffer(bytes);
    }
    const asked = everywhere(FIRST + STEP);
    const { response } = FETCH_VERSIONS.protocol({ version: 10 })(asked);
    const decoded = await response.decode(encoder.buffer);
    expect(decoded).toMatchObject({ clientSideThrottleTime: 9 });
    const { partitions } = (await response.parse(decoded)) as Fetched;
    const [read, failed] = partitions;
    expect(read?.records.every(({ offset }) => offset >= FIRST + STEP)).toBe(true);
    expect(read?.next).toBe((read?.records.at(-1)?.offset as number) + 1);
    expect(failed).toMatchObject({ partition: 4, errorCode: NOT_LEADER, records: [] });
  });
});
