/**
 * Runs the scripts. Keys of a partition are `hg:{p}:…`: the hash tag keeps all of them in one slot of a Redis Cluster.
 */
import { partitionOf } from '#webpush';
import type { DeviceId } from '#webpush';
import * as notifications from './lua-notifications.redis.js';
import { PARTITION } from './lua-partition.redis.js';
import * as presence from './lua-presence.redis.js';
import * as subscriptions from './lua-subscriptions.redis.js';
import { Script } from './script.redis.js';
import type { Argument, RedisClient } from './script.redis.js';

/** Of the keys and values that these scripts write; another number for whatever older scripts would not understand. */
export const VIEW_LAYOUT = 2;

/** ARGV: field of the mark (`notifications` or `subscriptions`), view id. Clears nothing. */
const CREATE_MARK = `
local key = K .. 'mark:' .. ARGV[1]
if redis.call('EXISTS', key) == 0 then
  redis.call('HSET', key, 'view', ARGV[2], 'state', 'rebuilding', 'applied', 0, 'routed', 0,
    'told', 0, 'swept', 0, 'accepted', 0)
end
return 1
`;

const ofPartition = {
  createMark: CREATE_MARK,
  apply: notifications.APPLY,
  finish: notifications.FINISH,
  move: notifications.MOVE,
  settle: notifications.SETTLE,
  clearOutbox: notifications.CLEAR_OUTBOX,
  pickOutbox: notifications.PICK_OUTBOX,
  expire: notifications.EXPIRE,
  sweepGone: notifications.SWEEP_GONE,
  read: notifications.READ,
  offsets: notifications.OFFSETS,
  accounts: notifications.ACCOUNTS,
  writeThrough: subscriptions.WRITE_THROUGH,
  keep: subscriptions.KEEP,
  setReady: subscriptions.SET_READY,
  find: subscriptions.FIND,
  list: subscriptions.LIST,
  hello: presence.HELLO,
  reclaim: presence.RECLAIM,
  release: presence.RELEASE,
} as const;

const ofGateways = {
  setLease: presence.SET_LEASE,
  renewLease: presence.RENEW_LEASE,
  releaseLease: presence.RELEASE_LEASE,
  liveGateways: presence.LIVE_GATEWAYS,
} as const;

export type PartitionScript = keyof typeof ofPartition;
export type GatewayScript = keyof typeof ofGateways;

/** What the adapters share: the client, the partitions, and the bounds that scripts are told. */
export interface RedisViewOptions {
  readonly redis: RedisClient;
  readonly partitions: number;
  readonly mailboxMax: number;
  readonly mailboxBytesMax: number;
  /** A claim that is not renewed for so long lapses: three re-checks of rule 8. */
  readonly holderTtlMs: number;
}

export class RedisScripts {
  private readonly ofPartition: Readonly<Record<PartitionScript, Script>>;
  private readonly ofGateways: Readonly<Record<GatewayScript, Script>>;

  constructor(readonly options: RedisViewOptions) {
    this.ofPartition = scripts(ofPartition, 1, PARTITION);
    this.ofGateways = scripts(ofGateways, 2);
  }

  key(partition: number, name: string): string {
    return `hg:{${partition}}:${name}`;
  }

  partitionOf(device: DeviceId): number {
    return partitionOf(device, this.options.partitions);
  }

  /** Answers in text. */
  run(script: PartitionScript, partition: number, args: readonly Argument[]): Promise<unknown> {
    const all = [`hg:{${partition}}:`, ...args];
    return this.ofPartition[script].run(this.options.redis, 'text', all);
  }

  /** Answers in bytes. */
  runBytes(
    script: PartitionScript,
    partition: number,
    args: readonly Argument[],
  ): Promise<unknown> {
    const all = [`hg:{${partition}}:`, ...args];
    return this.ofPartition[script].run(this.options.redis, 'bytes', all);
  }

  runGateways(script: GatewayScript, gateway: string, args: readonly Argument[]): Promise<unknown> {
    const all = ['hg:{gateways}', `hg:{gateways}:${gateway}`, ...args];
    return this.ofGateways[script].run(this.options.redis, 'text', all);
  }
}

function scripts<Name extends string>(
  texts: Readonly<Record<Name, string>>,
  keys: number,
  before = '',
): Readonly<Record<Name, Script>> {
  const all = Object.entries<string>(texts).map(([name, lua]) => [
    name,
    new Script(`${before}${lua}`, keys),
  ]);
  return Object.fromEntries(all) as Readonly<Record<Name, Script>>;
}
