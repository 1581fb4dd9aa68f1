import type { DeviceId } from './ids.js';

/** Kafka's murmur2 (seed 0x9747b28c), as its default partitioner computes it. Unsigned 31 bits. */
export function murmur2(key: Buffer): number {
  const m = 0x5bd1e995;
  const length = key.length;
  let hash = 0x9747b28c ^ length;
  const whole = length & ~3;
  for (let i = 0; i < whole; i += 4) {
    let word = Math.imul(key.readInt32LE(i), m);
    word ^= word >>> 24;
    hash = Math.imul(hash, m) ^ Math.imul(word, m);
  }
  let tail = 0;
  for (let i = length - 1; i >= whole; i--) tail = (tail << 8) | (key[i] ?? 0);
  if (length !== whole) hash = Math.imul(hash ^ tail, m);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, m);
  return (hash ^ (hash >>> 15)) & 0x7fffffff;
}

/** The partition that holds everything about a device (design §4): 0 … partitions − 1. */
export function partitionOf(device: DeviceId, partitions: number): number {
  return partitions === 1 ? 0 : murmur2(Buffer.from(device, 'hex')) % partitions;
}
