/**
 * A log and a store in memory with everything that stands on them, for tests in which several routers, keepers
 * or gateways work on one partition and the test decides what happens when. Only the time is not real.
 */
import { randomBytes } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { Announcer } from '#outcomes';
import {
  NOTIFICATIONS,
  decodeDelivery,
  decodeOutcomeRecord,
  deliveriesOf,
  encodeNotification,
} from '#streams';
import type { Delivery, LogRecord, PartitionReader, RecordBatch, StreamRecord } from '#streams';
import {
  EmbeddedCatalog,
  EmbeddedConsumer,
  EmbeddedLog,
  EmbeddedProducer,
} from '#streams.embedded';
import {
  EmbeddedLeases,
  EmbeddedMailbox,
  EmbeddedPartitionView,
  EmbeddedPresence,
  EmbeddedStore,
  EmbeddedSubscriptionsView,
} from '#view.embedded';
import type { PartitionView } from '#view';
import type { Announcement, DeviceId, MessageId, Notification, SubscriptionId } from '#webpush';

export const LEASE_MS = 15_000;

export class Field {
  /** ms since the epoch; log and store share it. */
  now = 1_700_000_000_000;
  readonly store: EmbeddedStore;
  readonly view: EmbeddedPartitionView;
  readonly subscriptions: EmbeddedSubscriptionsView;
  readonly presence: EmbeddedPresence;
  readonly mailbox: EmbeddedMailbox;
  readonly leases: EmbeddedLeases;
  readonly producer: EmbeddedProducer;
  readonly catalog: EmbeddedCatalog;
  readonly consumer: EmbeddedConsumer;
  readonly announcer: Announcer;
  private readonly tapes = new Map<string, Tape>();
  private subscriptionOffset = 0;

  private constructor(
    private readonly log: EmbeddedLog,
    mailboxMax: number,
    clock: { now: number },
  ) {
    this.store = new EmbeddedStore({ partitions: 1, mailboxMax, clock: () => clock.now });
    this.view = new EmbeddedPartitionView(this.store);
    this.subscriptions = new EmbeddedSubscriptionsView(this.store);
    this.presence = new EmbeddedPresence(this.store);
    this.mailbox = new EmbeddedMailbox(this.store);
    this.leases = new EmbeddedLeases(this.store);
    this.producer = new EmbeddedProducer(log);
    this.catalog = new EmbeddedCatalog(log);
    this.consumer = new EmbeddedConsumer(log);
    this.announcer = new Announcer(this.producer, this.view, { clearMs: 0 });
  }

  static async open({ mailboxMax = 1_000 } = {}): Promise<Field> {
    const clock = { now: 1_700_000_000_000 };
    const log = await EmbeddedLog.open({
      path: ':memory:',
      partitions: 1,
      clock: () => clock.now,
    });
    const field = new Field(log, mailboxMax, clock);
    Object.defineProperty(field, 'now', {
      get: () => clock.now,
      set: (now: number) => (clock.now = now),
    });
    return field;
  }

  async close(): Promise<void> {
    for (const tape of this.tapes.values()) await tape.stop();
    await this.log.close();
  }

  /** A notification, appended. */
  async put(about: Partial<Notification> & { readonly device: DeviceId }): Promise<number> {
    return this.append({
      key: randomBytes(16),
      value: encodeNotification({ ...notification(about.device), ...about }),
    });
  }

  append(record: StreamRecord): Promise<number> {
    return this.producer.append(NOTIFICATIONS, 0, record);
  }

  /** The subscriptions view is ready and knows these. */
  async subscribed(...known: readonly Subscribed[]): Promise<void> {
    for (const { device, subscription } of known) {
      const offset = this.subscriptionOffset++;
      await this.subscriptions.writeThrough({ kind: 'present', device, subscription, offset });
    }
    await this.subscriptions.createMark(0);
    const mark = await this.subscriptions.mark(0);
    if (mark?.state === 'rebuilding') await this.subscriptions.setReady(0, mark);
  }

  /** A gateway with a lease and a connection that holds the device. */
  async held(device: DeviceId, by: { gateway: string; epoch: number; connection: number }) {
    await this.producer.appendUntilIn(deliveriesOf(by.gateway), 0, []);
    await this.catalog.ensure(deliveriesOf(by.gateway));
    await this.leases.set(by.gateway, by.epoch, LEASE_MS);
    return this.presence.hello(device, by);
  }

  /** What stands in `notifications` now, but for what compaction took away before anybody looked. */
  async records(): Promise<readonly LogRecord[]> {
    return (await this.tape(NOTIFICATIONS)).upTo(await this.catalog.end(NOTIFICATIONS, 0));
  }

  /** The outcomes in the log, in order. */
  async announced(): Promise<readonly Announcement[]> {
    await this.announcer.drain();
    return (await this.records())
      .filter(({ value }) => value === null)
      .flatMap((record) => {
        const said = decodeOutcomeRecord(record);
        return said?.kind === 'outcome' ? [said.announcement] : [];
      });
  }

  /** Everything that was ever put on a gateway's stream. */
  async deliveries(gateway: string): Promise<readonly Delivery[]> {
    const stream = deliveriesOf(gateway);
    await this.catalog.ensure(stream);
    const tape = await this.tape(stream);
    return (await tape.upTo(await this.catalog.end(stream, 0))).map(decodeDelivery);
  }

  /** Of those, the offsets of the notifications. */
  async delivered(gateway: string): Promise<readonly number[]> {
    return (await this.deliveries(gateway)).flatMap((d) =>
      d.kind === 'notification' ? [d.offset] : [],
    );
  }

  /** A batch as a consumer would give it; undefined: nothing to read. */
  async batch(from: number, countMax = Infinity): Promise<RecordBatch | undefined> {
    const end = await this.catalog.end(NOTIFICATIONS, 0);
    const there = (await this.records()).filter(({ offset }) => offset >= from);
    if (from >= end || there.length === 0) return undefined;
    const records = there.slice(0, countMax);
    const next = there[records.length]?.offset ?? end;
    return { stream: NOTIFICATIONS, partition: 0, records, next };
  }

  /** Reads a stream from its beginning (a tape that is started late misses what was compacted). */
  async tape(stream: string): Promise<Tape> {
    let tape = this.tapes.get(stream);
    if (tape === undefined) {
      tape = new Tape();
      this.tapes.set(stream, tape);
      tape.stop = await this.consumer.read({ stream }, tape);
    }
    return tape;
  }
}

export interface Subscribed {
  readonly device: DeviceId;
  readonly subscription: SubscriptionId;
}

/** Remembers every record that it was given. */
class Tape implements PartitionReader {
  stop: () => Promise<void> = async () => undefined;
  private readonly records: LogRecord[] = [];
  private position = 0;

  async onAssigned(): Promise<number> {
    return 0;
  }

  async onBatch({ records, next }: RecordBatch): Promise<number> {
    this.records.push(...records);
    return (this.position = next);
  }

  async onIdle(): Promise<undefined> {}

  onRevoked(): void {}

  async upTo(end: number): Promise<readonly LogRecord[]> {
    while (this.position < end) await turn();
    return [...this.records];
  }
}

export function deviceId(): DeviceId {
  return randomBytes(16).toString('hex') as DeviceId;
}

export function subscriptionId(): SubscriptionId {
  return randomBytes(16).toString('hex') as SubscriptionId;
}

export function messageId(): MessageId {
  return randomBytes(16).toString('base64url') as MessageId;
}

function notification(device: DeviceId): Notification {
  return {
    id: messageId(),
    device,
    subscription: '0'.repeat(32) as SubscriptionId,
    ttlSeconds: 3_600,
    urgency: 'normal',
    encoding: 'aes128gcm',
    payload: Buffer.from('payload'),
  };
}

/**
 * Holds up one call of a method of a view, before it is executed or before its answer comes back, until the
 * test lets it go; everything else passes.
 */
export class Gate {
  readonly reached: Promise<void>;
  private reach: () => void = () => undefined;
  private release: () => void = () => undefined;
  private readonly released: Promise<void>;
  private isUsed = false;

  constructor(
    private readonly method: keyof PartitionView,
    private readonly side: 'before' | 'after',
  ) {
    this.reached = new Promise((resolve) => (this.reach = resolve));
    this.released = new Promise((resolve) => (this.release = resolve));
  }

  letGo(): void {
    this.release();
  }

  around(view: PartitionView): PartitionView {
    return intercepted(view, async (method, call) => {
      if (method !== this.method || this.isUsed) return call();
      this.isUsed = true;
      if (this.side === 'before') await this.hold();
      const answer = await call();
      if (this.side === 'after') await this.hold();
      return answer;
    });
  }

  private async hold(): Promise<void> {
    this.reach();
    await this.released;
  }
}

/** A store that is away for some calls of a method; `after`: it has executed them, only its answer is lost. */
export function failing(
  view: PartitionView,
  of: {
    readonly method: keyof PartitionView;
    readonly side: 'before' | 'after';
    readonly times?: number;
  },
): PartitionView {
  let left = of.times ?? 1;
  return intercepted(view, async (method, call) => {
    if (method !== of.method || left === 0) return call();
    left--;
    if (of.side === 'after') await call();
    throw new Error(`the store is away (${method})`);
  });
}

type Call = () => Promise<unknown>;

/** Each call of a method of the view goes through `on`. */
export function intercepted<T extends object>(
  target: T,
  on: (method: string, call: Call, args: readonly unknown[]) => Promise<unknown>,
): T {
  return new Proxy(target, {
    get: (of, name) => {
      const value: unknown = Reflect.get(of, name);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]) =>
        on(String(name), () => Reflect.apply(value, of, args) as Promise<unknown>, args);
    },
  });
}
