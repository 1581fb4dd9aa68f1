import { describe, expect, test } from 'vitest';
import { doorSettings } from './door-settings.js';
import { EnvReader } from './env.js';

const read = (env: Record<string, string>) => {
  const reader = new EnvReader(env);
  const settings = doorSettings(reader);
  reader.finish();
  return settings;
};

describe('the settings of a port towards the outside', () => {
  test('are plain, on every address, and trust nobody when nothing is set', () => {
    expect(read({})).toEqual({ host: '0.0.0.0', trustedProxies: [], noticeSeconds: 5 });
  });

  test('take a certificate and its key', () => {
    const file = import.meta.filename;
    expect(read({ TLS_CERT_FILE: file, TLS_KEY_FILE: file, HOST: '::1' })).toMatchObject({
      host: '::1',
      tls: { certFile: file, keyFile: file },
    });
  });

  test('refuse a certificate without a key, and a proxy that is no address, in one message', () => {
    expect(() =>
      read({ TLS_CERT_FILE: import.meta.filename, TRUSTED_PROXIES: '10.0.0.0/8,nobody' }),
    ).toThrow(/nobody[^]*go together|go together[^]*nobody/);
  });
});
