/**
 * The Kafka and the Redis of a cluster under test: containers where an engine answers, and always with CI=true; else
 * local processes, with TEST_STORES=processes in any case; or those that TEST_KAFKA_BROKERS and TEST_REDIS_URL name,
 * which no test may end.
 */
import { startKafkaContainer, startRedisContainer } from './containers.js';
import { startKafka, type KafkaServer } from './kafka.js';
import { pathOf, type ThingName } from './machine.js';
import { startRedis, type RedisServer } from './redis.js';

export interface Stores {
  readonly kafka: KafkaServer;
  readonly redis: RedisServer;
}

export interface StoresOfMachine {
  readonly kind: 'named' | 'containers' | 'processes';
  readonly needs: readonly ThingName[];
  start(): Promise<Stores>;
}

export function storesOfThisMachine(): StoresOfMachine {
  const url = process.env.TEST_REDIS_URL;
  if (process.env.TEST_KAFKA_BROKERS && url) {
    return {
      kind: 'named',
      needs: [],
      start: () => both(startKafka(), Promise.resolve(named(url))),
    };
  }
  const isForced = process.env.TEST_STORES === 'processes';
  if (!isForced && (process.env.CI === 'true' || pathOf('engine') !== undefined)) {
    const start = (): Promise<Stores> => both(startKafkaContainer(), startRedisContainer());
    return { kind: 'containers', needs: ['engine'], start };
  }
  const start = (): Promise<Stores> => both(startKafka(), startRedis());
  return { kind: 'processes', needs: ['kafka', 'redis'], start };
}

/** Nothing is left behind if one of them does not start. */
async function both(kafka: Promise<KafkaServer>, redis: Promise<RedisServer>): Promise<Stores> {
  const [one, other] = await Promise.allSettled([kafka, redis]);
  if (one.status === 'fulfilled' && other.status === 'fulfilled') {
    return { kafka: one.value, redis: other.value };
  }
  for (const each of [one, other]) if (each.status === 'fulfilled') await each.value.stop();
  throw (one.status === 'rejected' ? one : (other as PromiseRejectedResult)).reason;
}

function named(url: string): RedisServer {
  const refuse = (): never => {
    throw new Error('TEST_REDIS_URL names a Redis that this test did not start and must not end');
  };
  return {
    ...{ url, stop: () => Promise.resolve() },
    ...{ end: refuse, start: refuse, flush: refuse, signal: refuse },
  };
}
