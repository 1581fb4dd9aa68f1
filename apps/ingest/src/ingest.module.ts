/** Wires an ingest from the adapters that `ports` exports; a plain Nest module, nothing per request. */
import {
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { LiveServices } from '#cluster';
import { Health, Log, Metrics, proxyNote } from '#runtime';
import { StreamProducer } from '#streams';
import { SubscriptionLookup } from '#view';
import { KeyRing } from '#webpush';
import { IngestConfig } from './config.js';
import { IngestServer } from './http-server.uws.js';
import { IngestCounts } from './ingest-counts.js';
import { watchIngest } from './ingest-metrics.js';
import { Ingest } from './ingest.js';

export { IngestConfig, ingestConfig } from './config.js';
export { IngestServer } from './http-server.uws.js';

@Module({})
export class IngestModule implements OnApplicationBootstrap, BeforeApplicationShutdown {
  constructor(
    private readonly server: IngestServer,
    private readonly config: IngestConfig,
    private readonly log: Log,
    private readonly health: Health,
  ) {}

  /**
   * `ports` exports StreamProducer, SubscriptionLookup, KeyRing, Log, Health and Metrics; LiveServices where there are
   * others.
   */
  static forRoot(config: IngestConfig, ports: DynamicModule): DynamicModule {
    return {
      module: IngestModule,
      imports: [ports],
      providers: [
        { provide: IngestConfig, useValue: config },
        { provide: IngestCounts, useFactory: watchedCounts, inject: [Metrics] },
        {
          provide: Ingest,
          inject: [
            ...[StreamProducer, SubscriptionLookup, KeyRing, Log, IngestCounts],
            { token: LiveServices, optional: true },
          ],
          useFactory: (...ports: IngestParts) => createIngest(config, ports),
        },
        {
          provide: IngestServer,
          inject: [Ingest, IngestCounts, Log],
          useFactory: (ingest: Ingest, counts: IngestCounts, log: Log) =>
            new IngestServer({ ingest, counts, log }, config),
        },
      ],
      exports: [IngestServer],
    };
  }

  async onApplicationBootstrap(): Promise<void> {
    const port = await this.server.listen();
    const { host, tls, publicEndpointUrl } = this.config;
    this.log.info('ingest listens', { host, port, tls: tls !== undefined, publicEndpointUrl });
    const note = proxyNote(this.config);
    if (note !== undefined) this.log.warn(note, { port });
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.health.draining(this.config.noticeSeconds);
    await this.server.close();
  }
}

function watchedCounts(metrics: Metrics): IngestCounts {
  const counts = new IngestCounts();
  watchIngest(metrics, counts);
  return counts;
}

type IngestParts = [
  StreamProducer,
  SubscriptionLookup,
  KeyRing,
  Log,
  IngestCounts,
  LiveServices | undefined,
];

function createIngest(
  config: IngestConfig,
  [producer, lookup, keyRing, log, counts, others]: IngestParts,
): Ingest {
  const isHeldElsewhere = (keyId: string): boolean => others?.hold(keyId) ?? false;
  const options = { ...config, keyRing, log, isHeldElsewhere };
  return new Ingest({ producer, lookup }, options, counts);
}
