import { describe, expect, test } from 'vitest';
import { kafkaReason, redisReason } from './store-reasons.js';

const failed = (message: string, more: object = {}): Error =>
  Object.assign(new Error(message), more);
const kafka = { brokers: ['kafka:9092'] };
const redis = { urls: ['rediss://ops:secret@redis:6379'] };

describe('of Kafka it is said', () => {
  test('which setting the certificate does not fit, also when the driver has wrapped the error', () => {
    const inner = failed('Hostname/IP does not match', { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
    const outer = new Error('number of retries exceeded', { cause: inner });
    expect(kafkaReason(outer, { ...kafka, tls: {} })).toMatch(
      /^its certificate bears another name/,
    );
    const old = failed('certificate has expired', { code: 'CERT_HAS_EXPIRED' });
    expect(kafkaReason(old, { ...kafka, tls: {} })).toMatch(/^its certificate is out of date/);
  });

  test('what the driver said, where nothing better is known', () => {
    expect(kafkaReason(failed('connect ECONNREFUSED'), kafka)).toBe('connect ECONNREFUSED');
    expect(kafkaReason('odd', kafka)).toBe('odd');
    const sasl = { mechanism: 'plain', username: 'a', password: 'b' } as const;
    const gone = kafkaReason(failed('Closed connection'), { ...kafka, tls: {}, sasl });
    expect(gone).toBe('Closed connection');
  });
});

describe('of Redis it is said', () => {
  test('who is refused, never with what password', () => {
    const wrong = failed('WRONGPASS invalid username-password pair');
    expect(redisReason(wrong, redis)).toBe(
      'it refuses the user ops: user or password in REDIS_URL is wrong',
    );
    expect(redisReason(wrong, { urls: ['redis://:x@redis:6379'] })).toContain('the user default:');
    expect(
      redisReason(failed('NOAUTH Authentication required.'), { urls: ['redis://redis'] }),
    ).toBe('it wants a user and a password, and REDIS_URL has none');
  });

  test('what the driver said, where nothing better is known', () => {
    expect(redisReason(failed('connect ECONNREFUSED'), redis)).toBe('connect ECONNREFUSED');
    expect(redisReason(failed('LOADING'), { urls: ['redis://redis'] })).toBe('LOADING');
  });
});
