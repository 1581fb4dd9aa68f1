/**
 * What all services of a cluster must agree on stands in `hg:cluster`, written by whoever comes first. A Redis that
 * says otherwise belongs to another Heliograph: its keys would be taken for ours.
 */
import type { Cluster, Redis } from 'ioredis';
import { StartRefused } from '#runtime';
import type { KeyRing } from '#webpush';
import type { StreamSettings } from './cluster-config.js';

/**
 * ARGV: field and value of each. Writes what is missing, unless something differs: that is the answer. The first
 * layout of views was not written down.
 */
const AGREE = `
local differing = {}
local isThere = redis.call('EXISTS', KEYS[1]) == 1
for i = 1, #ARGV, 2 do
  local found = redis.call('HGET', KEYS[1], ARGV[i])
  if not found and isThere and ARGV[i] == 'layout' then found = '1' end
  if found and found ~= ARGV[i + 1] then
    differing[#differing + 1] = ARGV[i]
    differing[#differing + 1] = found
  end
end
if #differing == 0 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
return differing
`;

export interface AgreedOn {
  /** Of what scripts write into views. */
  readonly layout: number;
  readonly streams: StreamSettings;
  readonly keyRing: KeyRing;
}

export class Agreement {
  private readonly fields: readonly string[];

  constructor(
    private readonly redis: Redis | Cluster,
    private readonly address: string,
    { layout, streams, keyRing }: AgreedOn,
  ) {
    this.fields = [
      ...['layout', String(layout)],
      ...['partitions', String(streams.partitions), 'prefix', streams.prefix],
      ...keyRing.keys.flatMap(({ id, fingerprint }) => [`key ${id}`, fingerprint]),
    ];
  }

  /** Repeated while it runs: a Redis that was emptied may be taken by another. Refuses with a sentence. */
  async confirm(): Promise<void> {
    const args = ['hg:cluster', ...this.fields];
    const differing = (await this.redis.eval(AGREE, 1, ...args)) as readonly string[];
    const [field = '', there = ''] = differing;
    if (differing.length > 0) throw new StartRefused(this.sentence(field, there));
  }

  private sentence(field: string, there: string): string {
    const ours = this.fields[this.fields.indexOf(field) + 1];
    if (field === 'layout') {
      return (
        `Redis at ${this.address} holds views in layout ${there}, this version writes layout ${ours}: stop all services, ` +
        `empty that Redis (FLUSHALL), and start this version; the views are rebuilt from the log.`
      );
    }
    const isKey = field.startsWith('key ');
    const what = isKey
      ? `its services hold another endpoint key under the id ${field.slice(4)} than this one`
      : `its services have the ${field} ${there}, this one ${ours}`;
    return (
      `Redis at ${this.address} belongs to a cluster with other settings: ${what}. Give this service the same ` +
      `${isKey ? 'ENDPOINT_KEYS' : `${SETTINGS[field]}`} as the others, or another Redis.`
    );
  }
}

const SETTINGS: Readonly<Record<string, string>> = {
  partitions: 'PARTITIONS',
  prefix: 'STREAM_PREFIX',
};

/** A Redis that evicts forgets mailboxes one by one, and no mark would tell that they are lost. */
export async function refuseEviction(redis: Redis | Cluster, address: string): Promise<void> {
  const nodes = 'nodes' in redis ? redis.nodes('master') : [redis];
  for (const node of nodes) {
    const info = await node.info('memory');
    const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1] ?? 'noeviction';
    if (policy === 'noeviction') continue;
    throw new StartRefused(
      `Redis at ${address} has maxmemory-policy ${policy} and would forget notifications: set it to noeviction.`,
    );
  }
}
