import type { RecordBatch } from './record.js';

/**
 * What a reader of a stream does when its partitions move and when records come. Calls for one partition never
 * overlap; calls for different partitions may. A call that throws, whatever it throws, is repeated after a
 * moment with the same argument: throw for an outage, count and skip what can never be decoded.
 */
export interface PartitionReader {
  /** The partition is this reader's now. Returns the offset to read from (lower than the first: the first). */
  onAssigned(partition: number): Promise<number>;
  /**
   * Returns where to go on: `batch.next`, or another offset to seek to. A batch without records says that nothing
   * is left below `batch.next` (compacted or deleted); an adapter need not tell that.
   */
  onBatch(batch: RecordBatch): Promise<number>;
  /**
   * When the partition has been read to its end, and about once a second while it stays so. A number seeks there.
   */
  onIdle(partition: number): Promise<number | undefined>;
  /**
   * The partition is another's now; nothing comes for it until the next `onAssigned`. Not called for a reading
   * that is stopped.
   */
  onRevoked(partition: number): void;
}

/** Who reads: readers with the same group share the partitions; without a group a reader has all of them. */
export interface Reading {
  readonly stream: string;
  readonly group?: string;
}

/** Stops a reading: no call to the reader begins or runs on after it resolves. Do not await it inside such a call. */
export type StopReading = () => Promise<void>;

export abstract class StreamConsumer {
  /** Resolves when the reading is set up; assignments follow. */
  abstract read(reading: Reading, reader: PartitionReader): Promise<StopReading>;
}

/** Facts about streams that readers ask for. */
export abstract class StreamCatalog {
  /** The offset that the next record of the partition will get, now. */
  abstract end(stream: string, partition: number): Promise<number>;
  /** Creates the stream of a gateway if it is not there. */
  abstract ensure(stream: string): Promise<void>;
}
