/** What every service of a cluster is told from outside, in the same words everywhere (design §7). */
import {
  kafkaSettings,
  processSettings,
  redisSettings,
  type EnvReader,
  type KafkaAccess,
  type ProcessSettings,
  type RedisAccess,
} from '#runtime';
import { KeyRing } from '#webpush';

export interface StreamSettings {
  /** Before the name of every stream and group, so that clusters can share a Kafka. */
  readonly prefix: string;
  /** Fixed for a cluster's life. */
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
}

export class ClusterConfig {
  readonly process: ProcessSettings;
  readonly kafka: KafkaAccess;
  readonly redis: RedisAccess;
  readonly streams: StreamSettings;
  readonly keyRing: KeyRing;

  constructor(env: EnvReader) {
    this.process = processSettings(env);
    this.kafka = kafkaSettings(env);
    this.redis = redisSettings(env);
    this.streams = streamSettings(env);
    this.keyRing = endpointKeys(env);
  }

  get partitions(): number {
    return this.streams.partitions;
  }
}

export function clusterConfig(env: EnvReader): ClusterConfig {
  return new ClusterConfig(env);
}

export function streamSettings(env: EnvReader): StreamSettings {
  const prefix = env.parsed('STREAM_PREFIX', {
    default: 'heliograph.',
    range: 'letters, digits, `.`, `_`, `-`',
    doc: 'begins the name of every stream in Kafka',
    parse: (text) => {
      if (/^[A-Za-z0-9._-]{1,40}$/.test(text)) return text;
      throw new Error('1–40 letters, digits, dots, underscores or hyphens');
    },
  });
  const partitions = env.integer('PARTITIONS', {
    default: 32,
    min: 1,
    max: 1_024,
    doc: 'partitions of the streams: fixed for a cluster’s life',
  });
  const replicationFactor = env.integer('REPLICATION_FACTOR', {
    default: 3,
    min: 1,
    max: 15,
    doc: 'copies of each partition',
  });
  const minInsyncReplicas = env.integer('MIN_INSYNC_REPLICAS', {
    default: Math.min(2, replicationFactor),
    shown: '2 (1 when `REPLICATION_FACTOR` is 1)',
    min: 1,
    max: 15,
    doc: 'copies that must have a record before it is accepted',
  });
  if (minInsyncReplicas > replicationFactor) {
    env.refuse(
      `MIN_INSYNC_REPLICAS: ${minInsyncReplicas} must not be more than REPLICATION_FACTOR, ${replicationFactor}`,
    );
  }
  return { prefix, partitions, replicationFactor, minInsyncReplicas };
}

function endpointKeys(env: EnvReader): KeyRing {
  return env.parsed('ENDPOINT_KEYS', {
    secret: true,
    range: 'comma-separated base64url, 32 bytes each',
    doc: 'seal and open receiver and message ids: the first seals, all open',
    parse: (text) => {
      try {
        return KeyRing.parse(text);
      } catch (cause) {
        throw new Error(`keys, comma-separated: ${(cause as Error).message}`, { cause });
      }
    },
  });
}
