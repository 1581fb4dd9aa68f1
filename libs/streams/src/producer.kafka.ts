/**
 * Appends to Kafka in micro-batches of at most {@link RECORDS_MAX}: a batch leaves when nothing is in flight and
 * fills while something is, at most {@link IN_FLIGHT_MAX} requests at once and one per partition; no timer, since a linger would be
 * latency. Not idempotent and without kafkajs's own retries: after a produce call whose answer was lost,
 * kafkajs rolls its sequence back, and a later batch can be acknowledged as a duplicate without being
 * written (platform.md §3). What must be there once fails instead; what may be there twice is repeated here.
 */
import type { Kafka, Message, Producer, RecordMetadata } from 'kafkajs';
import { AppendFailed, StreamProducer } from './producer.js';
import type { StreamRecord } from './record.js';

const RECORDS_MAX = 100;
const IN_FLIGHT_MAX = 5;
const REPEAT_AFTER_MS = { first: 100, last: 1000 };

export interface KafkaProducerOptions {
  readonly kafka: Kafka;
  /** `STREAM_PREFIX`. */
  readonly prefix: string;
  /** An append that is not acknowledged by then is rejected. */
  readonly deadlineMs: number;
  /** Bytes that wait to be sent; an append beyond them is rejected at once. */
  readonly waitingBytesMax: number;
}

interface Waiting {
  readonly stream: string;
  readonly partition: number;
  /** Topic and partition. */
  readonly place: string;
  readonly records: readonly StreamRecord[];
  readonly bytes: number;
  readonly since: number;
  readonly isRepeated: boolean;
  isDone: boolean;
  readonly resolve: (offset: number) => void;
  readonly reject: (error: Error) => void;
}

export class KafkaProducer extends StreamProducer {
  private readonly producer: Producer;
  private waiting: Waiting[] = [];
  /** Places of which records are in flight. */
  private readonly busy = new Set<string>();
  private readonly inFlight = new Set<readonly Waiting[]>();
  private readonly watch: NodeJS.Timeout;
  private waitingBytes = 0;
  private repeatAfterMs = REPEAT_AFTER_MS.first;
  private isScheduled = false;
  private isClosed = false;

  private constructor(private readonly options: KafkaProducerOptions) {
    super();
    this.producer = options.kafka.producer({
      allowAutoTopicCreation: false,
      retry: { retries: 0 },
      createPartitioner:
        () =>
        ({ message }) =>
          message.partition ?? 0,
    });
    this.watch = setInterval(() => this.refuseLate(), Math.min(100, options.deadlineMs / 2));
    this.watch.unref();
  }

  static async connect(options: KafkaProducerOptions): Promise<KafkaProducer> {
    const producer = new KafkaProducer(options);
    await producer.producer.connect();
    return producer;
  }

  override append(stream: string, partition: number, record: StreamRecord): Promise<number> {
    return this.enqueue({ stream, partition, records: [record] }, false);
  }

  override async appendUntilIn(
    stream: string,
    partition: number,
    records: readonly StreamRecord[],
  ): Promise<void> {
    if (records.length > 0) await this.enqueue({ stream, partition, records }, true);
  }

  /** What waits is sent first; what cannot be sent within the deadline is rejected. */
  async close(): Promise<void> {
    const until = Date.now() + this.options.deadlineMs;
    while ((this.waiting.length > 0 || this.inFlight.size > 0) && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.isClosed = true;
    clearInterval(this.watch);
    const closed = new AppendFailed('the producer is closed', true);
    for (const waiting of [...this.waiting, ...[...this.inFlight].flat()])
      this.fail(waiting, closed);
    this.waiting = [];
    await this.producer.disconnect();
  }

  private enqueue(
    what: Pick<Waiting, 'stream' | 'partition' | 'records'>,
    isRepeated: boolean,
  ): Promise<number> {
    let bytes = 0;
    for (const record of what.records)
      bytes += record.key.length + (record.value?.length ?? 0) + 64;
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(new AppendFailed('the producer is closed', false));
      if (!isRepeated && this.waitingBytes + bytes > this.options.waitingBytesMax) {
        const limit = this.options.waitingBytesMax;
        return reject(new AppendFailed(`more than ${limit} bytes wait for Kafka`, false));
      }
      this.waitingBytes += bytes;
      const since = Date.now();
      const place = `${this.options.prefix}${what.stream}/${what.partition}`;
      this.waiting.push({
        ...what,
        place,
        bytes,
        since,
        isRepeated,
        isDone: false,
        resolve,
        reject,
      });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.isScheduled || this.waiting.length === 0) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      this.sendWhatFits();
    });
  }

  /**
   * A partition is in one request at a time: kafkajs does not send requests in the order of its calls (one that
   * waits for metadata is overtaken), and deliveries out of order would be dropped by their session.
   */
  private sendWhatFits(): void {
    while (this.waiting.length > 0 && this.inFlight.size < IN_FLIGHT_MAX) {
      const batch: Waiting[] = [];
      const left: Waiting[] = [];
      let records = 0;
      for (const waiting of this.waiting) {
        if (waiting.isDone) {
          this.waitingBytes -= waiting.bytes; // refused as late while it waited
          continue;
        }
        const isFull = batch.length > 0 && records + waiting.records.length > RECORDS_MAX;
        if (isFull || this.busy.has(waiting.place)) left.push(waiting);
        else {
          batch.push(waiting);
          records += waiting.records.length;
        }
      }
      this.waiting = left;
      if (batch.length === 0) return;
      for (const waiting of batch) {
        this.waitingBytes -= waiting.bytes;
        this.busy.add(waiting.place);
      }
      void this.send(batch);
    }
  }

  private async send(batch: readonly Waiting[]): Promise<void> {
    this.inFlight.add(batch);
    let isRepeating = false;
    try {
      const answers = await this.producer.sendBatch({
        acks: -1,
        timeout: this.options.deadlineMs,
        topicMessages: this.topicMessages(batch),
      });
      isRepeating = this.settle(batch, answers);
      if (!isRepeating) this.repeatAfterMs = REPEAT_AFTER_MS.first;
    } catch (cause) {
      isRepeating = this.failed(
        batch,
        new AppendFailed(`Kafka: ${String(cause)}`, true, { cause }),
      );
    }
    this.inFlight.delete(batch);
    for (const { place } of batch) this.busy.delete(place);
    if (!isRepeating) return this.schedule();
    setTimeout(() => this.schedule(), this.repeatAfterMs);
    this.repeatAfterMs = Math.min(this.repeatAfterMs * 2, REPEAT_AFTER_MS.last);
  }

  private topicMessages(batch: readonly Waiting[]): { topic: string; messages: Message[] }[] {
    const byTopic = new Map<string, Message[]>();
    for (const { stream, partition, records } of batch) {
      const topic = this.options.prefix + stream;
      const messages = byTopic.get(topic) ?? [];
      if (messages.length === 0) byTopic.set(topic, messages);
      for (const { key, value, headers } of records)
        messages.push({ key, value, headers, partition });
    }
    return Array.from(byTopic, ([topic, messages]) => ({ topic, messages }));
  }

  /**
   * One base offset comes back per partition of a request: record i of that partition has `base + i`. A partition
   * without an answer was not written (a partition that does not exist is answered by silence).
   */
  private settle(batch: readonly Waiting[], answers: readonly RecordMetadata[]): boolean {
    const next = new Map<string, number>();
    for (const { topicName, partition, errorCode, baseOffset } of answers) {
      if (errorCode === 0 && baseOffset !== undefined) {
        next.set(`${topicName}/${partition}`, Number(baseOffset));
      }
    }
    let isRepeating = false;
    for (const waiting of batch) {
      const { place } = waiting;
      const offset = next.get(place);
      if (offset === undefined) {
        const error = new AppendFailed(`Kafka gave no offset for ${place}`, true);
        isRepeating = this.failed([waiting], error) || isRepeating;
        continue;
      }
      next.set(place, offset + waiting.records.length);
      waiting.isDone = true;
      waiting.resolve(offset);
    }
    return isRepeating;
  }

  /** Rejects what must not be repeated; puts the rest back in front. True if something was put back. */
  private failed(batch: readonly Waiting[], error: AppendFailed): boolean {
    const again = batch.filter((waiting) => waiting.isRepeated && !this.isClosed);
    for (const waiting of batch) if (!again.includes(waiting)) this.fail(waiting, error);
    this.waiting = [...again, ...this.waiting];
    for (const waiting of again) this.waitingBytes += waiting.bytes;
    return again.length > 0;
  }

  private fail(waiting: Waiting, error: AppendFailed): void {
    if (waiting.isDone) return;
    waiting.isDone = true;
    waiting.reject(error);
  }

  private refuseLate(): void {
    const before = Date.now() - this.options.deadlineMs;
    const say = `not acknowledged within ${this.options.deadlineMs} ms`;
    for (const batch of this.inFlight) {
      for (const waiting of batch) {
        if (!waiting.isRepeated && waiting.since < before)
          this.fail(waiting, new AppendFailed(say, true));
      }
    }
    for (const waiting of this.waiting) {
      if (waiting.since >= before) break;
      if (!waiting.isRepeated) this.fail(waiting, new AppendFailed(say, false));
    }
  }
}
