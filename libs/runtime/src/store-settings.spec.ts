import { describe, expect, test } from 'vitest';
import { EnvReader } from './env.js';
import { ConfigError } from './start-refused.js';
import { kafkaSettings, redisSettings } from './store-settings.js';

const CA_FILE = import.meta.filename;

function read<T>(settings: (env: EnvReader) => T, variables: Record<string, string>): T {
  const env = new EnvReader(variables);
  const found = settings(env);
  env.finish();
  return found;
}

function problemsOf(
  settings: (env: EnvReader) => unknown,
  variables: Record<string, string>,
): readonly string[] {
  try {
    read(settings, variables);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('where Kafka is', () => {
  test('is some brokers, plain unless told otherwise', () => {
    const brokers = ['kafka-0:9092', '10.0.0.1:19092'];
    expect(read(kafkaSettings, { KAFKA_BROKERS: brokers.join(' , ') })).toEqual({ brokers });
  });

  test('may need TLS, with a certificate authority of its own, and a user', () => {
    const found = read(kafkaSettings, {
      KAFKA_BROKERS: 'kafka:9093',
      KAFKA_CA_FILE: CA_FILE,
      KAFKA_USERNAME: 'heliograph',
      KAFKA_PASSWORD: 'secret',
      KAFKA_SASL_MECHANISM: 'plain',
    });
    expect(found).toEqual({
      brokers: ['kafka:9093'],
      tls: { caFile: CA_FILE },
      sasl: { mechanism: 'plain', username: 'heliograph', password: 'secret' },
    });
    expect(read(kafkaSettings, { KAFKA_BROKERS: 'kafka:9093', KAFKA_TLS: 'on' })).toEqual({
      brokers: ['kafka:9093'],
      tls: {},
    });
  });

  test.each([
    [{}, ['KAFKA_BROKERS is required: some brokers of Kafka; the others are found through them']],
    [{ KAFKA_BROKERS: 'kafka' }, ['KAFKA_BROKERS: "kafka" must be host:port, comma-separated']],
    [{ KAFKA_BROKERS: 'k:99999' }, ['KAFKA_BROKERS: "k:99999" must be host:port, comma-separated']],
    [{ KAFKA_BROKERS: ',' }, ['KAFKA_BROKERS: "," must be host:port, comma-separated']],
    [
      { KAFKA_BROKERS: 'k:1', KAFKA_USERNAME: 'u' },
      ['KAFKA_USERNAME and KAFKA_PASSWORD go together: set both or neither'],
    ],
    [
      { KAFKA_BROKERS: 'k:1', KAFKA_CA_FILE: '/nowhere.pem' },
      ['KAFKA_CA_FILE: "/nowhere.pem" must be a file that this user can read'],
    ],
  ])('%o is refused', (variables, problems) => {
    expect(problemsOf(kafkaSettings, variables as Record<string, string>)).toEqual(problems);
  });
});

describe('where Redis is', () => {
  test('is one server, or several nodes of a Cluster, with TLS by their protocol', () => {
    const one = 'redis://redis:6379';
    expect(read(redisSettings, { REDIS_URL: one })).toEqual({ urls: [one] });
    const nodes = ['rediss://user:secret@a:6379', 'rediss://user:secret@b:6379'];
    const found = read(redisSettings, { REDIS_URL: nodes.join(','), REDIS_CA_FILE: CA_FILE });
    expect(found).toEqual({ urls: nodes, caFile: CA_FILE });
  });

  test('is refused without its password in the message', () => {
    expect(problemsOf(redisSettings, { REDIS_URL: 'redis//:secret@host' })).toEqual([
      'REDIS_URL: its value must be redis://host:port or rediss://host:port, comma-separated',
    ]);
    expect(problemsOf(redisSettings, {})).toHaveLength(1);
  });

  test('a certificate authority without TLS is refused', () => {
    const variables = { REDIS_URL: 'redis://host', REDIS_CA_FILE: CA_FILE };
    expect(problemsOf(redisSettings, variables)).toEqual([
      'REDIS_CA_FILE is for TLS: REDIS_URL must begin with rediss://',
    ]);
  });
});
