/**
 * Appends to Kafka in micro-batches: a request leaves when nothing is in flight and fills while something is, unless
 * enough waits for one more or what is in flight is late; at most {@link IN_FLIGHT_MAX} at once and one per
 * partition. No timer, since a linger would be latency. Each leader is sent its share, and each share is settled by
 * itself. Not idempotent and without kafkajs's producer and its retries: after a produce call whose answer was lost,
 * it rolls its sequence back, and a later batch can be acknowledged as a duplicate without being written (platform.md
 * §3). What must be there once fails instead; what may be there twice is repeated here.
 */
import { atMost } from '#runtime';
import { appendFailed, notSent } from './append-errors.kafka.js';
import { AppendQueue, bytesOf, inParts } from './append-queue.kafka.js';
import type { Load, Waiting } from './append-queue.kafka.js';
import type { Broker } from './cluster.kafka.js';
import { Leaders } from './leaders.kafka.js';
import type { LeadersOptions, Split } from './leaders.kafka.js';
import { outcomeOf, produce, unanswered } from './produce-request.kafka.js';
import type { Answers } from './produce-request.kafka.js';
import { AppendFailed, StreamProducer } from './producer.js';
import type { StreamRecord } from './record.js';

const IN_FLIGHT_MAX = 5;
/** So much is worth a request beside one that is in flight: what costs is the request, here and in the broker. */
const FULL_BYTES = 65_536;
/** Beyond it a request in flight holds up nothing: its broker may be slow or gone, and others are not. */
const LATE_MS = 25;
/** Beside those, of partitions whose last request failed. */
const SUSPECTS_MAX = 8;
const AGAIN_AFTER_MS = 200;
const FAREWELL_MS = 2_000;

export interface KafkaProducerOptions extends LeadersOptions {
  /** `STREAM_PREFIX`. */
  readonly prefix: string;
  /** An append that is not acknowledged by then is rejected. */
  readonly deadlineMs: number;
  /** Bytes that wait to be sent; an append beyond them is rejected at once. */
  readonly waitingBytesMax: number;
  /** A request failed; what may be repeated is. */
  readonly onFailure?: (error: Error) => void;
}

/** Plain fields, for metrics and tests. */
export class KafkaProducerCounts {
  records = 0;
  requests = 0;
  /** Requests that failed or were answered without an offset. */
  failures = 0;
  /** Appends refused because they took too long or too much waited. */
  refused = 0;
}

/** Taken from the queue at once: in flight until all of it is answered. */
interface Request {
  readonly loads: readonly Load[];
  readonly isSuspect: boolean;
  readonly sentAt: number;
  sharesLeft: number;
}

interface Refused {
  readonly load: Load;
  readonly error: AppendFailed;
}

export class KafkaProducer extends StreamProducer {
  readonly counts = new KafkaProducerCounts();
  private readonly leaders: Leaders;
  private readonly queue = new AppendQueue();
  private readonly inFlight = new Set<Request>();
  private readonly watch: NodeJS.Timeout;
  private readonly repeats = new Set<NodeJS.Timeout>();
  private isScheduled = false;
  private isClosed = false;

  private constructor(private readonly options: KafkaProducerOptions) {
    super();
    this.leaders = new Leaders(options);
    this.watch = setInterval(() => this.refuseLate(), Math.min(100, options.deadlineMs / 2));
    this.watch.unref();
  }

  static async connect(options: KafkaProducerOptions): Promise<KafkaProducer> {
    const producer = new KafkaProducer(options);
    await producer.leaders.connect();
    return producer;
  }

  /** Bytes that wait to be sent. */
  get waitingBytes(): number {
    return this.queue.bytes;
  }

  override append(stream: string, partition: number, record: StreamRecord): Promise<number> {
    return this.enqueue(stream, partition, { records: [record], isRepeated: false });
  }

  override async appendUntilIn(
    stream: string,
    partition: number,
    records: readonly StreamRecord[],
  ): Promise<void> {
    const parts = inParts(records);
    await Promise.all(
      parts.map((part) => this.enqueue(stream, partition, { records: part, isRepeated: true })),
    );
  }

  /** What waits is sent first; what cannot be sent within the deadline is rejected. */
  async close(): Promise<void> {
    const until = performance.now() + this.options.deadlineMs;
    while ((!this.queue.isEmpty || this.inFlight.size > 0) && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    this.isClosed = true;
    clearInterval(this.watch);
    for (const timer of this.repeats) clearTimeout(timer);
    const closed = new AppendFailed('the producer is closed', true);
    for (const waiting of this.queue.all()) fail(waiting, closed);
    for (const { loads } of this.inFlight) {
      for (const { waiting } of loads) failAll(waiting, closed);
    }
    await atMost(FAREWELL_MS, this.leaders.disconnect()).catch(() => undefined);
  }

  private enqueue(
    stream: string,
    partition: number,
    what: Pick<Waiting, 'records' | 'isRepeated'>,
  ): Promise<number> {
    let bytes = 0;
    for (const record of what.records) bytes += bytesOf(record);
    return new Promise((resolve, reject) => {
      if (this.isClosed) return reject(new AppendFailed('the producer is closed', false));
      const { waitingBytesMax, prefix } = this.options;
      if (!what.isRepeated && this.queue.bytes + bytes > waitingBytesMax) {
        this.counts.refused++;
        const say = `more than ${waitingBytesMax} bytes wait for Kafka`;
        return reject(new AppendFailed(say, false));
      }
      const since = performance.now();
      const waiting = { ...what, bytes, since, isDone: false, resolve, reject };
      this.queue.push(prefix + stream, partition, waiting);
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.isScheduled || this.isClosed) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      this.sendAll({ isSuspect: false });
      this.sendAll({ isSuspect: true });
    });
  }

  private sendAll(kind: { readonly isSuspect: boolean }): void {
    const max = kind.isSuspect ? SUSPECTS_MAX : IN_FLIGHT_MAX;
    const nowMs = performance.now();
    let underWay = 0;
    let youngestAt = -Infinity;
    for (const { isSuspect, sentAt } of this.inFlight) {
      if (isSuspect !== kind.isSuspect) continue;
      underWay++;
      youngestAt = Math.max(youngestAt, sentAt);
    }
    for (; underWay < max; underWay++) {
      const isFilling = nowMs - youngestAt < LATE_MS && this.queue.bytes < FULL_BYTES;
      if (isFilling && !kind.isSuspect) return;
      youngestAt = nowMs;
      const loads = this.queue.take(nowMs, kind);
      if (loads.length === 0) return;
      void this.send({ ...kind, loads, sentAt: nowMs, sharesLeft: 0 });
    }
  }

  private async send(request: Request): Promise<void> {
    this.inFlight.add(request);
    this.counts.requests++;
    const { shares, leaderless } = await this.split(request.loads);
    for (const load of leaderless) {
      const trouble = this.leaders.trouble(load);
      this.failed(load, trouble ? notSent(trouble) : unanswered(load));
    }
    request.sharesLeft = shares.size;
    if (shares.size === 0) this.answered(request);
    for (const [leader, loads] of shares) void this.sendShare(request, leader, loads);
  }

  private async split(loads: readonly Load[]): Promise<Split> {
    try {
      return await this.leaders.split(loads);
    } catch (cause) {
      await this.leaders.lookAround(cause);
      for (const load of loads) this.failed(load, notSent(cause));
      return { shares: new Map(), leaderless: [] };
    }
  }

  private async sendShare(request: Request, leader: number, loads: readonly Load[]): Promise<void> {
    let isSent = false;
    const asked = { loads, timeoutMs: this.options.deadlineMs, onSent: () => (isSent = true) };
    let broker: Broker | undefined;
    let refused: readonly Refused[];
    try {
      broker = await this.leaders.broker(leader);
      refused = this.settle(loads, await produce(broker, asked));
    } catch (cause) {
      const error = appendFailed(cause, { partitions: loads.length, isSent });
      refused = loads.map((load) => ({ load, error }));
    }
    if (refused[0]) await this.leaders.lookAround(refused[0].error.cause, broker);
    for (const { load, error } of refused) this.failed(load, error);
    if (--request.sharesLeft === 0) this.answered(request);
  }

  private answered(request: Request): void {
    this.inFlight.delete(request);
    this.schedule();
  }

  /** Record i of a partition has the offset of its first plus i. */
  private settle(loads: readonly Load[], answers: Answers): readonly Refused[] {
    const refused: Refused[] = [];
    for (const load of loads) {
      const outcome = outcomeOf(load, answers);
      if (typeof outcome === 'number') this.succeeded(load, outcome);
      else refused.push({ load, error: outcome });
    }
    return refused;
  }

  private succeeded({ place, waiting }: Load, baseOffset: number): void {
    let next = baseOffset;
    for (const one of waiting) {
      if (!one.isDone) one.resolve(next);
      one.isDone = true;
      next += one.records.length;
      this.counts.records += one.records.length;
    }
    this.queue.release(place);
  }

  /** Rejects what must not be repeated; the rest waits for a later turn, in front of what came since. */
  private failed({ place, waiting }: Load, error: AppendFailed): void {
    this.counts.failures++;
    this.options.onFailure?.(error);
    const mayRepeat = (one: Waiting): boolean => one.isRepeated || !error.isFateUnknown;
    const again = waiting.filter((one) => !this.isClosed && !one.isDone && mayRepeat(one));
    for (const one of waiting) if (!again.includes(one)) fail(one, error);
    this.queue.putBack(place, again, performance.now() + AGAIN_AFTER_MS);
    const timer = setTimeout(() => {
      this.repeats.delete(timer);
      this.schedule();
    }, AGAIN_AFTER_MS + 1);
    this.repeats.add(timer);
  }

  private refuseLate(): void {
    if (this.queue.bytes > 0) this.schedule(); // what is in flight may be late by now
    const { deadlineMs } = this.options;
    const before = performance.now() - deadlineMs;
    const say = `not acknowledged within ${deadlineMs} ms`;
    for (const { loads } of this.inFlight) {
      for (const { waiting } of loads) {
        for (const one of waiting) {
          if (one.isRepeated || one.isDone || one.since >= before) continue;
          this.counts.refused++;
          fail(one, new AppendFailed(say, true));
        }
      }
    }
    for (const one of this.queue.late(before)) {
      this.counts.refused++;
      this.queue.bytes -= one.bytes;
      fail(one, new AppendFailed(say, false));
    }
  }
}

function failAll(all: readonly Waiting[], error: AppendFailed): void {
  for (const waiting of all) fail(waiting, error);
}

function fail(waiting: Waiting, error: AppendFailed): void {
  if (waiting.isDone) return;
  waiting.isDone = true;
  waiting.reject(error);
}
