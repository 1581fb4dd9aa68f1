import { Leases } from './leases.js';
import type { Lease } from './leases.js';
import type { RedisScripts } from './redis-scripts.redis.js';

export class RedisLeases extends Leases {
  constructor(private readonly scripts: RedisScripts) {
    super();
  }

  override async set(gateway: string, epoch: number, ttlMs: number): Promise<boolean> {
    const args = [gateway, epoch, ttlMs];
    return (await this.scripts.runGateways('setLease', gateway, args)) === 1;
  }

  override async renew(
    gateway: string,
    epoch: number,
    ttlMs: number,
  ): Promise<'renewed' | 'lost' | 'replaced'> {
    const answer = await this.scripts.runGateways('renewLease', gateway, [gateway, epoch, ttlMs]);
    return answer as 'renewed' | 'lost' | 'replaced';
  }

  override async get(gateway: string): Promise<Lease | undefined> {
    const key = `hg:{gateways}:${gateway}`;
    const { redis } = this.scripts.options;
    const [epoch, remainingMs] = await Promise.all([redis.get(key), redis.pttl(key)]);
    if (epoch === null || remainingMs < 0) return undefined;
    return { epoch: Number(epoch), remainingMs };
  }

  override async live(): Promise<readonly string[]> {
    return (await this.scripts.runGateways('liveGateways', '', [])) as readonly string[];
  }

  override async release(gateway: string, epoch: number): Promise<void> {
    await this.scripts.runGateways('releaseLease', gateway, [gateway, epoch]);
  }
}
