/** What kafkajs is given of an append: a producer without retries of its own, and the records of one request. */
import type { Kafka, Message, Producer } from 'kafkajs';
import type { Load } from './append-queue.kafka.js';
import './own-codecs.kafka.js';

interface ProducerSettings {
  readonly kafka: Kafka;
  readonly metadataMaxAgeMs?: number;
}

export function createProducer({ kafka, metadataMaxAgeMs = 300_000 }: ProducerSettings): Producer {
  return kafka.producer({
    metadataMaxAge: metadataMaxAgeMs,
    allowAutoTopicCreation: false,
    retry: { retries: 0 },
    createPartitioner:
      () =>
      ({ message }) =>
        message.partition ?? 0,
  });
}

/**
 * `onEncoded` is called when kafkajs encodes them, which it does when it has a connection, and then writes: until then
 * nothing was sent. Headers are what it reads only there.
 */
export function topicMessages(
  loads: readonly Load[],
  onEncoded: () => void,
): { topic: string; messages: Message[] }[] {
  const byTopic = new Map<string, Message[]>();
  for (const { place, waiting } of loads) {
    const { topic, partition } = place;
    let messages = byTopic.get(topic);
    if (messages === undefined) byTopic.set(topic, (messages = []));
    const begin = messages.length;
    for (const { records } of waiting) {
      for (const { key, value, headers } of records) {
        messages.push({ key, value, headers, partition });
      }
    }
    // One of each partition: another may be of another broker, and of those one can fail before the other's is encoded.
    const first = messages[begin];
    if (first) messages[begin] = observed(first, onEncoded);
  }
  return Array.from(byTopic, ([topic, messages]) => ({ topic, messages }));
}

function observed({ headers, ...rest }: Message, onEncoded: () => void): Message {
  return {
    ...rest,
    get headers() {
      onEncoded();
      return headers;
    },
  };
}
