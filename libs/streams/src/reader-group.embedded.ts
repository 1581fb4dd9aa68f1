/** Readers of one stream that share its partitions. A reader without a group is a group of its own. */
import type { PartitionReader } from './consumer.js';
import type { PartitionLog } from './partition-log.embedded.js';
import { PartitionReading } from './partition-reading.embedded.js';
import type { Report } from './partition-reading.embedded.js';

export class ReaderGroup {
  private readonly members: PartitionReader[] = [];
  private readonly readings: readonly {
    readonly log: PartitionLog;
    readonly reading: PartitionReading;
  }[];

  constructor(logs: readonly PartitionLog[], report: Report) {
    this.readings = logs.map((log) => ({ log, reading: new PartitionReading(log, report) }));
  }

  get isEmpty(): boolean {
    return this.members.length === 0;
  }

  join(reader: PartitionReader): void {
    if (this.isEmpty) for (const { log, reading } of this.readings) log.join(reading);
    this.members.push(reader);
    void this.share();
  }

  /** Resolves when no call to the reader can begin any more. */
  async leave(reader: PartitionReader): Promise<void> {
    const index = this.members.indexOf(reader);
    if (index >= 0) this.members.splice(index, 1);
    await this.share();
    if (this.isEmpty) for (const { log, reading } of this.readings) log.leave(reading);
  }

  /** All leave. */
  async disband(): Promise<void> {
    await Promise.all([...this.members].map((reader) => this.leave(reader)));
  }

  tick(): void {
    for (const { reading } of this.readings) reading.tick();
  }

  /** Partition i belongs to member i modulo their number; who keeps a partition notices nothing. */
  private async share(): Promise<void> {
    const isMember = (reader: PartitionReader): boolean => this.members.includes(reader);
    const { members } = this;
    await Promise.all(
      this.readings.map(({ reading }, i) => reading.give(members[i % members.length], isMember)),
    );
  }
}
