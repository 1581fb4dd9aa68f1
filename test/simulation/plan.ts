/** What a seed decides before anything happens: how big, how fast, which faults. */
import type { Dice } from './dice.js';

export const FAULTS = [
  'cancel',
  'registers',
  'forget',
  'leaves',
  'doubles',
  'slowDevice',
  'flushAll',
  'flushPartition',
  'routerCrash',
  'routerPause',
  'routerStop',
  'gatewayCrash',
  'gatewayPause',
  'gatewayStop',
  'twin',
  'ownership',
  'compaction',
  'retention',
  'keeperCrash',
  'keeperPause',
  'ingestCrash',
  'storeAway',
  'logAway',
  'recheck',
  'garbage',
  'clockJump',
] as const;
export type Fault = (typeof FAULTS)[number];

export interface Plan {
  readonly partitions: number;
  readonly phones: number;
  readonly mailboxMax: number;
  readonly windowMax: number;
  readonly recheckIntervalMs: number;
  /** How long faults come. */
  readonly chaosMs: number;
  /** Between two things that are done to the cluster. */
  readonly paceMs: number;
  /** The broker's clock, against the store's. */
  readonly logSkewMs: number;
  readonly skewsMs: readonly number[];
  readonly isFineAtFirst: boolean;
  /** In the quiet phase calls are plain calls. */
  readonly isQuietDirect: boolean;
  /** When all is checked, the log is replaced by an empty one. */
  readonly endsWithOtherLog: boolean;
  readonly faults: ReadonlySet<Fault>;
}

export function planOf(dice: Dice, forced?: ReadonlySet<Fault>): Plan {
  const density = dice.pick([0.15, 0.3, 0.5, 0.8]);
  const faults = FAULTS.filter((fault) => dice.chance(density) || forced?.has(fault));
  return {
    partitions: dice.chance(0.25) ? 2 : 1,
    phones: dice.chance(0.3) ? 3 : 2,
    mailboxMax: dice.pick([3, 4, 8, 100]),
    windowMax: dice.pick([1, 2, 3, 64]),
    recheckIntervalMs: dice.pick([20_000, 300_000, 300_000]),
    chaosMs: dice.between(15_000, 70_000),
    paceMs: dice.pick([120, 300, 700, 1_500]),
    logSkewMs: dice.chance(0.2) ? dice.pick([-60_000, 60_000, -2_000, 2_000]) : 0,
    skewsMs: dice.chance(0.3) ? [0, 60_000, -60_000] : [0],
    isFineAtFirst: dice.chance(0.8),
    isQuietDirect: dice.chance(0.7),
    endsWithOtherLog: dice.chance(0.03),
    faults: new Set(faults),
  };
}
