/** The contract of the streams on a real Kafka: `TEST_KAFKA_BROKERS`, or a broker that the test starts. */
import { randomBytes } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';
import type { Admin } from 'kafkajs';
import { afterAll, beforeAll } from 'vitest';
import { streamsContract } from '#streams.contract';
import type { StreamsClient } from '#streams.contract';
import { KafkaCatalog, KafkaConsumer, KafkaProducer, setUpStreams } from '#streams.kafka';
import { startKafka } from '../support/kafka.js';
import type { KafkaServer } from '../support/kafka.js';
import { requires } from '../support/machine.js';

const PARTITIONS = 3;

requires('kafka').describe('real Kafka', () => {
  let server: KafkaServer;
  beforeAll(async () => {
    server = await startKafka();
  }, 60_000);
  afterAll(() => server.stop());

  streamsContract(async () => {
    const prefix = `contract-${randomBytes(4).toString('hex')}.`;
    const kafka = new Kafka({ brokers: [...server.brokers], logLevel: logLevel.NOTHING });
    const admins: Admin[] = [kafka.admin()];
    await admins[0]?.connect();
    const setup = { prefix, partitions: PARTITIONS, ttlSecondsMax: 3600 };
    await setUpStreams(admins[0]!, { ...setup, replicationFactor: 1, minInsyncReplicas: 1 });
    const producers: KafkaProducer[] = [];
    return {
      partitions: PARTITIONS,
      client: async (): Promise<StreamsClient> => {
        const admin = kafka.admin();
        admins.push(admin);
        await admin.connect();
        const limits = { deadlineMs: 5000, waitingBytesMax: 64_000_000 };
        const producer = await KafkaProducer.connect({ kafka, prefix, ...limits });
        producers.push(producer);
        const onFatal = (error: Error): never => {
          throw error;
        };
        const common = { kafka, admin, prefix };
        return {
          producer,
          consumer: new KafkaConsumer({ ...common, sessionTimeoutMs: 6000, onFatal }),
          catalog: new KafkaCatalog({ admin, prefix, replicationFactor: 1, minInsyncReplicas: 1 }),
        };
      },
      close: async () => {
        await Promise.all(producers.map((producer) => producer.close()));
        await Promise.all(admins.map((admin) => admin.disconnect()));
      },
    };
  });
});
