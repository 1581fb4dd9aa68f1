/**
 * The view of every partition in memory: lost as a whole when the process ends, rebuilt from the log when it
 * starts. Any number of adapters work on one store, as clients on one Redis. It is for one process: the
 * cluster's views are in Redis.
 */
import { partitionOf } from '#webpush';
import type { DeviceId } from '#webpush';
import { Holders } from './holders.embedded.js';
import type { Lease } from './leases.js';
import { Partition } from './partition.embedded.js';
import type { Surroundings } from './partition.embedded.js';
import { TermsTable } from './terms.embedded.js';

export interface EmbeddedStoreOptions {
  readonly partitions: number;
  /** Notifications per device; beyond it the oldest is dropped. */
  readonly mailboxMax: number;
  /** Bytes of records per device; default 4 MiB. */
  readonly mailboxBytesMax?: number;
  /** A claim that is not renewed for so long lapses: three re-checks of rule 8. Default 15 min. */
  readonly holderTtlMs?: number;
  /** ms since the epoch. */
  readonly clock?: () => number;
  /** 0 … 1; for view ids. */
  readonly dice?: () => number;
}

/** How much the store holds: for metrics, and for tests that nothing is left behind. */
export interface Footprint {
  readonly devices: number;
  readonly pending: number;
  /** Decided, not yet announced. */
  readonly outbox: number;
  /** Different keys and sites of subscriptions. */
  readonly terms: number;
  /** Boots of gateways that claims name. */
  readonly boots: number;
  /** Removals that the keeper has not passed yet. */
  readonly removals: number;
  /** Notes of a fold: none when the view is ready. */
  readonly notes: number;
}

/** The lease of a gateway and the time at which it ends. */
export interface StoredLease {
  readonly epoch: Lease['epoch'];
  readonly endsAt: number;
}

export class EmbeddedStore {
  readonly now: () => number;
  readonly roll: () => number;
  private surroundings: Surroundings;
  private partitions: readonly Partition[];
  leases = new Map<string, StoredLease>();

  constructor(readonly options: EmbeddedStoreOptions) {
    this.now = options.clock ?? Date.now;
    this.roll = options.dice ?? Math.random;
    this.surroundings = this.surround();
    this.partitions = this.createPartitions();
  }

  partition(partition: number): Partition {
    const found = this.partitions[partition];
    if (found) return found;
    throw new Error(
      `partition ${partition} is not one of 0 … ${this.options.partitions - 1}: ` +
        'every part of a process must be given the same number of partitions',
    );
  }

  partitionOf(device: DeviceId): Partition {
    return this.partition(partitionOf(device, this.options.partitions));
  }

  /** A random name for a view that is created. */
  nameView(): string {
    return Math.floor(this.roll() * 2 ** 52).toString(36);
  }

  get holders(): Holders {
    return this.surroundings.holders;
  }

  /** Loses everything at once, as Redis does when it is flushed. */
  lose(): void {
    this.surroundings = this.surround();
    this.partitions = this.createPartitions();
    this.leases = new Map();
  }

  /** Loses one partition, as a Redis Cluster does with a slot. Leases are no part of any. */
  losePartition(partition: number): void {
    for (const device of this.partition(partition).devices.values()) {
      this.holders.clear(device);
      for (let entry = device.subscriptions; entry; entry = entry.next) {
        this.surroundings.terms.drop(entry.terms);
      }
    }
    this.partitions = this.partitions.with(partition, new Partition(this.surroundings));
  }

  footprint(): Footprint {
    const sum = (of: (partition: Partition) => number) =>
      this.partitions.reduce((total, partition) => total + of(partition), 0);
    return {
      devices: sum(({ devices }) => devices.size),
      pending: sum(({ expiry }) => expiry.size),
      outbox: sum(({ outbox }) => outbox.size),
      terms: this.surroundings.terms.size,
      boots: this.surroundings.holders.size,
      removals: sum(({ removals, forgotten }) => removals.length + forgotten.size),
      notes: sum(({ foldedTopics, walk }) => (foldedTopics?.size ?? 0) + (walk ? 1 : 0)),
    };
  }

  private createPartitions(): readonly Partition[] {
    return Array.from({ length: this.options.partitions }, () => new Partition(this.surroundings));
  }

  private surround(): Surroundings {
    const { mailboxMax, mailboxBytesMax = 4 * 1024 * 1024, holderTtlMs = 900_000 } = this.options;
    return {
      now: this.now,
      holders: new Holders(this.now(), holderTtlMs),
      terms: new TermsTable(),
      mailboxMax,
      mailboxBytesMax,
      holderTtlMs,
    };
  }
}
