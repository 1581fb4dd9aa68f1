/** What kafkajs is given of an append: a producer without retries of its own, and the records of one request. */
import type { Kafka, Message, Producer } from 'kafkajs';
import type { Load } from './append-queue.kafka.js';

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

export function topicMessages(loads: readonly Load[]): { topic: string; messages: Message[] }[] {
  const byTopic = new Map<string, Message[]>();
  for (const { place, waiting } of loads) {
    const { topic, partition } = place;
    let messages = byTopic.get(topic);
    if (messages === undefined) byTopic.set(topic, (messages = []));
    for (const { records } of waiting) {
      for (const { key, value, headers } of records) {
        messages.push({ key, value, headers, partition });
      }
    }
  }
  return Array.from(byTopic, ([topic, messages]) => ({ topic, messages }));
}
