/**
 * The REST door and the keeper. `ports` exports SubscriptionsView, SubscriptionLookup, PartitionView,
 * StreamProducer, StreamCatalog, the Registrar, and the process's log, health and metrics.
 */
import { Module, Optional } from '@nestjs/common';
import type {
  BeforeApplicationShutdown,
  DynamicModule,
  OnApplicationBootstrap,
  Provider,
} from '@nestjs/common';
import { APP_FILTER } from '@nestjs/core';
import { Announcer, GoneSweep } from '#outcomes';
import { Health, Log, Metrics, exitOnFailure } from '#runtime';
import { DeliveryStreams, StreamCatalog, StreamProducer } from '#streams';
import { Registrar } from '#subscriptions';
import { Leases, PartitionView, SubscriptionLookup, SubscriptionsView } from '#view';
import { RegistrationConfig } from './config.js';
import { DoorErrors } from './door-errors.js';
import { KeeperController } from './keeper.controller.js';
import { Keeper } from './keeper.js';
import { OrphanedStreams } from './orphaned-streams.js';
import { watchDoor, watchKeeper } from './registration-metrics.js';
import { RegistrationController } from './registration.controller.js';
import { Registrations } from './registrations.js';
import { UnseenDevices } from './unseen-devices.js';

export { RegistrationConfig, registrationConfig } from './config.js';
export { KEEPERS } from './keeper.controller.js';
export { restAdapter, serveDocs } from './rest-adapter.js';

@Module({})
export class RegistrationModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly unseenDevices: UnseenDevices,
    private readonly config: RegistrationConfig,
    private readonly health: Health,
    @Optional() private readonly orphanedStreams?: OrphanedStreams,
  ) {}

  /** The process's HTTP application is the door: made with `restAdapter(config)`, with `serveDocs(app)`. */
  static forRoot(config: RegistrationConfig, ports: DynamicModule): DynamicModule {
    return {
      module: RegistrationModule,
      imports: [ports],
      controllers: [RegistrationController, KeeperController],
      providers: [{ provide: RegistrationConfig, useValue: config }, ...providers],
    };
  }

  onApplicationBootstrap(): void {
    this.unseenDevices.start();
    this.orphanedStreams?.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.health.draining(this.config.door.noticeSeconds);
    await this.unseenDevices.stop();
    await this.orphanedStreams?.stop();
  }
}

const providers: readonly Provider[] = [
  {
    provide: Announcer,
    inject: [StreamProducer, PartitionView],
    useFactory: (producer: StreamProducer, view: PartitionView) => new Announcer(producer, view),
  },
  {
    provide: Keeper,
    inject: [SubscriptionsView, PartitionView, StreamCatalog, Announcer, Log, Health, Metrics],
    useFactory: createKeeper,
  },
  {
    provide: Registrations,
    inject: [Registrar, SubscriptionLookup, RegistrationConfig, Log, Metrics],
    useFactory: createRegistrations,
  },
  {
    provide: UnseenDevices,
    inject: [Keeper, SubscriptionsView, SubscriptionLookup, Registrar, RegistrationConfig, Log],
    useFactory: createUnseenDevices,
  },
  {
    provide: OrphanedStreams,
    inject: [{ token: DeliveryStreams, optional: true }, { token: Leases, optional: true }, Log],
    useFactory: createOrphanedStreams,
  },
  { provide: APP_FILTER, inject: [Log], useFactory: (log: Log) => new DoorErrors(log) },
];

function createKeeper(
  ...[subscriptions, notifications, catalog, announcer, log, health, metrics]: [
    SubscriptionsView,
    PartitionView,
    StreamCatalog,
    Announcer,
    Log,
    Health,
    Metrics,
  ]
): Keeper {
  const goneSweep = new GoneSweep({ view: notifications, subscriptions, announcer });
  const stop = (reason: Error): void => exitOnFailure(() => Promise.reject(reason));
  const ports = { subscriptions, notifications, catalog, announcer, goneSweep };
  const keeper = new Keeper(ports, { log, stop });
  watchKeeper(metrics, keeper);
  health.ready('subscriptions view', readiness(keeper));
  return keeper;
}

/** A group takes a moment to share its partitions; who has none after that is one too many, and no less ready. */
const SHARED_WITHIN_MS = 15_000;

function readiness(keeper: Keeper): () => string | undefined {
  const begun = performance.now();
  return () => {
    const { ready, rebuilding } = keeper.states();
    if (rebuilding > 0) return `${rebuilding} partitions are being rebuilt from the log`;
    const isWaiting = ready === 0 && performance.now() - begun < SHARED_WITHIN_MS;
    return isWaiting ? 'no partition was assigned yet' : undefined;
  };
}

function createRegistrations(
  registrar: Registrar,
  lookup: SubscriptionLookup,
  { registrationsPerAddressMax }: RegistrationConfig,
  log: Log,
  metrics: Metrics,
): Registrations {
  const options = { registrationsPerAddressMax, log };
  const registrations = new Registrations({ registrar, lookup }, options);
  watchDoor(metrics, registrations);
  return registrations;
}

function createUnseenDevices(
  ...[keeper, subscriptions, lookup, registrar, { deviceDaysMax }, log]: [
    Keeper,
    SubscriptionsView,
    SubscriptionLookup,
    Registrar,
    RegistrationConfig,
    Log,
  ]
): UnseenDevices {
  const ports = { subscriptions, lookup, registrar, keeper };
  return new UnseenDevices(ports, { deviceDaysMax, log });
}

/** Where gateways come and go, which is where `ports` exports DeliveryStreams and Leases. */
function createOrphanedStreams(
  streams: DeliveryStreams | undefined,
  leases: Leases | undefined,
  log: Log,
): OrphanedStreams | undefined {
  return streams && leases && new OrphanedStreams({ streams, leases }, log);
}
