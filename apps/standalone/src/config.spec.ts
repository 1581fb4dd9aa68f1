import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError, EnvReader } from '#runtime';
import { standaloneConfig, type StandaloneConfig } from './config.js';
import { addressesOf } from './serving.js';

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'heliograph-config-'));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

function read(env: Record<string, string> = {}): StandaloneConfig {
  const reader = new EnvReader({ DATA_DIR: dataDir, ...env });
  const config = standaloneConfig(reader);
  reader.finish();
  return config;
}
const KEY = Buffer.alloc(32, 7).toString('base64url');

describe('with nothing set', () => {
  test('everything is on this machine’s loopback address', () => {
    expect(addressesOf(read())).toEqual({
      devices: 'ws://127.0.0.1:8080/',
      'application servers': 'http://127.0.0.1:8081',
      registration: 'http://127.0.0.1:8082',
      'metrics and health': 'http://127.0.0.1:9464',
    });
  });

  test('the keys are new ones, and reading has created nothing', () => {
    expect(read().storedKeys).toMatchObject({ isNew: true });
    expect(readdirSync(dataDir)).toEqual([]);
  });

  test('the log lies in the data directory', () => {
    expect(read().logFile).toBe(join(dataDir, 'log.sqlite'));
  });
});

describe('what is set', () => {
  test('is what gives notice of an end, for a process that stands behind a load balancer', () => {
    expect(read({}).gateway.door.noticeSeconds).toBe(0);
    expect(read({ NOTICE_SECONDS: '7' }).gateway.door.noticeSeconds).toBe(7);
  });

  test('moves the addresses that are made of it', () => {
    const config = read({ INGEST_PORT: '9001', GATEWAY_PORT: '9002', HOST: '0.0.0.0' });
    expect(addressesOf(config)).toMatchObject({
      devices: 'ws://127.0.0.1:9002/',
      'application servers': 'http://127.0.0.1:9001',
      registration: 'http://127.0.0.1:8082',
    });
    expect(config.process.opsHost).toBe('0.0.0.0');
  });

  test('wins over what is made', () => {
    const config = read({ PUBLIC_ENDPOINT_URL: 'https://push.example', OPS_HOST: '::1' });
    expect(config.ingest.publicEndpointUrl).toBe('https://push.example');
    expect(addressesOf(config)['metrics and health']).toBe('http://[::1]:9464');
  });

  test('as keys leaves the directory’s alone', () => {
    const config = read({ ENDPOINT_KEYS: KEY });
    expect(config.storedKeys).toBeUndefined();
    expect(config.keyRing.keys).toHaveLength(1);
  });

  test('as a certificate makes the addresses secure', () => {
    const file = import.meta.filename;
    const config = read({ TLS_CERT_FILE: file, TLS_KEY_FILE: file });
    expect(Object.values(addressesOf(config))).toEqual([
      'wss://127.0.0.1:8080/',
      'https://127.0.0.1:8081',
      'https://127.0.0.1:8082',
      'http://127.0.0.1:9464',
    ]);
  });
});

describe('what is wrong', () => {
  test('is told all at once, whichever service asked', () => {
    const env = {
      GATEWAY_PORT: 'x',
      MAILBOX_MAX: '-1',
      DEVICE_DAYS_MAX: '0',
      PAYLOAD_BYTES_MAX: '1',
      LOG_LEVEL: 'loud',
      ENDPOINT_KEYS: 'short',
    };
    try {
      read(env);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      const problems = (error as ConfigError).problems.join('\n');
      for (const name of Object.keys(env)) expect(problems).toContain(`${name}: `);
      expect((error as ConfigError).problems).toHaveLength(6);
    }
  });

  test('in the key file is told without its text', () => {
    writeFileSync(join(dataDir, 'endpoint-keys'), 'secret');
    expect(() => read()).toThrow(/endpoint-keys must hold keys like ENDPOINT_KEYS/);
    expect(() => read()).not.toThrow(/secret/);
  });
});
