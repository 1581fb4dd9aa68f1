/** One ingest on the embedded adapters, with subscriptions to send to, for tests of its line and of its socket. */
import { randomBytes } from 'node:crypto';
import { NOTIFICATIONS, decodeNotification, type LogRecord, type StreamProducer } from '#streams';
import { EmbeddedConsumer, EmbeddedLog, EmbeddedProducer } from '#streams.embedded';
import { Log } from '#runtime';
import { Registrar } from '#subscriptions';
import type { SubscriptionLookup } from '#view';
import {
  EmbeddedStore,
  EmbeddedSubscriptionLookup,
  EmbeddedSubscriptionsView,
} from '#view.embedded';
import { KeyRing, type DeviceId, type Notification, type SubscriptionId } from '#webpush';
import { IngestCounts } from '../../apps/ingest/src/ingest-counts.js';
import { Ingest, type IngestOptions } from '../../apps/ingest/src/ingest.js';
import { IngestServer, type IngestServerConfig } from '../../apps/ingest/src/http-server.uws.js';

export const PARTITIONS = 3;
export const keyText = (): string => randomBytes(32).toString('base64url');
export const newDevice = (): DeviceId => randomBytes(16).toString('hex') as DeviceId;
export const newSubscription = (): SubscriptionId =>
  randomBytes(16).toString('hex') as SubscriptionId;

export interface DoorOptions extends Partial<IngestOptions>, Partial<IngestServerConfig> {
  readonly producer?: (real: StreamProducer) => StreamProducer;
  readonly lookup?: (real: SubscriptionLookup) => SubscriptionLookup;
  /** The view is left `none`. */
  readonly isUnready?: boolean;
  /** Default: none, for senders keep their connections and every test would wait for them; `real`: the server's own. */
  readonly lastRequests?: 'real';
}

export class IngestDoor {
  readonly counts = new IngestCounts();
  readonly said: Record<string, unknown>[] = [];
  readonly keyRing: KeyRing;
  readonly store = new EmbeddedStore({ partitions: PARTITIONS, mailboxMax: 100 });
  readonly view = new EmbeddedSubscriptionsView(this.store);
  readonly registrar: Registrar;
  readonly ingest: Ingest;
  private server: IngestServer | undefined;
  /** Where endpoints point to. */
  url = 'http://push.example';

  static async open(options: DoorOptions = {}): Promise<IngestDoor> {
    const log = await EmbeddedLog.open({ path: ':memory:', partitions: PARTITIONS });
    const door = new IngestDoor(log, options);
    if (!options.isUnready) await door.makeReady();
    return door;
  }

  private constructor(
    readonly log: EmbeddedLog,
    private readonly options: DoorOptions,
  ) {
    this.keyRing = options.keyRing ?? KeyRing.parse(keyText());
    const real = new EmbeddedProducer(log);
    const producer = options.producer?.(real) ?? real;
    const found = new EmbeddedSubscriptionLookup(this.store);
    const lookup = options.lookup?.(found) ?? found;
    const publicEndpointUrl = options.publicEndpointUrl ?? this.url;
    this.url = publicEndpointUrl;
    this.registrar = new Registrar(
      { producer: real, view: this.view, lookup: found },
      {
        keyRing: this.keyRing,
        publicEndpointUrl,
        partitions: PARTITIONS,
        subscriptionsPerDeviceMax: 100,
        deadlineMs: 1_000,
      },
    );
    this.ingest = new Ingest(
      { producer, lookup },
      {
        partitions: PARTITIONS,
        payloadBytesMax: 4_096,
        ttlSecondsMax: 2_592_000,
        vapidTokensMax: 100,
        log: Log.into((line) => this.said.push(line)),
        ...options,
        publicEndpointUrl,
        keyRing: this.keyRing,
      },
      this.counts,
    );
  }

  async makeReady(): Promise<void> {
    for (let partition = 0; partition < PARTITIONS; partition++) {
      await this.view.createMark(partition);
      const mark = await this.view.mark(partition);
      if (mark) await this.view.setReady(partition, mark);
    }
  }

  /** Opens the socket; returns its origin. */
  async listen(): Promise<string> {
    const config: IngestServerConfig = {
      host: '127.0.0.1',
      port: 0,
      trustedProxies: [],
      noticeSeconds: 0,
      payloadBytesMax: 4_096,
      appendDeadlineMs: 5_000,
      bodyBytesInFlightMax: 67_108_864,
      connectionsMax: 1_000,
      ...this.options,
      publicEndpointUrl: this.url,
    };
    const log = Log.into((line) => this.said.push(line));
    const parts = { ingest: this.ingest, counts: this.counts, log };
    const lastRequestsMs = this.options.lastRequests === 'real' ? undefined : 0;
    this.server = new IngestServer(parts, config, lastRequestsMs);
    const port = await this.server.listen();
    return `http${config.tls ? 's' : ''}://127.0.0.1:${port}`;
  }

  /** A subscription of a new device: its receiver id, and the path of its endpoint. */
  async subscribed(key?: string, device = newDevice(), subscription = newSubscription()) {
    const registered = await this.registrar.register(device, subscription, { key });
    if (registered.kind !== 'registered') throw new Error(registered.reason);
    const { receiver, endpoint } = registered;
    return { device, subscription, receiver, path: new URL(endpoint).pathname };
  }

  /** Everything in `notifications`, by partition in order. */
  async appended(): Promise<readonly (LogRecord & { readonly partition: number })[]> {
    const records: (LogRecord & { partition: number })[] = [];
    const ends = new Set<number>();
    await new Promise<void>((resolve, reject) => {
      const reader = {
        onAssigned: () => Promise.resolve(0),
        onBatch: (batch: { partition: number; records: readonly LogRecord[]; next: number }) => {
          records.push(...batch.records.map((r) => ({ ...r, partition: batch.partition })));
          return Promise.resolve(batch.next);
        },
        onIdle: (partition: number) => {
          if (ends.add(partition).size === PARTITIONS) resolve();
          return Promise.resolve(undefined);
        },
        onRevoked: () => undefined,
      };
      new EmbeddedConsumer(this.log).read({ stream: NOTIFICATIONS }, reader).catch(reject);
    });
    return records;
  }

  async notifications(): Promise<readonly Notification[]> {
    const records = await this.appended();
    return records.flatMap(({ value }) => (value === null ? [] : [decodeNotification(value)]));
  }

  /** The lines of the log about refusals. */
  refusals(): readonly unknown[] {
    return this.said.filter((line) => 'refusal' in line).map((line) => line['refusal']);
  }

  async close(): Promise<void> {
    await this.server?.close();
    await this.log.close();
  }
}
