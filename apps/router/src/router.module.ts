/** What a router is made of. `ports` exports an adapter for every port, and the process's log, health and metrics. */
import { Module } from '@nestjs/common';
import type {
  BeforeApplicationShutdown,
  DynamicModule,
  OnApplicationBootstrap,
  OnApplicationShutdown,
  Provider,
} from '@nestjs/common';
import { Announcer, GoneSweep } from '#outcomes';
import { Health, Log, Metrics, atMost, exitBecause } from '#runtime';
import { StreamCatalog, StreamProducer } from '#streams';
import { Leases, PartitionView, SubscriptionsView } from '#view';
import { RouterConfig } from './config.js';
import { RouterController } from './controller.js';
import { ExpirySweep } from './expiry-sweep.js';
import { OutboxSweep } from './outbox-sweep.js';
import { watchRouter } from './router-metrics.js';
import type { RouterPorts } from './router-ports.js';
import { Router } from './router.js';
import { Sweeps, type Sweep } from './sweeps.js';

export { RouterConfig, routerConfig } from './config.js';
export { ROUTERS } from './controller.js';

/** What is left over at the end waits in the outbox or is decided again: no reason to hold up the end for long. */
const FAREWELL_MS = 2_000;

@Module({})
export class RouterModule
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  constructor(
    private readonly sweeps: Sweeps,
    private readonly announcer: Announcer,
  ) {}

  static forRoot(config: RouterConfig, ports: DynamicModule): DynamicModule {
    return {
      module: RouterModule,
      imports: [ports],
      controllers: [RouterController],
      providers: [{ provide: RouterConfig, useValue: config }, ...providers],
    };
  }

  onApplicationBootstrap(): void {
    this.sweeps.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return atMost(FAREWELL_MS, this.sweeps.stop());
  }

  /** The consumers are closed: the batch in hand was the last. */
  onApplicationShutdown(): Promise<void> {
    return atMost(FAREWELL_MS, this.announcer.drain());
  }
}

const providers: readonly Provider[] = [
  {
    provide: Announcer,
    useFactory: (producer: StreamProducer, view: PartitionView) => new Announcer(producer, view),
    inject: [StreamProducer, PartitionView],
  },
  {
    provide: Router,
    useFactory: createRouter,
    inject: [PartitionView, StreamProducer, StreamCatalog, Leases, Announcer, Log, Health, Metrics],
  },
  {
    provide: Sweeps,
    useFactory: createSweeps,
    inject: [Router, PartitionView, SubscriptionsView, Announcer, Log],
  },
];

function createRouter(
  ...[view, producer, catalog, leases, announcer, log, health, metrics]: [
    PartitionView,
    StreamProducer,
    StreamCatalog,
    Leases,
    Announcer,
    Log,
    Health,
    Metrics,
  ]
): Router {
  const ports: RouterPorts = { view, producer, catalog, leases, announcer };
  const router = new Router(ports, { log, stop: exitBecause });
  watchRouter(metrics, router, ports);
  health.ready('notifications view', readiness(router));
  return router;
}

/** A group takes a moment to share its partitions; who has none after that is one too many, and no less ready. */
const SHARED_WITHIN_MS = 15_000;

function readiness({ owned }: Router): () => string | undefined {
  const begun = performance.now();
  return () => {
    const rebuilding = owned.size - owned.ready().length;
    if (rebuilding > 0) return `${rebuilding} partitions are being rebuilt from the log`;
    const isWaiting = owned.size === 0 && performance.now() - begun < SHARED_WITHIN_MS;
    return isWaiting ? 'no partition was assigned yet' : undefined;
  };
}

function createSweeps(
  router: Router,
  view: PartitionView,
  subscriptions: SubscriptionsView,
  announcer: Announcer,
  log: Log,
): Sweeps {
  const gone = new GoneSweep({ view, subscriptions, announcer });
  const sweeps: readonly Sweep[] = [
    new ExpirySweep({ view, announcer }, router.counts),
    new OutboxSweep({ view, announcer }, router.counts),
    {
      name: 'gone',
      everyMs: 1_000,
      sweep: async (owned) => void (await gone.sweep(owned.partition, () => owned.isOwned)),
    },
  ];
  return new Sweeps(router.owned, sweeps, log);
}
