import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { EnvReader } from './env.js';
import { ConfigError } from './start-refused.js';

const doc = 'what it is';
const folder = mkdtempSync(join(tmpdir(), 'heliograph-env-'));
afterAll(() => rmSync(folder, { recursive: true }));

function problemsOf(env: EnvReader): readonly string[] {
  try {
    env.finish();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('a setting that is absent', () => {
  test('has its default', () => {
    const env = new EnvReader({ EMPTY: '', BLANK: '  ' });
    expect(env.port('A', 8080)).toBe(8080);
    expect(env.text('EMPTY', { doc, default: 'x' })).toBe('x');
    expect(env.integer('BLANK', { doc, default: 3, min: 0, max: 9 })).toBe(3);
    expect(env.list('B', { doc, default: [] })).toEqual([]);
    expect(problemsOf(env)).toEqual([]);
  });

  test('is undefined when it is optional', () => {
    const env = new EnvReader({});
    expect(env.text('A', { doc, optional: true })).toBeUndefined();
    expect(env.file('B', { doc, optional: true })).toBeUndefined();
    expect(problemsOf(env)).toEqual([]);
  });

  test('has its preset, which also answers for one that is required', () => {
    const env = new EnvReader({ HOST: '::1' });
    env.preset({ HOST: '127.0.0.1', PUBLIC_ENDPOINT_URL: 'http://127.0.0.1:8081' });
    expect(env.text('HOST', { doc, default: '0.0.0.0' })).toBe('::1');
    expect(env.text('PUBLIC_ENDPOINT_URL', { doc })).toBe('http://127.0.0.1:8081');
    expect(problemsOf(env)).toEqual([]);
  });

  test('is a problem when it is required, with the line that says what it is', () => {
    const env = new EnvReader({});
    env.text('KAFKA_BROKERS', { doc: 'where Kafka is' });
    expect(problemsOf(env)).toEqual(['KAFKA_BROKERS is required: where Kafka is']);
  });
});

describe('a setting that is set', () => {
  test.each(['0', '1', '65535', ' 80 '])('%s is a port', (text) => {
    const env = new EnvReader({ A: text });
    expect(env.port('A', 8080)).toBe(Number(text));
    expect(problemsOf(env)).toEqual([]);
  });

  test.each(['-1', '65536', '1e3', '0x50', '80.5', 'http', 'NaN', '8080 8081'])(
    '%s is no port',
    (text) => {
      const env = new EnvReader({ A: text });
      env.port('A', 8080);
      expect(problemsOf(env)).toEqual([`A: "${text}" must be a whole number, 0–65535`]);
    },
  );

  test('a URL is kept as it was written, and has one of the protocols', () => {
    const env = new EnvReader({ A: 'wss://push.example', B: 'ftp://x', C: 'push.example' });
    const protocols = ['ws:', 'wss:'];
    expect(env.url('A', { doc, protocols })).toBe('wss://push.example');
    env.url('B', { doc, protocols });
    env.url('C', { doc, protocols });
    expect(problemsOf(env)).toEqual([
      'B: "ftp://x" must be an absolute URL, ws://… or wss://…',
      'C: "push.example" must be an absolute URL, ws://… or wss://…',
    ]);
  });

  test('a list is split at commas, and each item is judged', () => {
    const env = new EnvReader({ A: 'a, b,,c ', B: 'a,bad' });
    const each = (item: string): void => {
      if (item === 'bad') throw new Error('letters');
    };
    expect(env.list('A', { doc, each })).toEqual(['a', 'b', 'c']);
    env.list('B', { doc, each });
    expect(problemsOf(env)).toEqual(['B: "a,bad" must be letters']);
  });

  test('a choice is one of its options', () => {
    const env = new EnvReader({ A: 'warn', B: 'loud' });
    const of = ['info', 'warn'] as const;
    expect(env.choice('A', { doc, of, default: 'info' })).toBe('warn');
    env.choice('B', { doc, of, default: 'info' });
    expect(problemsOf(env)).toEqual(['B: "loud" must be one of info, warn']);
  });

  test('a file can be read', () => {
    const path = join(folder, 'key.pem');
    writeFileSync(path, '');
    const env = new EnvReader({ A: path, B: join(folder, 'none') });
    expect(env.file('A', { doc, optional: true })).toBe(path);
    env.file('B', { doc, optional: true });
    expect(problemsOf(env)).toEqual([
      `B: "${join(folder, 'none')}" must be a file that this user can read`,
    ]);
  });

  test('a secret that is refused is not repeated', () => {
    const parse = (): never => {
      throw new Error('32 bytes, base64url');
    };
    const env = new EnvReader({ ENDPOINT_KEYS: 'hunter2' });
    env.parsed('ENDPOINT_KEYS', { doc, range: 'keys', secret: true, parse });
    expect(problemsOf(env)).toEqual(['ENDPOINT_KEYS: its value must be 32 bytes, base64url']);
  });
});

test('all problems come in one message', () => {
  const env = new EnvReader({ A: 'x', B: 'y' });
  env.port('A', 1);
  env.port('B', 2);
  env.text('C', { doc });
  env.refuse('TLS_CERT_FILE needs TLS_KEY_FILE beside it');
  expect(() => env.finish()).toThrow(
    [
      '4 settings are wrong:',
      '  A: "x" must be a whole number, 0–65535',
      '  B: "y" must be a whole number, 0–65535',
      '  C is required: what it is',
      '  TLS_CERT_FILE needs TLS_KEY_FILE beside it',
    ].join('\n'),
  );
});

test('a reader knows what it was asked for, each name once', () => {
  const env = new EnvReader({});
  env.port('GATEWAY_PORT', 8080);
  env.port('GATEWAY_PORT', 8080, 'device WebSocket');
  env.port('GATEWAY_PORT', 8080, 'again');
  env.text('OPS_HOST', { doc, default: '127.0.0.1', shown: 'as `HOST`' });
  env.text('REDIS_URL', { doc });
  env.file('TLS_KEY_FILE', { doc, optional: true });
  env.list('TRUSTED_PROXIES', { doc, default: [] });
  expect(env.asked()).toEqual([
    { name: 'GATEWAY_PORT', default: '8080', range: '0–65535', doc: 'device WebSocket' },
    { name: 'OPS_HOST', default: 'as `HOST`', range: 'text', doc },
    { name: 'REDIS_URL', default: undefined, range: 'text', doc },
    { name: 'TLS_KEY_FILE', default: '', range: 'a file', doc },
    { name: 'TRUSTED_PROXIES', default: '', range: 'comma-separated', doc },
  ]);
});
