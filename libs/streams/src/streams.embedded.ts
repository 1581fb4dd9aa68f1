/**
 * Streams in one process: `notifications` and `subscriptions` durable on `node:sqlite`, `deliveries.*` in memory.
 */
import { StreamCatalog, StreamConsumer } from './consumer.js';
import type { PartitionReader, Reading, StopReading } from './consumer.js';
import { StreamProducer } from './producer.js';
import type { StreamRecord } from './record.js';

export interface EmbeddedLogOptions {
  /** A file in a directory that exists, or `:memory:`. */
  readonly path: string;
  readonly partitions: number;
  /** ms since the epoch; the append time of records. */
  readonly clock?: () => number;
}

export class EmbeddedLog {
  static async open(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
    return new EmbeddedLog(options);
  }

  private constructor(readonly options: EmbeddedLogOptions) {}

  async close(): Promise<void> {}
}

export class EmbeddedProducer extends StreamProducer {
  constructor(private readonly log: EmbeddedLog) {
    super();
  }

  override append(_stream: string, _partition: number, _record: StreamRecord): Promise<number> {
    throw new Error(`not built yet: ${this.log.options.path}`);
  }

  override appendUntilIn(
    _stream: string,
    _partition: number,
    _records: readonly StreamRecord[],
  ): Promise<void> {
    throw new Error(`not built yet: ${this.log.options.path}`);
  }
}

export class EmbeddedConsumer extends StreamConsumer {
  constructor(private readonly log: EmbeddedLog) {
    super();
  }

  override read(_reading: Reading, _reader: PartitionReader): Promise<StopReading> {
    throw new Error(`not built yet: ${this.log.options.path}`);
  }
}

export class EmbeddedCatalog extends StreamCatalog {
  constructor(private readonly log: EmbeddedLog) {
    super();
  }

  override end(_stream: string, _partition: number): Promise<number> {
    throw new Error(`not built yet: ${this.log.options.path}`);
  }

  override ensure(_stream: string): Promise<void> {
    throw new Error(`not built yet: ${this.log.options.path}`);
  }
}
