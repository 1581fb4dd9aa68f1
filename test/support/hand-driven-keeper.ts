/** A keeper on the field whose consumer is the test: it decides which record is read when. */
import { GoneSweep } from '#outcomes';
import { Log } from '#runtime';
import { SUBSCRIPTIONS, type LogRecord, type RecordBatch, type StreamCatalog } from '#streams';
import { Registrar } from '#subscriptions';
import type { SubscriptionsView } from '#view';
import { EmbeddedSubscriptionLookup } from '#view.embedded';
import { KeyRing } from '#webpush';
import { Keeper } from '../../apps/registration/src/keeper.js';
import type { Field } from './field.js';
import { keyText } from './ingest-door.js';

export function registrarOn(
  field: Field,
  view: SubscriptionsView = field.subscriptions,
): Registrar {
  return new Registrar(
    { producer: field.producer, view, lookup: new EmbeddedSubscriptionLookup(field.store) },
    {
      keyRing: KeyRing.parse(keyText()),
      publicEndpointUrl: 'https://push.example',
      partitions: 1,
      subscriptionsPerDeviceMax: 1_000,
      deadlineMs: 1_000,
      clock: () => field.now,
    },
  );
}

export class HandDrivenKeeper {
  readonly keeper: Keeper;
  readonly said: Record<string, unknown>[] = [];
  readonly stopped: Error[] = [];
  position = 0;

  constructor(
    private readonly field: Field,
    subscriptions: SubscriptionsView = field.subscriptions,
    catalog: StreamCatalog = field.catalog,
  ) {
    const { view, announcer } = field;
    const goneSweep = new GoneSweep({ view, subscriptions, announcer });
    this.keeper = new Keeper(
      { subscriptions, notifications: view, catalog, announcer, goneSweep },
      {
        log: Log.into((line) => this.said.push(line)),
        stop: (reason) => this.stopped.push(reason),
        clock: () => field.now,
      },
    );
  }

  async own(): Promise<number> {
    return (this.position = await this.keeper.onAssigned(0));
  }

  /** Everything that was ever appended, compacted or not. */
  async records(): Promise<readonly LogRecord[]> {
    const end = await this.field.catalog.end(SUBSCRIPTIONS, 0);
    return (await this.field.tape(SUBSCRIPTIONS)).upTo(end);
  }

  /** Reads at most so many records from where it stands. False: there are none. */
  async read(countMax = Infinity): Promise<boolean> {
    const there = (await this.records()).filter(({ offset }) => offset >= this.position);
    if (there.length === 0) return false;
    const records = there.slice(0, countMax);
    const next = there[records.length]?.offset ?? (records.at(-1)?.offset ?? 0) + 1;
    const batch: RecordBatch = { stream: SUBSCRIPTIONS, partition: 0, records, next };
    this.position = await this.keeper.onBatch(batch);
    return true;
  }

  async readOn(): Promise<void> {
    while (await this.read());
  }

  async idle(): Promise<void> {
    this.position = (await this.keeper.onIdle(0)) ?? this.position;
  }
}
