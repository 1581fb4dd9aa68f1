/**
 * What a gateway is made of. `ports` exports an adapter for every port, the Registrar, and the process's log,
 * health and metrics.
 */
import { Module } from '@nestjs/common';
import type {
  BeforeApplicationShutdown,
  DynamicModule,
  OnApplicationBootstrap,
  OnApplicationShutdown,
  Provider,
} from '@nestjs/common';
import { Announcer, Settler } from '#outcomes';
import { Health, Log, Metrics, exitOnFailure, proxyNote } from '#runtime';
import { StreamCatalog, StreamConsumer, StreamProducer } from '#streams';
import { Registrar } from '#subscriptions';
import { Leases, Mailbox, PartitionView, Presence, SubscriptionLookup } from '#view';
import { GatewayConfig } from './config.js';
import { watchGateway } from './gateway-metrics.js';
import { Gateway } from './gateway.js';
import { LEASE_TTL_MS } from './lease.js';
import { SocketServer } from './socket-server.uws.js';

export { GatewayConfig, gatewayConfig } from './config.js';
export { REPLY_WITHIN_MS } from './on-client-message.js';
export { SocketServer } from './socket-server.uws.js';

@Module({})
export class GatewayModule
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  constructor(
    private readonly gateway: Gateway,
    private readonly server: SocketServer,
    private readonly config: GatewayConfig,
    private readonly health: Health,
    private readonly log: Log,
  ) {}

  static forRoot(config: GatewayConfig, ports: DynamicModule): DynamicModule {
    return {
      module: GatewayModule,
      imports: [ports],
      providers: [{ provide: GatewayConfig, useValue: config }, ...providers],
      exports: [SocketServer],
    };
  }

  /** The lease stands and the stream is read before the first device may connect. */
  async onApplicationBootstrap(): Promise<void> {
    await this.gateway.begin();
    this.gateway.keepTime();
    const port = await this.server.listen();
    const { id, publicUrl, door } = this.config;
    const tls = door.tls !== undefined;
    this.log.info('gateway listens', { host: door.host, port, tls, id, publicUrl });
    const note = proxyNote(door);
    if (note !== undefined) this.log.warn(note, { port });
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.health.draining(this.config.door.noticeSeconds);
    this.server.stopListening();
    await this.gateway.drain();
  }

  onApplicationShutdown(): void {
    this.server.close();
  }
}

const providers: readonly Provider[] = [
  {
    provide: Announcer,
    useFactory: (producer: StreamProducer, view: PartitionView) => new Announcer(producer, view),
    inject: [StreamProducer, PartitionView],
  },
  {
    provide: Settler,
    useFactory: (view: PartitionView, announcer: Announcer) => new Settler(view, announcer),
    inject: [PartitionView, Announcer],
  },
  {
    provide: Gateway,
    useFactory: createGateway,
    inject: [
      ...[GatewayConfig, StreamProducer, StreamConsumer, StreamCatalog, Presence, Mailbox],
      ...[SubscriptionLookup, Leases, Registrar, Settler, Log, Health, Metrics],
    ],
  },
  {
    provide: SocketServer,
    useFactory: (gateway: Gateway, config: GatewayConfig) => new SocketServer(gateway, config),
    inject: [Gateway, GatewayConfig],
  },
];

function createGateway(
  ...[config, producer, consumer, catalog, presence, mailbox, lookup, ...others]: [
    GatewayConfig,
    StreamProducer,
    StreamConsumer,
    StreamCatalog,
    Presence,
    Mailbox,
    SubscriptionLookup,
    ...Others,
  ]
): Gateway {
  const [leases, registrar, settler, log, health, metrics] = others;
  const stores = { producer, consumer, catalog, presence, mailbox, lookup, leases };
  const end = (reason: Error): void => exitOnFailure(() => Promise.reject(reason));
  const gateway = new Gateway({ ...stores, registrar, settler, log, end }, config);
  watchGateway(metrics, gateway, settler);
  health.ready('lease', () => {
    const { ageMs } = gateway.lease;
    return ageMs < LEASE_TTL_MS ? undefined : `not renewed for ${Math.round(ageMs / 1_000)} s`;
  });
  return gateway;
}
type Others = [Leases, Registrar, Settler, Log, Health, Metrics];
