/**
 * What a service says and how it ends when it cannot work: without settings, and with stores of a release that is not
 * supported. Nothing else has to run for that.
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { SETTINGS_OF } from './support/chart.js';
import { kafkaThatTakes, redisOfVersion, type OldStore } from './support/old-stores.js';
import { ServiceProcess } from './support/service-process.js';
import { ROOT } from './support/sources.js';

const stores: OldStore[] = [];
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
});

/** Runs to its end, which must be a refusal; resolves with the sentences. */
async function refusalOf(role: string, env: Record<string, string> = {}): Promise<string> {
  const path = role === 'streams' ? 'deploy/create-streams.js' : `apps/${role}/src/main.js`;
  const main = join(ROOT, 'dist', path);
  const service = new ServiceProcess({ name: role, main, opsPort: 0, env });
  expect(await service.runToEnd()).toBe(1);
  const lines = service.output.trimEnd().split('\n');
  return lines.filter((line) => !line.startsWith('{')).join('\n');
}

const ROLES = ['gateway', 'ingest', 'router', 'registration', 'streams'] as const;

test.each(ROLES)('%s without settings names all that it lacks, in one message', async (role) => {
  const required = SETTINGS_OF[role].filter((setting) => setting.default === undefined);
  const [first, ...others] = (await refusalOf(role)).split('\n');
  expect(required.length).toBeGreaterThan(0);
  expect(first).toBe(
    required.length === 1 ? '1 setting is wrong:' : `${required.length} settings are wrong:`,
  );
  expect(others.map((line) => /\b[A-Z_]{4,}/.exec(line)?.[0])).toEqual(
    required.map(({ name }) => name),
  );
});

describe('a release that is not supported', () => {
  const env = async (redisVersion: string): Promise<Record<string, string>> => {
    const redis = await redisOfVersion(redisVersion);
    // Kafka 2.0 takes fetches up to version 8.
    const kafka = await kafkaThatTakes({ 0: [0, 6], 1: [0, 8], 18: [0, 2] });
    stores.push(redis, kafka);
    return {
      KAFKA_BROKERS: kafka.at,
      REDIS_URL: `redis://${redis.at}`,
      ENDPOINT_KEYS: randomBytes(32).toString('base64url'),
      OPS_PORT: '0',
    };
  };

  test('of Redis is named, with what is', async () => {
    const settings = await env('6.0.16');
    expect(await refusalOf('router', settings)).toBe(
      `Redis at ${new URL(settings.REDIS_URL ?? '').host} is of version 6.0.16: Heliograph needs 6.2 to 8.x.`,
    );
  });

  test.each(['router', 'streams'])('of Kafka is named to %s, with what is', async (role) => {
    const settings = await env('7.0.15');
    expect(await refusalOf(role, settings)).toBe(
      `Kafka at ${settings.KAFKA_BROKERS} is of version 2.0: Heliograph needs 2.3 to 4.x.`,
    );
  });
});
