import { expect, test } from 'vitest';
import { ConfigError, EnvReader } from '#runtime';
import { clusterConfig } from './cluster-config.js';

const KEY = Buffer.alloc(32, 7).toString('base64url');
const LEAST = { KAFKA_BROKERS: 'k:9092', REDIS_URL: 'redis://r:6379', ENDPOINT_KEYS: KEY };

function problemsOf(variables: Record<string, string>): readonly string[] {
  const env = new EnvReader(variables);
  clusterConfig(env);
  try {
    env.finish();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
  }
  return [];
}

test('a service needs brokers, a Redis and keys; the rest has defaults', () => {
  const config = clusterConfig(new EnvReader(LEAST));
  expect(config.streams).toEqual({
    prefix: 'heliograph.',
    partitions: 32,
    replicationFactor: 3,
    minInsyncReplicas: 2,
  });
  expect(config.process).toEqual({ opsHost: '0.0.0.0', opsPort: 9464, logLevel: 'info' });
  expect(problemsOf(LEAST)).toEqual([]);
});

test('one copy needs one in-sync replica', () => {
  const config = clusterConfig(new EnvReader({ ...LEAST, REPLICATION_FACTOR: '1' }));
  expect(config.streams).toMatchObject({ replicationFactor: 1, minInsyncReplicas: 1 });
});

test('all that is wrong is told at once', () => {
  const problems = problemsOf({
    PARTITIONS: '0',
    STREAM_PREFIX: 'a b',
    REPLICATION_FACTOR: '2',
    MIN_INSYNC_REPLICAS: '3',
    ENDPOINT_KEYS: 'short',
    OPS_PORT: '-1',
    LOG_LEVEL: 'loud',
  });
  expect(problems).toEqual([
    expect.stringMatching(/^OPS_PORT: "-1" must be/),
    expect.stringMatching(/^LOG_LEVEL: "loud" must be/),
    expect.stringMatching(/^KAFKA_BROKERS is required/),
    expect.stringMatching(/^REDIS_URL is required/),
    'STREAM_PREFIX: "a b" must be 1–40 letters, digits, dots, underscores or hyphens',
    'PARTITIONS: "0" must be a whole number, 1–1024',
    'MIN_INSYNC_REPLICAS: 3 must not be more than REPLICATION_FACTOR, 2',
    expect.stringMatching(/^ENDPOINT_KEYS: its value must be keys, comma-separated: key 1 is not/),
  ]);
});
