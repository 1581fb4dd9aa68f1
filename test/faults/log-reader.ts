/** Reads `notifications` as an independent consumer: every record once, over as many readings as one likes. */
import { randomBytes } from 'node:crypto';
import kafkajs from 'kafkajs';
import type { Batch } from 'kafkajs';
import { decodeNotification, decodeOutcomeRecord } from '#streams';
import type { Outcome } from '#webpush';

/** A notification in the log, and what the log says of it later. */
export interface Logged {
  readonly id: string;
  /** That its payload begins with. */
  readonly number: number;
  readonly partition: number;
  readonly offset: number;
  /** In the order of the log. */
  readonly told: Outcome[];
  cancels: number;
}

const READ_WITHIN_MS = 30_000;

export class LogReader {
  readonly logged = new Map<string, Logged>();
  readonly byNumber = new Map<number, Logged>();
  /** First announcements, since the stream began. */
  readonly outcomes = new Map<Outcome, number>();
  /** Notifications, since the stream began. */
  notifications = 0;
  readonly complaints: string[] = [];
  private readonly kafka: kafkajs.Kafka;
  private readonly positions = new Map<number, number>();
  /** Ids of before `begin`. */
  private readonly earlier = new Set<string>();

  constructor(
    brokers: readonly string[],
    private readonly topic: string,
  ) {
    const { Kafka, logLevel } = kafkajs;
    this.kafka = new Kafka({ brokers: [...brokers], logLevel: logLevel.NOTHING });
  }

  /** Forgets what was read, and goes on from there. */
  begin(): void {
    for (const id of this.logged.keys()) this.earlier.add(id);
    this.logged.clear();
    this.byNumber.clear();
    this.complaints.length = 0;
  }

  /** Resolves when everything has been read that is there now. */
  async readOn(): Promise<void> {
    const ends = await this.ends();
    const behind = (): boolean => ends.some(([p, end]) => this.position(p) < end);
    if (!behind()) return;
    const consumer = this.kafka.consumer({ groupId: `audit-${randomBytes(6).toString('hex')}` });
    let stop: () => void = () => undefined;
    const done = new Promise<void>((resolve) => (stop = resolve));
    const timer = setTimeout(stop, READ_WITHIN_MS);
    await consumer.connect();
    await consumer.subscribe({ topic: this.topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        this.readBatch(batch);
        if (!behind()) stop();
      },
    });
    for (const [partition] of ends) {
      const offset = String(this.position(partition));
      consumer.seek({ topic: this.topic, partition, offset });
    }
    await done;
    clearTimeout(timer);
    await consumer.disconnect();
    if (behind()) throw new Error('the log could not be read to its end in time');
  }

  private async ends(): Promise<readonly (readonly [number, number])[]> {
    const admin = this.kafka.admin();
    await admin.connect();
    try {
      const offsets = await admin.fetchTopicOffsets(this.topic);
      return offsets.map(({ partition, high }) => [partition, Number(high)] as const);
    } finally {
      await admin.disconnect();
    }
  }

  private position(partition: number): number {
    return this.positions.get(partition) ?? 0;
  }

  private readBatch({ partition, messages }: Batch): void {
    for (const { offset, key, value, headers = {} } of messages) {
      const at = Number(offset);
      const expected = this.position(partition);
      if (at < expected) continue;
      // Nothing may be missing before it was audited: what compaction took away cannot be counted.
      if (at > expected) this.complaints.push(`the log of ${partition} has a gap before ${at}`);
      this.positions.set(partition, at + 1);
      if (value !== null) this.readNotification(value, partition, at);
      else this.readOutcome(key ?? Buffer.alloc(0), headers as Record<string, Buffer>, at);
    }
  }

  private readNotification(value: Buffer, partition: number, offset: number): void {
    const { id, payload } = decodeNotification(value);
    const number = Number.parseInt(payload.subarray(0, 16).toString(), 10);
    if (this.logged.has(id)) this.complaints.push(`${number} is in the log twice under one id`);
    const logged: Logged = { id, number, partition, offset, told: [], cancels: 0 };
    this.notifications++;
    this.logged.set(id, logged);
    if (this.byNumber.has(number)) this.complaints.push(`${number} is in the log twice`);
    this.byNumber.set(number, logged);
  }

  private readOutcome(key: Buffer, headers: Readonly<Record<string, Buffer>>, at: number): void {
    const said = Object.fromEntries(
      Object.entries(headers).map(([name, text]) => [name, text.toString()]),
    );
    const outcome = decodeOutcomeRecord({ offset: at, at: 0, key, value: null, headers: said });
    if (!outcome) return;
    const { id } = outcome.kind === 'cancel' ? outcome : outcome.announcement;
    if (this.earlier.has(id)) return;
    const logged = this.logged.get(id);
    if (!logged) {
      this.complaints.push(`the log tells ${outcome.kind} of a message that it does not have`);
    } else if (outcome.kind === 'cancel') {
      logged.cancels++;
    } else {
      const { outcome: name, offset } = outcome.announcement;
      if (logged.told.length === 0) this.outcomes.set(name, (this.outcomes.get(name) ?? 0) + 1);
      if (offset !== logged.offset) {
        this.complaints.push(`${logged.number} is announced with another offset`);
      }
      logged.told.push(name);
    }
  }
}
