/** A produce request to one leader, and its answer: for each partition an offset or an error of its own. */
import { createRequire } from 'node:module';
import type { Load } from './append-queue.kafka.js';
import { appendFailed } from './append-errors.kafka.js';
import { ask, errorOf } from './cluster.kafka.js';
import type { Broker, Exchange } from './cluster.kafka.js';
import { encodeProduce } from './produce-bytes.kafka.js';
import { AppendFailed } from './producer.js';

export interface Produce {
  /** For all copies. */
  readonly timeoutMs: number;
  /** Of partitions that the broker leads. */
  readonly loads: readonly Load[];
  /** Right before the bytes are handed to the connection: until then nothing was sent. */
  readonly onSent: () => unknown;
}

export interface PartitionAnswer {
  readonly partition: number;
  readonly errorCode: number;
  /** Of the first record. */
  readonly baseOffset?: string;
}

/** As kafkajs reads it. */
interface Answer {
  readonly topics: readonly {
    readonly topicName: string;
    readonly partitions: readonly PartitionAnswer[];
  }[];
}

export type Answers = ReadonlyMap<string, ReadonlyMap<number, PartitionAnswer>>;

const require = createRequire(import.meta.url);
const PRODUCE = 0;
/** Since Kafka 2.3. */
const OUR_VERSION = 7;
const produceApi = require('kafkajs/src/protocol/requests/produce') as unknown;
const { decode } = require('kafkajs/src/protocol/requests/produce/v7/response') as {
  decode: (bytes: Buffer) => Promise<unknown>;
};

export async function produce(broker: Broker, asked: Produce): Promise<Answers> {
  const isOurs = (broker.versions?.[PRODUCE]?.maxVersion ?? 0) >= OUR_VERSION;
  const { topics } = (await ask(broker, isOurs ? ours(asked) : theirs(broker, asked))) as Answer;
  const answers = new Map<string, Map<number, PartitionAnswer>>();
  for (const { topicName, partitions } of topics) {
    answers.set(topicName, new Map(partitions.map((one) => [one.partition, one])));
  }
  return answers;
}

/** The offset of its first record, or why it has none. */
export function outcomeOf(load: Load, answers: Answers): number | AppendFailed {
  const { topic, partition } = load.place;
  const answer = answers.get(topic)?.get(partition);
  if (answer === undefined) return unanswered(load);
  const { errorCode, baseOffset } = answer;
  if (errorCode !== 0) return appendFailed(errorOf(errorCode), { partitions: 1, isSent: true });
  return baseOffset === undefined ? unanswered(load) : Number(baseOffset);
}

/** A partition that does not exist is answered by silence. */
export function unanswered({ place: { topic, partition } }: Load): AppendFailed {
  return new AppendFailed(`Kafka gave no offset for ${topic}/${partition}`, true);
}

/** An error is one partition's: kafkajs makes it that of the whole request. */
const parse = (decoded: unknown): Promise<unknown> => Promise.resolve(decoded);

function ours({ timeoutMs, loads, onSent }: Produce): Exchange {
  return {
    request: {
      ...{ apiKey: PRODUCE, apiVersion: OUR_VERSION, apiName: 'Produce' },
      expectResponse: () => true,
      encode: () => {
        const bytes = encodeProduce({ timeoutMs, loads }, Date.now());
        onSent();
        return Promise.resolve({ buf: bytes, buffer: bytes });
      },
    },
    response: { decode, parse },
  };
}

/** For older brokers. */
function theirs(broker: Broker, { timeoutMs, loads, onSent }: Produce): Exchange {
  const { request, response } = broker.lookupRequest(
    PRODUCE,
    produceApi,
  )({ ...{ acks: -1, timeout: timeoutMs, compression: 0 }, topicData: topicData(loads) });
  const encode: typeof request.encode = async () => {
    const encoder = await request.encode();
    onSent();
    return encoder;
  };
  return { request: { ...request, encode }, response: { decode: response.decode, parse } };
}

/** In the words of kafkajs. */
export function topicData(loads: readonly Load[]) {
  const byTopic = new Map<string, object[]>();
  for (const { place, waiting } of loads) {
    const messages = waiting.flatMap(({ records }) => records);
    const partition = { partition: place.partition, firstSequence: 0, messages };
    const partitions = byTopic.get(place.topic);
    if (partitions) partitions.push(partition);
    else byTopic.set(place.topic, [partition]);
  }
  return Array.from(byTopic, ([topic, partitions]) => ({ topic, partitions }));
}
