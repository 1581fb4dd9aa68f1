/**
 * Streams in one process, for standalone and for tests: `notifications` and `subscriptions` durable in one file
 * of `node:sqlite`, `deliveries.*` in memory. It keeps what a partitioned log promises: order per partition, offsets
 * that are never reused, redelivery when a reader throws, groups that share partitions.
 *
 * Not enough when more than one process has to read or write: that is Kafka's part.
 */
import { StreamCatalog, StreamConsumer } from './consumer.js';
import type { PartitionReader, Reading, StopReading } from './consumer.js';
import { DURABLE_STREAMS, LogFile } from './log-file.embedded.js';
import { LogWriter } from './log-writer.embedded.js';
import { PartitionLog } from './partition-log.embedded.js';
import type { Report } from './partition-reading.embedded.js';
import { AppendFailed, StreamProducer } from './producer.js';
import { ReaderGroup } from './reader-group.embedded.js';
import type { StreamRecord } from './record.js';
import { deliveriesOf } from './streams.js';

const TICK_MS = 1000;
const DAY_MS = 86_400_000;
/** Longest TTL (30 days) and a day. */
const KEPT_MS = 31 * DAY_MS;
/** Longer than an outbox waits before it is announced again (10 s, design §5 rule 4). */
const SWEEP_EVERY_TICKS = 60;
const SWEEP_RECORDS_MAX = 1000;

export interface EmbeddedLogOptions {
  /** The database file, created if absent (0600, its directory 0700); or `:memory:`. */
  readonly path: string;
  readonly partitions: number;
  /** ms since the epoch; the append time of records. */
  readonly clock?: () => number;
  /** For how long `notifications` are kept: longest TTL + 1 day. */
  readonly notificationsKeptMs?: number;
  /** Told of every call to a reader that threw (it is repeated), and of a sweep that failed. */
  readonly report?: Report;
}

export class EmbeddedLog {
  /** What the durable streams have done, for metrics and health. */
  readonly writer: LogWriter;
  private readonly streams = new Map<string, readonly PartitionLog[]>();
  private readonly groups = new Map<string, ReaderGroup>();
  private readonly report: Report;
  private readonly clock: () => number;
  private readonly ticker: NodeJS.Timeout;
  private ticks = 0;
  /** What all readers had passed at the last sweep. */
  private passed = new Map<PartitionLog, number>();
  private lonely = 0;
  private closing?: Promise<void>;

  /** Throws an Error with one sentence: what is wrong with the file, and what to do. */
  static async open(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
    return new EmbeddedLog(options, LogFile.open(options.path, options.partitions));
  }

  private constructor(
    private readonly options: EmbeddedLogOptions,
    /** For tests of this folder; everything else goes through the ports. */
    readonly file: LogFile,
  ) {
    this.report = options.report ?? ((text, error) => console.error(text, error));
    this.clock = options.clock ?? Date.now;
    this.writer = new LogWriter(file, this.clock);
    for (const stream of DURABLE_STREAMS) this.streams.set(stream, this.durable(stream));
    this.ticker = setInterval(() => this.tick(), TICK_MS);
    this.ticker.unref();
  }

  /** Bytes of the file; what is free in it is used again before it grows. */
  get fileBytes(): number {
    const { bytes } =
      this.file.database
        .prepare('SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size')
        .get() ?? {};
    return Number(bytes);
  }

  /** Records that some reader still has to read, as they lie in memory. */
  get tailBytes(): number {
    let bytes = 0;
    for (const logs of this.streams.values()) for (const log of logs) bytes += log.bytesInMemory;
    return bytes;
  }

  /** Throws when there is no such stream, or it has no such partition. */
  partition(stream: string, partition: number): PartitionLog {
    const log = this.streams.get(stream)?.[partition];
    if (!log) throw new Error(`there is no partition ${partition} of ${stream}`);
    return log;
  }

  /** Where a record is to go. The stream of a gateway is created: a late delivery to one that is gone is no error. */
  destination(stream: string, partition: number): PartitionLog {
    if (partition === 0 && isInMemory(stream)) this.ensure(stream);
    return this.partition(stream, partition);
  }

  appendInMemory(log: PartitionLog, { key, value, headers }: StreamRecord): number {
    const offset = log.next++;
    log.publish({ offset, at: this.clock(), key, value, headers });
    log.wake();
    return offset;
  }

  /** A stream in memory, of one partition, if it is not there. */
  ensure(stream: string): void {
    if (this.streams.has(stream)) return;
    if (!stream.startsWith('deliveries.'))
      throw new Error(`${stream} is not in the table of streams`);
    this.streams.set(stream, [new PartitionLog(stream, 0, 0)]);
  }

  join(reading: Reading, reader: PartitionReader): StopReading {
    const logs = this.streams.get(reading.stream);
    if (!logs) throw new Error(`there is no stream ${reading.stream}: ensure it before it is read`);
    const name = JSON.stringify([reading.stream, reading.group ?? (this.lonely += 1)]);
    const group = this.groups.get(name) ?? new ReaderGroup(logs, this.report);
    this.groups.set(name, group);
    group.join(reader);
    return async () => {
      await group.leave(reader);
      if (reading.group === undefined) this.groups.delete(name);
    };
  }

  /** Ends all readings after the calls in flight, commits what waits, closes the file. */
  close(): Promise<void> {
    this.closing ??= this.end();
    return this.closing;
  }

  private async end(): Promise<void> {
    clearInterval(this.ticker);
    await Promise.all([...this.groups.values()].map((group) => group.disband()));
    this.writer.close();
    this.file.close();
  }

  private durable(stream: string): readonly PartitionLog[] {
    const table = this.file.table(stream);
    if (!table) throw new Error(`${stream} has no table`);
    const disk = { table, transact: (write: () => void) => this.file.transact(write) };
    return Array.from({ length: this.options.partitions }, (_, partition) => {
      const end = this.file.position(stream, partition);
      return new PartitionLog(stream, partition, end, disk);
    });
  }

  private tick(): void {
    for (const group of this.groups.values()) group.tick();
    this.writer.probe();
    this.ticks += 1;
    if (this.ticks % SWEEP_EVERY_TICKS === 0) this.sweep();
  }

  /**
   * Takes away what is needless by now: what is older than its retention; and cancels (and announcements that got a
   * row) that every reader had passed at the last sweep already. A cancel that took a message away has led
   * to an announcement since, which the log has committed before this transaction; one that found nothing
   * is only in the way. Public for tests.
   */
  sweep(): void {
    this.writer.flush();
    if (this.writer.trouble !== undefined) return;
    const before =
      (this.options.clock ?? Date.now)() - (this.options.notificationsKeptMs ?? KEPT_MS);
    const passed = new Map<PartitionLog, number>();
    try {
      this.file.transact(() => {
        for (const log of DURABLE_STREAMS.flatMap((stream) => this.streams.get(stream) ?? [])) {
          const position = log.lowestPosition();
          if (position !== undefined) passed.set(log, position);
          log.table?.removeUnvalued(log.partition, this.passed.get(log) ?? 0);
          log.table?.removeOld(log.partition, before, SWEEP_RECORDS_MAX);
        }
      });
      this.passed = passed;
    } catch (error) {
      this.report('the log could not be swept', error);
    }
  }
}

export class EmbeddedProducer extends StreamProducer {
  constructor(private readonly log: EmbeddedLog) {
    super();
  }

  override append(stream: string, partition: number, record: StreamRecord): Promise<number> {
    try {
      const log = this.log.destination(stream, partition);
      if (log.table) return this.log.writer.append(log, record);
      return Promise.resolve(this.log.appendInMemory(log, record));
    } catch (error) {
      return Promise.reject(
        new AppendFailed(`append to ${stream} failed`, false, { cause: error }),
      );
    }
  }

  override async appendUntilIn(
    stream: string,
    partition: number,
    records: readonly StreamRecord[],
  ): Promise<void> {
    const log = this.log.destination(stream, partition);
    if (log.table) return this.log.writer.appendUntilIn(log, records);
    for (const record of records) this.log.appendInMemory(log, record);
  }
}

export class EmbeddedConsumer extends StreamConsumer {
  constructor(private readonly log: EmbeddedLog) {
    super();
  }

  override async read(reading: Reading, reader: PartitionReader): Promise<StopReading> {
    return this.log.join(reading, reader);
  }
}

export class EmbeddedCatalog extends StreamCatalog {
  constructor(private readonly log: EmbeddedLog) {
    super();
  }

  override async end(stream: string, partition: number): Promise<number> {
    return this.log.partition(stream, partition).end;
  }

  override async ensure(stream: string): Promise<void> {
    this.log.ensure(stream);
  }
}

function isInMemory(stream: string): boolean {
  return stream.startsWith(deliveriesOf(''));
}
