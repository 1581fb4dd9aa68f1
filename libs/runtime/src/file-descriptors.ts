import { readFileSync } from 'node:fs';

/** What a process opens beside connections: files, the event loop, clients of Kafka and Redis. */
const RESERVED = 128;

/** So many of them, `part` of 1, may be connections of one kind. */
export function shareOfFileDescriptors(part: number): number {
  return Math.max(1, Math.floor((fileDescriptorsMax() - RESERVED) * part));
}

/**
 * How many file descriptors this process may have. uWebSockets.js that cannot accept for want of one tries again and
 * again, and nothing else gets its turn: who accepts must stay below. Infinity where the system does not tell
 * (other than Linux).
 */
export function fileDescriptorsMax(): number {
  try {
    const [, soft = ''] =
      /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return Number(soft) || Infinity;
  } catch {
    return Infinity;
  }
}
