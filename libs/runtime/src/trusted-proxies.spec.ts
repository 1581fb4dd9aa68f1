import { describe, expect, test } from 'vitest';
import { limitKeyOf, plainAddress, TrustedProxies } from './trusted-proxies.js';

const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);

describe('whom to trust', () => {
  test.each(['10.1.2.3', '::ffff:10.1.2.3', '0000:0000:0000:0000:0000:ffff:0a01:0203'])(
    '%s is in the ranges',
    (peer) => expect(proxies.trusts(peer)).toBe(true),
  );

  test.each(['192.0.2.7', 'fd00::1', 'fd12:3456::9'])('%s is in the ranges', (peer) =>
    expect(proxies.trusts(peer)).toBe(true),
  );

  test.each(['11.0.0.1', '192.0.2.8', 'fe80::1', '::1', '', 'localhost', '10.1.2'])(
    '%s is not',
    (peer) => expect(proxies.trusts(peer)).toBe(false),
  );

  test('nobody when no range is given', () => {
    const nobody = new TrustedProxies([]);
    expect(nobody.trusts('127.0.0.1')).toBe(false);
    expect(nobody.clientOf('127.0.0.1', '203.0.113.9')).toBe('127.0.0.1');
  });

  test.each([
    '10.0.0.0/33',
    'fd00::/129',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    'example.com',
    '10.0.0/8',
    '1.2.3.4/-1',
  ])('%s is no range', (range) =>
    expect(() => new TrustedProxies([range])).toThrow(JSON.stringify(range)),
  );
});

describe('the client of a peer', () => {
  test('that is not trusted is the peer, whatever it claims', () => {
    expect(proxies.clientOf('203.0.113.1', '198.51.100.1')).toBe('203.0.113.1');
  });

  test('that is trusted is the last entry that is no trusted proxy', () => {
    expect(proxies.clientOf('10.0.0.1', '198.51.100.1')).toBe('198.51.100.1');
    expect(proxies.clientOf('10.0.0.1', '6.6.6.6, 198.51.100.1, 10.0.0.2')).toBe('198.51.100.1');
    expect(proxies.clientOf('10.0.0.1', '10.0.0.3,10.0.0.2')).toBe('10.0.0.3');
  });

  test('is the last good address when an entry is none', () => {
    expect(proxies.clientOf('10.0.0.1', '198.51.100.1, unknown')).toBe('10.0.0.1');
    expect(proxies.clientOf('10.0.0.1', '')).toBe('10.0.0.1');
    expect(proxies.clientOf('10.0.0.1', 'x,10.0.0.2')).toBe('10.0.0.2');
  });

  test.each(['198.51.100.1:4711', '2001:db8::1', '[2001:db8::1]:443', '"[2001:db8::1]"'])(
    'may be written %s',
    (hop) => expect(proxies.clientOf('10.0.0.1', hop)).toMatch(/^(198\.51\.100\.1|2001:db8::1)$/),
  );
});

describe('an address', () => {
  test('has one notation', () => {
    expect(plainAddress('2001:0DB8:0000:0000:0000:0000:0000:0001')).toBe('2001:db8::1');
    expect(plainAddress('::ffff:1.2.3.4')).toBe('1.2.3.4');
    expect(plainAddress('::')).toBe('::');
    expect(plainAddress('fe80::1%eth0')).toBeUndefined();
    expect(plainAddress('nonsense')).toBeUndefined();
  });

  test('counts as itself in IPv4 and as its /64 in IPv6', () => {
    expect(limitKeyOf('1.2.3.4')).toBe('1.2.3.4');
    expect(limitKeyOf('::ffff:1.2.3.4')).toBe('1.2.3.4');
    expect(limitKeyOf('2001:db8:0:1::1')).toBe(limitKeyOf('2001:db8:0:1:ffff::2'));
    expect(limitKeyOf('2001:db8:0:1::1')).not.toBe(limitKeyOf('2001:db8:0:2::1'));
    expect(limitKeyOf('::1')).toBe('0:0:0:0');
  });
});
