import { describe, expect, test } from 'vitest';
import type { DeviceId } from './ids.js';
import { murmur2, partitionOf } from './partition.js';

describe('murmur2', () => {
  /** From Kafka's own UtilsTest. */
  test.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
  ])('hashes %s as Kafka does', (key, hash) => {
    expect(murmur2(Buffer.from(key))).toBe(hash & 0x7fffffff);
  });

  test('hashes the empty key as Kafka does', () => {
    expect(murmur2(Buffer.alloc(0))).toBe(275646681 & 0x7fffffff);
  });
});

describe('partitionOf', () => {
  const devices = Array.from(
    { length: 4096 },
    (_, i) => (i * 2654435761).toString(16).padStart(32, '0') as DeviceId,
  );

  test('hashes the 16 bytes of the device, not its digits', () => {
    const device = '000102030405060708090a0b0c0d0e0f' as DeviceId;
    expect(partitionOf(device, 32)).toBe(murmur2(Buffer.from(device, 'hex')) % 32);
  });

  test('spreads devices over all partitions', () => {
    const counts = new Array<number>(32).fill(0);
    for (const device of devices) counts[partitionOf(device, 32)]! += 1;
    expect(Math.min(...counts)).toBeGreaterThan(64);
    expect(Math.max(...counts)).toBeLessThan(256);
  });

  test('knows only one partition where there is one', () => {
    expect(new Set(devices.map((device) => partitionOf(device, 1)))).toEqual(new Set([0]));
  });
});
