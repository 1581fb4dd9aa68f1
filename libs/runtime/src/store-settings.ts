/** Where the stores of a cluster are: what every service of it asks for (design §7). */
import type { EnvReader } from './env.js';

export interface KafkaAccess {
  /** `host:port` each. */
  readonly brokers: readonly string[];
  /** Absent: plain. */
  readonly tls?: { readonly caFile?: string };
  readonly sasl?: {
    readonly mechanism: SaslMechanism;
    readonly username: string;
    readonly password: string;
  };
}

export interface RedisAccess {
  /** `redis://` or `rediss://`; several: a Redis Cluster. They hold the password. */
  readonly urls: readonly string[];
  readonly caFile?: string;
}

const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;
export type SaslMechanism = (typeof SASL_MECHANISMS)[number];

export function kafkaSettings(env: EnvReader): KafkaAccess {
  const brokers = env.parsed('KAFKA_BROKERS', {
    doc: 'some brokers of Kafka; the others are found through them',
    range: '`host:port`, comma-separated',
    parse: (text) => listOf(text, isBroker, 'host:port, comma-separated'),
  });
  const username = env.text('KAFKA_USERNAME', { optional: true, doc: 'for SASL' });
  const password = env.text('KAFKA_PASSWORD', { optional: true, secret: true, doc: 'for SASL' });
  const mechanism = env.choice('KAFKA_SASL_MECHANISM', {
    default: 'scram-sha-512',
    of: SASL_MECHANISMS,
    doc: 'how user and password are proven',
  });
  if ((username === undefined) !== (password === undefined)) {
    env.refuse('KAFKA_USERNAME and KAFKA_PASSWORD go together: set both or neither');
  }
  const caFile = env.file('KAFKA_CA_FILE', {
    optional: true,
    doc: 'certificates that Kafka’s is signed by, PEM; implies TLS',
  });
  const isTls = env.choice('KAFKA_TLS', {
    default: 'off',
    of: ['off', 'on'],
    doc: 'whether Kafka is spoken to over TLS',
  });
  return {
    brokers,
    ...((isTls === 'on' || caFile !== undefined) && {
      tls: caFile === undefined ? {} : { caFile },
    }),
    ...(username !== undefined &&
      password !== undefined && { sasl: { mechanism, username, password } }),
  };
}

export function redisSettings(env: EnvReader): RedisAccess {
  const urls = env.parsed('REDIS_URL', {
    doc: 'Redis; several: nodes of a Redis Cluster',
    range: '`redis://…` or `rediss://…` (TLS), comma-separated',
    secret: true,
    parse: (text) =>
      listOf(text, isRedis, 'redis://host:port or rediss://host:port, comma-separated'),
  });
  const caFile = env.file('REDIS_CA_FILE', {
    optional: true,
    doc: 'certificates that Redis’s is signed by, PEM',
  });
  if (caFile !== undefined && urls?.some((url) => !url.startsWith('rediss:'))) {
    env.refuse('REDIS_CA_FILE is for TLS: REDIS_URL must begin with rediss://');
  }
  return { urls, ...(caFile !== undefined && { caFile }) };
}

function listOf(text: string, isOne: (item: string) => boolean, say: string): readonly string[] {
  const items = text.split(',').flatMap((item) => item.trim() || []);
  if (items.length === 0 || !items.every(isOne)) throw new Error(say);
  return items;
}

function isBroker(text: string): boolean {
  const [, port] = /^[\w.-]+:(\d{1,5})$/.exec(text) ?? [];
  return port !== undefined && Number(port) <= 65_535;
}

function isRedis(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^rediss?:$/.test(url.protocol) && url.hostname !== '';
}
