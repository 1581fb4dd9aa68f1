/**
 * What a batch of `notifications` says to the view. Bytes that cannot be decoded are counted, named in the
 * log and skipped: reading them again would never help, and a partition must not stand still for them.
 */
import { UndecodableRecord, decodeOutcomeRecord, peekNotification } from '#streams';
import type { LogRecord, RecordBatch } from '#streams';
import type { Log } from '#runtime';
import type { Command } from '#view';
import type { RouterCounts } from './router-counts.js';

/** One script applies one slice; a script holds up everything else on its shard while it runs. */
export const SLICE_RECORDS_MAX = 500;
export const SLICE_BYTES_MAX = 1_048_576;

export interface Slice {
  readonly commands: readonly Command[];
  /** The offset behind the last that the slice covers. */
  readonly next: number;
  /** The index in the batch behind its last record. */
  readonly to: number;
  /** Append time of its first record, ms; undefined when it has none. */
  readonly firstAt: number | undefined;
}

/** Nothing but the way to `next`. */
export function gapTo(next: number): Slice {
  return { commands: [], next, to: 0, firstAt: undefined };
}

export class Commands {
  constructor(
    private readonly counts: RouterCounts,
    private readonly log: Log,
  ) {}

  /** The part of a batch that begins with its record number `from`. An empty batch is one empty slice. */
  slice(batch: RecordBatch, from: number): Slice {
    const { records } = batch;
    const commands: Command[] = [];
    let bytes = 0;
    let to = from;
    while (to < records.length && to - from < SLICE_RECORDS_MAX && bytes < SLICE_BYTES_MAX) {
      const record = records[to++] as LogRecord;
      bytes += record.value?.length ?? 0;
      const command = this.decode(batch.partition, record);
      if (command !== undefined) commands.push(command);
    }
    this.counts.records += to - from;
    const next = records[to]?.offset ?? batch.next;
    return { commands, next, to, firstAt: records[from]?.at };
  }

  private decode(partition: number, record: LogRecord): Command | undefined {
    try {
      return commandOf(record);
    } catch (error) {
      if (!(error instanceof UndecodableRecord)) throw error;
      this.counts.undecodable++;
      const { offset } = record;
      this.log.sampled('undecodable record', 'skipped a record that cannot be decoded', {
        stream: 'notifications',
        partition,
        offset,
        error,
      });
      return undefined;
    }
  }
}

function commandOf(record: LogRecord): Command | undefined {
  const { value, offset, at } = record;
  if (value !== null) {
    const { device, subscription, id, ttlSeconds, topic } = peekNotification(value);
    return {
      kind: 'put',
      offset,
      at,
      device,
      subscription,
      id,
      ttlSeconds,
      topic,
      record: value,
    };
  }
  const said = decodeOutcomeRecord(record);
  if (said?.kind !== 'outcome') return said;
  const { device, offset: target, outcome } = said.announcement;
  return { kind: 'outcome', device, target, outcome };
}
