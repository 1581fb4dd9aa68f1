import type { DeviceId } from '#webpush';
import { packClaim, unpackHolder } from './packing.redis.js';
import { Presence } from './presence.js';
import type { Claimed, Holder, Reclaimed } from './presence.js';
import type { RedisScripts } from './redis-scripts.redis.js';
import type { Argument } from './script.redis.js';

export class RedisPresence extends Presence {
  constructor(private readonly scripts: RedisScripts) {
    super();
  }

  override async hello(device: DeviceId, holder: Holder): Promise<Claimed> {
    const answer = await this.run('hello', device, this.claim(device, holder));
    const [since, other] = answer as [Buffer, Buffer | null];
    const displaced = unpackHolder(other);
    return displaced ? { since: Number(since), displaced } : { since: Number(since) };
  }

  override async reclaim(device: DeviceId, holder: Holder, since: number): Promise<Reclaimed> {
    const answer = await this.run('reclaim', device, [...this.claim(device, holder), since]);
    const [won, other] = answer as [number, Buffer | null];
    const held = unpackHolder(other);
    if (won === 1) return held ? { won: true, displaced: held } : { won: true };
    if (!held) throw new Error('a claim was lost to nobody: the script and this file disagree');
    return { won: false, by: held };
  }

  override async release(
    device: DeviceId,
    { gateway, connection }: Pick<Holder, 'gateway' | 'connection'>,
  ): Promise<void> {
    await this.run('release', device, [packClaim(device, { gateway, connection, epoch: 0 })]);
  }

  private claim(device: DeviceId, holder: Holder): readonly Argument[] {
    return [packClaim(device, holder), this.scripts.options.holderTtlMs];
  }

  private run(
    script: 'hello' | 'reclaim' | 'release',
    device: DeviceId,
    args: readonly Argument[],
  ): Promise<unknown> {
    return this.scripts.runBytes(script, this.scripts.partitionOf(device), args);
  }
}
