import type { Cluster, Redis } from 'ioredis';
import { StartRefused, type Log } from '#runtime';

/** The scripts need `ZADD … GT`, which came with 6.2. What is newer than the highest was not there yet. */
const LEAST = [6, 2] as const;
const KNOWN_MAJOR_MAX = 8;

/**
 * Refuses with a sentence a Redis that lacks what the scripts need, on any shard. What speaks its protocol and tells a
 * version as Redis does (Valkey) is measured by that.
 */
export async function refuseVersion(
  redis: Redis | Cluster,
  { address, log }: { readonly address: string; readonly log: Log },
): Promise<void> {
  const nodes = 'nodes' in redis ? redis.nodes('master') : [redis];
  for (const node of nodes) {
    // A right that is missing is named by whoever looks for rights.
    const info = await node.info('server').catch(() => '');
    const version = /^redis_version:(\d+)\.(\d+)\S*/m.exec(info);
    if (version === null) continue;
    const [major, minor] = [Number(version[1]), Number(version[2])];
    const told = version[0].slice('redis_version:'.length);
    if (major < LEAST[0] || (major === LEAST[0] && minor < LEAST[1])) {
      throw new StartRefused(
        `Redis at ${address} is of version ${told}: Heliograph needs ${LEAST.join('.')} to ${KNOWN_MAJOR_MAX}.x.`,
      );
    }
    if (major > KNOWN_MAJOR_MAX) {
      const supported = `${LEAST.join('.')} to ${KNOWN_MAJOR_MAX}.x`;
      log.warn('this version of Redis was not there yet when this was written', {
        at: address,
        version: told,
        supported,
      });
    }
  }
}
