import { describe, expect, test } from 'vitest';
import { EnvReader, shareOfFileDescriptors } from '#runtime';
import { ingestConfig } from './config.js';

const read = (env: Record<string, string>) => {
  const reader = new EnvReader({ PUBLIC_ENDPOINT_URL: 'https://push.example', ...env });
  const config = ingestConfig(reader, { partitions: 32 });
  reader.finish();
  return config;
};

describe('the settings of an ingest', () => {
  test('have the defaults of the design', () => {
    expect({ ...read({}) }).toEqual({
      host: '0.0.0.0',
      port: 8_081,
      trustedProxies: [],
      noticeSeconds: 5,
      partitions: 32,
      publicEndpointUrl: 'https://push.example',
      payloadBytesMax: 4_096,
      ttlSecondsMax: 2_592_000,
      appendDeadlineMs: 5_000,
      bodyBytesInFlightMax: 67_108_864,
      vapidTokensMax: 20_000,
      connectionsMax: shareOfFileDescriptors(0.125),
    });
  });

  test.each([
    ['https://push.example/', 'https://push.example'],
    ['http://127.0.0.1:8081', 'http://127.0.0.1:8081'],
    ['https://push.example:443', 'https://push.example'],
  ])('take %s for the origin %s', (written, origin) => {
    expect(read({ PUBLIC_ENDPOINT_URL: written }).publicEndpointUrl).toBe(origin);
  });

  test.each(['https://push.example/path', 'ws://push.example', 'push.example', 'https://a:b@c'])(
    'refuse %s as an origin',
    (written) => {
      expect(() => read({ PUBLIC_ENDPOINT_URL: written })).toThrow(/origin without a path/);
    },
  );

  test('are refused out of their ranges, all in one message', () => {
    const env = { PAYLOAD_BYTES_MAX: '65537', TTL_SECONDS_MAX: '-1', INGEST_PORT: '65536' };
    expect(() => read(env)).toThrow(/3 settings are wrong:/);
    for (const name of Object.keys(env)) expect(() => read(env)).toThrow(name);
    expect(read({ PAYLOAD_BYTES_MAX: '65536' }).payloadBytesMax).toBe(65_536);
  });
});
