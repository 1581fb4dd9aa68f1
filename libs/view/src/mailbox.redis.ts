import type { DeviceId } from '#webpush';
import { Mailbox } from './mailbox.js';
import type { MailboxEntry, ReadLimits } from './mailbox.js';
import { bytesOf, unpackEntries } from './packing.redis.js';
import type { RedisScripts } from './redis-scripts.redis.js';

export class RedisMailbox extends Mailbox {
  constructor(private readonly scripts: RedisScripts) {
    super();
  }

  override async read(
    device: DeviceId,
    { above, countMax, bytesMax }: ReadLimits,
  ): Promise<readonly MailboxEntry[] | undefined> {
    const partition = this.scripts.partitionOf(device);
    const args = [bytesOf(device), above, countMax, bytesMax];
    const answer = await this.scripts.runBytes('read', partition, args);
    return answer ? unpackEntries(answer as readonly Buffer[]) : undefined;
  }

  override async offsets(device: DeviceId): Promise<readonly number[] | undefined> {
    const partition = this.scripts.partitionOf(device);
    const answer = await this.scripts.run('offsets', partition, [bytesOf(device)]);
    return answer ? (answer as readonly string[]).map(Number) : undefined;
  }
}
