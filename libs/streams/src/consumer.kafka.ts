/**
 * Readers on Kafka (kafkajs). Positions are the reader's, never Kafka's committed offsets: at every join each
 * assigned partition is asked where it goes on, also one that stayed. Nothing is ever committed.
 */
import { randomBytes } from 'node:crypto';
import type { Admin, Kafka } from 'kafkajs';
import { atMost } from '#runtime';
import { StreamConsumer } from './consumer.js';
import type { PartitionReader, Reading, StopReading } from './consumer.js';
import type { Readables } from './fetch-loops.kafka.js';
import { Membership } from './membership.kafka.js';
import { PartitionTurns } from './partition-turns.kafka.js';

const LOOK_MS = 1000;
const FAREWELL_MS = 2_000;
const CALL_MS_MAX = 8_000;

export interface KafkaConsumerOptions {
  /** Of endless patience. */
  readonly kafka: Kafka;
  /** Connected, of little patience: it looks for the ends of partitions. */
  readonly admin: Admin;
  readonly prefix: string;
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

class KafkaReading implements Readables {
  readonly topic: string;
  private readonly membership: Membership;
  private turns = new Map<number, PartitionTurns>();
  private looking?: NodeJS.Timeout;
  private isLooking = false;
  private lookedAt = -Infinity;
  private isStopped = false;

  constructor(
    private readonly options: KafkaConsumerOptions,
    private readonly place: { readonly groupId: string; readonly stream: string },
    private readonly reader: PartitionReader,
  ) {
    this.topic = options.prefix + place.stream;
    this.membership = new Membership({
      ...options,
      ...{ groupId: place.groupId, readables: this },
      onJoin: (partitions) => this.onJoin(partitions),
    });
  }

  get groupId(): string {
    return this.place.groupId;
  }

  get isMember(): boolean {
    return this.membership.isMember;
  }

  get(partition: number): PartitionTurns | undefined {
    return this.turns.get(partition);
  }

  all(): Iterable<PartitionTurns> {
    return this.turns.values();
  }

  async start(): Promise<void> {
    await this.membership.join();
    this.looking = setInterval(() => void this.lookForEnds(), LOOK_MS);
  }

  async stop(isOwnGroup: boolean): Promise<void> {
    this.isStopped = true;
    clearInterval(this.looking);
    const turns = [...this.turns.values()];
    for (const turn of turns) turn.end();
    // A call that waits for a store that is away would hold up the end for as long.
    await atMost(CALL_MS_MAX, Promise.all(turns.map((turn) => turn.settled())));
    // With Kafka away nothing of this is answered: the group ends by its session.
    await atMost(FAREWELL_MS, this.membership.leave()).catch(() => undefined);
    const { admin } = this.options;
    if (!isOwnGroup) return;
    await atMost(FAREWELL_MS, admin.deleteGroups([this.place.groupId])).catch(() => undefined);
  }

  /** Deleted meanwhile, or of a log that was replaced: its ends tell. */
  onOutside(partition: number, offset: number): void {
    this.turns.get(partition)?.missed(offset);
    if (performance.now() - this.lookedAt >= LOOK_MS) void this.lookForEnds();
  }

  private onJoin(partitions: readonly number[]): void {
    for (const [partition, turns] of this.turns) {
      turns.end();
      if (!partitions.includes(partition)) this.reader.onRevoked(partition);
    }
    const before = this.turns;
    this.turns = new Map();
    for (const partition of partitions) {
      const onRetry = (error: unknown): void => this.options.onRetry?.(error, partition);
      const { stream } = this.place;
      const turns = new PartitionTurns(partition, this.reader, { stream, onRetry });
      this.turns.set(partition, turns);
      void turns.begin(before.get(partition)?.settled());
    }
  }

  /** At its end by Kafka's own word, not by silence: a broker that is away is no end. */
  private async lookForEnds(): Promise<void> {
    if (this.isStopped || this.isLooking) return;
    const quiet: (readonly [PartitionTurns, number])[] = [];
    for (const turns of this.turns.values()) {
      const turn = turns.quietSince(LOOK_MS);
      if (turn !== undefined) quiet.push([turns, turn]);
    }
    if (quiet.length === 0) return;
    this.isLooking = true;
    this.lookedAt = performance.now();
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
