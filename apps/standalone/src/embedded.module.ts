/**
 * An adapter for every port, all over one log on disk and one store in memory, and what a process has besides:
 * log, health, metrics. Every module of standalone imports this one, so it is closed after all of them.
 */
import { Module } from '@nestjs/common';
import type { DynamicModule, OnApplicationShutdown, Provider, Type } from '@nestjs/common';
import { Health, Log, Metrics, StartRefused } from '#runtime';
import { StreamCatalog, StreamConsumer, StreamProducer } from '#streams';
import {
  EmbeddedCatalog,
  EmbeddedConsumer,
  EmbeddedLog,
  EmbeddedProducer,
} from '#streams.embedded';
import { Registrar } from '#subscriptions';
import {
  Leases,
  Mailbox,
  PartitionView,
  Presence,
  SubscriptionLookup,
  SubscriptionsView,
} from '#view';
import {
  EmbeddedLeases,
  EmbeddedMailbox,
  EmbeddedPartitionView,
  EmbeddedPresence,
  EmbeddedStore,
  EmbeddedSubscriptionLookup,
  EmbeddedSubscriptionsView,
} from '#view.embedded';
import { KeyRing } from '#webpush';
import { REPLY_WITHIN_MS } from '../../gateway/src/gateway.module.js';
import type { StandaloneConfig } from './config.js';
import { watchEmbedded } from './embedded-metrics.js';

const DAY_MS = 86_400_000;

@Module({})
export class EmbeddedModule implements OnApplicationShutdown {
  constructor(private readonly embedded: EmbeddedLog) {}

  /** Opens the log, whose directory must be there. Refuses with a sentence: locked, damaged, not ours. */
  static async open(config: StandaloneConfig, log: Log): Promise<DynamicModule> {
    const embedded = await openLog(config, log);
    const store = new EmbeddedStore({
      ...config,
      ...config.router,
      // A claim outlives two re-checks that are missed (design §4).
      holderTtlMs: 3 * config.gateway.times.recheckIntervalMs,
    });
    const health = new Health();
    const metrics = new Metrics({ processToo: true });
    watchEmbedded(embedded, store, { health, metrics });
    const providers = [
      value(Log, log),
      value(Health, health),
      value(Metrics, metrics),
      value(KeyRing, config.keyRing),
      value(EmbeddedLog, embedded),
      ...streams(embedded),
      ...views(store),
      {
        provide: Registrar,
        useFactory: (
          producer: StreamProducer,
          view: SubscriptionsView,
          lookup: SubscriptionLookup,
        ) => new Registrar({ producer, view, lookup }, registrarOptions(config)),
        inject: [StreamProducer, SubscriptionsView, SubscriptionLookup],
      },
    ];
    return { module: EmbeddedModule, providers, exports: providers };
  }

  /** What waits is committed. */
  onApplicationShutdown(): Promise<void> {
    return this.embedded.close();
  }
}

async function openLog(config: StandaloneConfig, log: Log): Promise<EmbeddedLog> {
  const { logFile: path, partitions } = config;
  try {
    return await EmbeddedLog.open({
      path,
      partitions,
      notificationsKeptMs: config.ingest.ttlSecondsMax * 1_000 + DAY_MS,
      report: (text, error) => log.sampled('log', text, { error }),
    });
  } catch (cause) {
    throw new StartRefused(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function streams(log: EmbeddedLog): Provider[] {
  return [
    value(StreamProducer, new EmbeddedProducer(log)),
    value(StreamConsumer, new EmbeddedConsumer(log)),
    value(StreamCatalog, new EmbeddedCatalog(log)),
  ];
}

function views(store: EmbeddedStore): Provider[] {
  return [
    value(Presence, new EmbeddedPresence(store)),
    value(Mailbox, new EmbeddedMailbox(store)),
    value(PartitionView, new EmbeddedPartitionView(store)),
    value(SubscriptionLookup, new EmbeddedSubscriptionLookup(store)),
    value(SubscriptionsView, new EmbeddedSubscriptionsView(store)),
    value(Leases, new EmbeddedLeases(store)),
  ];
}

function registrarOptions({ keyRing, ingest, gateway, partitions }: StandaloneConfig) {
  return {
    keyRing,
    publicEndpointUrl: ingest.publicEndpointUrl,
    partitions,
    subscriptionsPerDeviceMax: gateway.limits.subscriptionsPerDeviceMax,
    deadlineMs: REPLY_WITHIN_MS,
  };
}

/** A port is an abstract class: type and token in one. */
function value<T>(provide: { readonly prototype: T }, useValue: T): Provider {
  return { provide: provide as Type<T>, useValue };
}
