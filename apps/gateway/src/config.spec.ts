import { describe, expect, test } from 'vitest';
import { EnvReader } from '#runtime';
import { gatewayConfig } from './config.js';

const read = (env: Record<string, string>) => {
  const reader = new EnvReader({ PUBLIC_GATEWAY_URL: 'wss://push.example/', ...env });
  const config = gatewayConfig(reader, { partitions: 32 });
  reader.finish();
  return config;
};

describe('the settings of a gateway', () => {
  test('have the defaults of the design', () => {
    const { times, limits, port, id } = read({});
    expect(times).toEqual({
      helloTimeoutMs: 5_000,
      pingIntervalMs: 300_000,
      clientPingMinMs: 45_000,
      recheckIntervalMs: 300_000,
      drainSeconds: 30,
    });
    expect(limits).toMatchObject({ frameBytesMax: 65_536, windowMax: 64, windowBytesMax: 262_144 });
    expect(port).toBe(8_080);
    expect(id).not.toBe('');
  });

  test('are refused all at once, each with its name', () => {
    const wrong = {
      GATEWAY_ID: 'has spaces',
      WINDOW_MAX: '0',
      PING_INTERVAL_MS: '500000',
      PUBLIC_GATEWAY_URL: 'https://push.example/',
    };
    expect(() => read(wrong)).toThrow(
      /GATEWAY_ID[^]*|WINDOW_MAX[^]*|PING_INTERVAL_MS[^]*|PUBLIC_GATEWAY_URL/,
    );
    try {
      read(wrong);
    } catch (error) {
      for (const name of Object.keys(wrong)) expect(String(error)).toContain(name);
    }
  });
});
