/**
 * Readers on Kafka (kafkajs). Positions are the reader's, never Kafka's committed offsets: at every join each
 * assigned partition is asked where it goes on and is sought there, also one that stayed (kafkajs forgets
 * its place at a rebalance). Nothing is ever committed.
 */
import { randomBytes } from 'node:crypto';
import type { Admin, EachBatchPayload, Kafka } from 'kafkajs';
import { StreamConsumer } from './consumer.js';
import type { PartitionReader, Reading, StopReading } from './consumer.js';
import { Membership } from './membership.kafka.js';
import { PartitionTurns } from './partition-turns.kafka.js';
import type { RecordBatch, RecordHeaders } from './record.js';

const IDLE_LOOK_MS = 1000;
const HEARTBEAT_MS = 1000;
const FAREWELL_MS = 2_000;
const CALL_MS_MAX = 8_000;

export interface KafkaConsumerOptions {
  /** Of endless patience. */
  readonly kafka: Kafka;
  /** Connected, of little patience: it looks for the ends of partitions. */
  readonly admin: Admin;
  readonly prefix: string;
  /** How many batches may be worked on at once: the number of partitions. */
  readonly partitions: number;
  /** Until a reader that was killed is replaced. */
  readonly sessionTimeoutMs: number;
  /** kafkajs has given up: nothing will be read any more. The process has to end. */
  readonly onFatal: (error: Error) => void;
  /** A call to a reader that threw; it is repeated. */
  readonly onRetry?: (error: unknown, partition: number) => void;
}

export class KafkaConsumer extends StreamConsumer {
  private readonly readings = new Set<KafkaReading>();

  constructor(private readonly options: KafkaConsumerOptions) {
    super();
  }

  /** Why something is not read that should be; undefined: all readings are members of their groups. */
  get absence(): string | undefined {
    for (const { isMember, groupId } of this.readings) {
      if (!isMember) return `not a member of the group ${groupId}`;
    }
    return undefined;
  }

  /**
   * Resolves when the group has been joined. Without a group: a group of this reading alone, so that a restart waits
   * for nobody's session.
   */
  override async read(reading: Reading, reader: PartitionReader): Promise<StopReading> {
    const isOwnGroup = reading.group === undefined;
    const own = `${reading.stream}.${randomBytes(6).toString('hex')}`;
    const groupId = this.options.prefix + (reading.group ?? own);
    const running = new KafkaReading(this.options, { groupId, stream: reading.stream }, reader);
    this.readings.add(running);
    await running.start();
    return () => {
      this.readings.delete(running);
      return running.stop(isOwnGroup);
    };
  }
}

/** What kafkajs does not declare: the offset that was asked for. */
type FetchedBatch = EachBatchPayload['batch'] & { readonly fetchedOffset: string };

class KafkaReading {
  private readonly membership: Membership;
  private readonly topic: string;
  private turns = new Map<number, PartitionTurns>();
  /** Of the batches that are worked on: kafkajs sends none by itself before it has the last of them back. */
  private readonly heartbeats = new Set<() => Promise<void>>();
  private beating?: NodeJS.Timeout;
  private looking?: NodeJS.Timeout;
  private isLooking = false;
  private isStopped = false;

  constructor(
    private readonly options: KafkaConsumerOptions,
    private readonly place: { readonly groupId: string; readonly stream: string },
    private readonly reader: PartitionReader,
  ) {
    const { prefix } = options;
    this.topic = prefix + place.stream;
    this.membership = new Membership({
      ...options,
      ...{ groupId: place.groupId, topic: this.topic },
      onJoin: (partitions) => this.onJoin(partitions),
      onBatch: (payload) => this.onBatch(payload),
    });
  }

  get groupId(): string {
    return this.place.groupId;
  }

  get isMember(): boolean {
    return this.membership.isMember;
  }

  async start(): Promise<void> {
    await this.membership.join();
    this.looking = setInterval(() => void this.lookForIdle(), IDLE_LOOK_MS);
    this.beating = setInterval(() => this.beat(), HEARTBEAT_MS);
  }

  async stop(isOwnGroup: boolean): Promise<void> {
    this.isStopped = true;
    clearInterval(this.looking);
    const turns = [...this.turns.values()];
    for (const turn of turns) turn.end();
    // A call that waits for a store that is away would hold up the end for as long.
    await atMost(CALL_MS_MAX, Promise.all(turns.map((turn) => turn.settled())));
    clearInterval(this.beating);
    // With Kafka away nothing of this is answered: the group ends by its session.
    await atMost(FAREWELL_MS, this.membership.leave());
    const { admin } = this.options;
    if (isOwnGroup) await atMost(FAREWELL_MS, admin.deleteGroups([this.place.groupId]));
  }

  private onJoin(partitions: readonly number[]): void {
    for (const [partition, turns] of this.turns) {
      turns.end();
      if (!partitions.includes(partition)) this.reader.onRevoked(partition);
    }
    const before = this.turns;
    this.turns = new Map();
    for (const partition of partitions) {
      const seek = (offset: number): void => this.membership.seek(partition, offset);
      const onRetry = (error: unknown): void => this.options.onRetry?.(error, partition);
      const { stream } = this.place;
      const gapTo = (next: number): RecordBatch => ({ stream, partition, records: [], next });
      const turns = new PartitionTurns(partition, this.reader, { seek, onRetry, gapTo });
      this.turns.set(partition, turns);
      void turns.begin(before.get(partition)?.settled());
    }
  }

  /** Only what cannot end kafkajs may leave here: nothing. */
  private async onBatch(payload: EachBatchPayload): Promise<void> {
    const { batch, resolveOffset, heartbeat } = payload;
    const turns = this.turns.get(batch.partition);
    if (!turns) return;
    this.heartbeats.add(heartbeat);
    try {
      await turns.begun;
      if (payload.isStale() || batch.isEmpty()) return;
      const fetchedFrom = Number((batch as FetchedBatch).fetchedOffset);
      const done = await turns.read(fetchedFrom, (from) => this.recordBatch(payload, from));
      if (done !== undefined && !payload.isStale()) resolveOffset(String(done - 1));
    } finally {
      this.heartbeats.delete(heartbeat);
    }
  }

  /** One is as good as all: they are of the same member. */
  private beat(): void {
    for (const heartbeat of this.heartbeats) return void heartbeat().catch(() => undefined);
  }

  private recordBatch({ batch }: EachBatchPayload, position: number): RecordBatch {
    const records = [];
    for (const { offset, timestamp, key, value, headers } of batch.messages) {
      const at = Number(offset);
      if (at < position) continue; // a fetch begins at a batch's start, which may lie below
      const record = { offset: at, at: Number(timestamp), key: key ?? Buffer.alloc(0), value };
      records.push(headers && hasAny(headers) ? { ...record, headers: ascii(headers) } : record);
    }
    const next = Math.max(Number(batch.lastOffset()) + 1, position);
    return { stream: this.place.stream, partition: batch.partition, records, next };
  }

  /** At its end by Kafka's own word, not by silence: a broker that is away is no end. */
  private async lookForIdle(): Promise<void> {
    if (this.isStopped || this.isLooking) return;
    const quiet: (readonly [PartitionTurns, number])[] = [];
    for (const turns of this.turns.values()) {
      const turn = turns.quietSince(IDLE_LOOK_MS);
      if (turn !== undefined) quiet.push([turns, turn]);
    }
    if (quiet.length === 0) return;
    this.isLooking = true;
    try {
      const offsets = await this.options.admin.fetchTopicOffsets(this.topic);
      const byPartition = new Map(offsets.map((one) => [one.partition, one]));
      for (const [turns, turn] of quiet) {
        const { low, high } = byPartition.get(turns.partition) ?? {};
        if (low === undefined || high === undefined) continue;
        turns.look(turn, { low: Number(low), high: Number(high) });
      }
    } catch (error) {
      this.options.onRetry?.(error, -1);
    } finally {
      this.isLooking = false;
    }
  }
}

function hasAny(headers: object): boolean {
  for (const _ in headers) return true;
  return false;
}

function ascii(
  headers: NonNullable<EachBatchPayload['batch']['messages'][0]['headers']>,
): RecordHeaders {
  const text: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined)
      text[name] = Array.isArray(value) ? String(value[0]) : value.toString();
  }
  return text;
}

async function atMost(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
  await Promise.race([work.catch(() => undefined), late]).finally(() => clearTimeout(timer));
}
