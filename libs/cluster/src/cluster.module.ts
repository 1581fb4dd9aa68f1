/**
 * An adapter for every port over Kafka and Redis, and what a process has besides: log, health, metrics, its place
 * among the live services. Every module of a service imports this one, so it is closed after all of them.
 */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { Module } from '@nestjs/common';
import type { DynamicModule, OnApplicationShutdown, Provider, Type } from '@nestjs/common';
import { Health, Log, Metrics, OpsServer, StartRefused, exitBecause } from '#runtime';
import { KafkaWatch, createKafka } from '#runtime.kafka';
import { RedisLink } from '#runtime.redis';
import {
  DeliveryStreams,
  NOTIFICATIONS,
  SUBSCRIPTIONS,
  StreamCatalog,
  StreamConsumer,
  StreamProducer,
} from '#streams';
import {
  KafkaCatalog,
  KafkaConsumer,
  KafkaDeliveryStreams,
  KafkaProducer,
  streamProblems,
} from '#streams.kafka';
import { Registrar, type RegistrarSettings } from '#subscriptions';
import {
  Leases,
  Mailbox,
  PartitionView,
  Presence,
  SubscriptionLookup,
  SubscriptionsView,
} from '#view';
import {
  RedisLeases,
  RedisMailbox,
  RedisPartitionView,
  RedisPresence,
  RedisScripts,
  RedisSubscriptionLookup,
  RedisSubscriptionsView,
  VIEW_LAYOUT,
} from '#view.redis';
import { KeyRing } from '#webpush';
import { Agreement, refuseEviction } from './agreement.redis.js';
import { askedAgain } from './asked-again.js';
import type { ClusterConfig } from './cluster-config.js';
import { Closing } from './closing.js';
import { watchCluster } from './cluster-metrics.js';
import { LiveServices } from './live-services.js';
import { RedisLiveServices } from './live-services.redis.js';
import { refuseUnseen } from './rights.kafka.js';
import { refuseMissingRights } from './rights.redis.js';
import { SubscriptionsReadiness } from './subscriptions-readiness.js';
import { refuseVersion } from './version.redis.js';

/** Who joins, and what of its own settings its adapters have to know. */
export interface Member {
  readonly role: 'gateway' | 'ingest' | 'router' | 'registration';
  /** Default: the host's name. */
  readonly name?: string;
  /** Default: 5 s. */
  readonly appendDeadlineMs?: number;
  readonly mailboxMax?: number;
  readonly mailboxBytesMax?: number;
  /** A claim that is not renewed for so long lapses: three re-checks (design §5, rule 8). */
  readonly holderTtlMs?: number;
  /** Of a service that registers. */
  readonly registrar?: RegistrarSettings & { readonly deadlineMs: number };
}

/** A device or a sender waits: the answer, a refusal too, comes within the second. */
const QUICK_MS = 700;
/** Nobody waits, and a batch of a thousand entries may take its time. */
const PATIENT_MS = 5_000;
const APPEND_DEADLINE_MS = 5_000;
const WAITING_BYTES_MAX = 67_108_864;
/**
 * Each look of an ingest at a subscription would be a call, and so would be the append and the answer that follow. At
 * some hundred POSTs a second they leave together; at fewer, none of them waits.
 */
const LOOKUPS_GATHER_MS = 3;
/** Told to scripts that only a router runs. */
const MAILBOX_MAX = 1_000;
const MAILBOX_BYTES_MAX = 4_194_304;
const HOLDER_TTL_MS = 900_000;
/** How long the partitions of one that was killed stand still. */
const SESSION_TIMEOUT_MS = 6_000;
const KAFKA_REQUEST_MS = { patient: 30_000, producer: 10_000, admin: 5_000 };

@Module({})
export class ClusterModule implements OnApplicationShutdown {
  constructor(private readonly closing: Closing) {}

  /**
   * Waits for Kafka and Redis, in whatever order they come, and says on the ops port and in the log what it waits for.
   * Refuses with a sentence what would lose notifications or mix up two clusters.
   */
  static async join(config: ClusterConfig, member: Member, log: Log): Promise<DynamicModule> {
    const joining = new Joining(config, member, log);
    const providers = await joining.run();
    return { module: ClusterModule, providers, exports: providers };
  }

  onApplicationShutdown(): Promise<void> {
    return this.closing.run();
  }
}

class Joining {
  private readonly health = new Health();
  private readonly metrics = new Metrics({ processToo: true });
  private readonly closing: Closing;
  private readonly instance: string;

  constructor(
    private readonly config: ClusterConfig,
    private readonly member: Member,
    readonly log: Log,
  ) {
    this.closing = new Closing(log);
    const name = member.name ?? hostname();
    this.instance = `${name}/${process.pid}-${randomBytes(3).toString('hex')}`;
  }

  async run(): Promise<Provider[]> {
    const { config, member, log, health, metrics, closing } = this;
    const ops = new OpsServer(health, metrics);
    closing.add('ops port', () => ops.close());
    await ops.listen(config.process.opsHost, config.process.opsPort);
    const quick = this.link('quick', QUICK_MS);
    // What a router applies, and a keeper folds, is no single entry.
    const isPatient = member.role === 'router' || member.role === 'registration';
    const patient = isPatient ? this.link('patient', PATIENT_MS) : quick;
    const watch = this.watchKafka();
    await Promise.all([...new Set([quick, patient])].map((link) => link.start()));
    await refuseVersion(quick.client, { address: quick.address, log });
    await watch.start();
    await askedAgain(() => refuseMissingRights(quick.client, quick), this);
    await askedAgain(() => refuseEviction(quick.client, quick.address), this);
    const streams = await this.streams();
    const services = await this.enter(quick);
    const views = this.views(quick, patient);
    const lookup = new RedisSubscriptionLookup(views.quick);
    const view = new RedisSubscriptionsView(views.quick);
    if (member.role === 'ingest') this.watchSubscriptions(view);
    const registrar = member.registrar && {
      ...member.registrar,
      ...{ keyRing: config.keyRing, partitions: config.partitions },
    };
    return [
      ...[value(Log, log), value(Health, health), value(Metrics, metrics), value(Closing, closing)],
      value(KeyRing, config.keyRing),
      value(LiveServices, services),
      ...streams.providers,
      ...views.providers,
      value(SubscriptionLookup, lookup),
      ...(registrar
        ? [value(Registrar, new Registrar({ producer: streams.producer, view, lookup }, registrar))]
        : []),
    ];
  }

  private link(temper: string, commandTimeoutMs: number): RedisLink {
    const { role } = this.member;
    const link = new RedisLink(this.config.redis, {
      ...{ name: `heliograph-${role}`, log: this.log, commandTimeoutMs },
      gatherMs: role === 'ingest' ? LOOKUPS_GATHER_MS : 0,
    });
    this.closing.add(`Redis (${temper})`, () => link.stop());
    this.health.ready(`redis (${temper})`, () => link.absence);
    return link;
  }

  private watchKafka(): KafkaWatch {
    const watch = new KafkaWatch(this.config.kafka, this.log, this.clientId);
    this.closing.add('Kafka (watch)', () => watch.stop());
    this.health.ready('kafka', () => watch.absence);
    return watch;
  }

  private get clientId(): string {
    return `heliograph-${this.member.role}-${this.instance}`;
  }

  private kafka(temper: keyof typeof KAFKA_REQUEST_MS, retries?: number) {
    const requestTimeoutMs = KAFKA_REQUEST_MS[temper];
    const { log, clientId } = this;
    return createKafka(this.config.kafka, { log, clientId, requestTimeoutMs, retries });
  }

  private async streams(): Promise<{ producer: StreamProducer; providers: Provider[] }> {
    const { config, log, health, closing, metrics } = this;
    const { prefix } = config.streams;
    const admin = this.kafka('admin', 3).admin();
    await admin.connect();
    closing.add('Kafka (admin)', () => admin.disconnect());
    await this.refuseStreams(admin);
    const producer = await KafkaProducer.connect({
      kafka: this.kafka('producer'),
      prefix,
      deadlineMs: this.member.appendDeadlineMs ?? APPEND_DEADLINE_MS,
      waitingBytesMax: WAITING_BYTES_MAX,
      onFailure: (error) => log.sampled('append', 'an append failed', { reason: error.message }),
    });
    closing.add('Kafka (producer)', () => producer.close());
    const consumer = new KafkaConsumer({
      kafka: this.kafka('patient'),
      ...{ admin, prefix, sessionTimeoutMs: SESSION_TIMEOUT_MS },
      onFatal: (error) => exitBecause(givenUp(error)),
      onRetry: (error, partition) =>
        log.sampled('reader', 'reading failed; tried again', { partition, error }),
    });
    health.ready('readings', () => consumer.absence);
    watchCluster(metrics, producer);
    const catalog = new KafkaCatalog({ admin, ...config.streams });
    const providers = [
      value(StreamProducer, producer),
      value(StreamConsumer, consumer),
      value(StreamCatalog, catalog),
      value(DeliveryStreams, new KafkaDeliveryStreams({ admin, prefix })),
    ];
    return { producer, providers };
  }

  private async refuseStreams(admin: Parameters<typeof streamProblems>[0]): Promise<void> {
    const { streams, kafka } = this.config;
    const topics = [NOTIFICATIONS, SUBSCRIPTIONS].map((stream) => streams.prefix + stream);
    await refuseUnseen(admin, { topics, user: kafka.sasl?.username });
    const problems = await streamProblems(admin, streams);
    if (problems.length > 0) throw new StartRefused(problems.join('\n'));
    const { brokers } = await admin.describeCluster();
    if (brokers.length < streams.replicationFactor) {
      throw new StartRefused(
        `Kafka has ${brokers.length} brokers, REPLICATION_FACTOR says ${streams.replicationFactor}: start more brokers or lower it.`,
      );
    }
    if (streams.replicationFactor === 1) {
      this.log.warn('streams have one copy: a broker whose disk is lost takes notifications along');
    }
  }

  private async enter({ client: redis, address }: RedisLink): Promise<RedisLiveServices> {
    const { config, member, log, instance } = this;
    const agreement = new Agreement(redis, address, { ...config, layout: VIEW_LAYOUT });
    const confirm = (): Promise<void> => agreement.confirm();
    await askedAgain(confirm, { log });
    const services = new RedisLiveServices({
      ...{ redis, role: member.role, instance, keyRing: config.keyRing, log, confirm },
      end: exitBecause,
    });
    await askedAgain(() => services.enter(), { log });
    this.closing.add('live services', () => services.leave());
    return services;
  }

  private views(quick: RedisLink, patient: RedisLink) {
    const options = {
      partitions: this.config.partitions,
      mailboxMax: this.member.mailboxMax ?? MAILBOX_MAX,
      mailboxBytesMax: this.member.mailboxBytesMax ?? MAILBOX_BYTES_MAX,
      holderTtlMs: this.member.holderTtlMs ?? HOLDER_TTL_MS,
    };
    const scripts = new RedisScripts({ redis: quick.client, ...options });
    const slow =
      patient === quick ? scripts : new RedisScripts({ redis: patient.client, ...options });
    const providers = [
      value(Presence, new RedisPresence(scripts)),
      value(Mailbox, new RedisMailbox(scripts)),
      value(Leases, new RedisLeases(scripts)),
      value(PartitionView, new RedisPartitionView(slow)),
      value(SubscriptionsView, new RedisSubscriptionsView(slow)),
    ];
    return { quick: scripts, providers };
  }

  private watchSubscriptions(view: SubscriptionsView): void {
    const readiness = new SubscriptionsReadiness(view, this.config.partitions);
    readiness.start();
    this.closing.add('readiness', () => readiness.stop());
    this.health.ready('subscriptions views', () => readiness.absence);
  }
}

function givenUp(error: Error): StartRefused {
  const said = `Kafka cannot be read any more (${error.message}): this process ends, so that a new one begins afresh.`;
  return new StartRefused(said, { cause: error });
}

/** A port is an abstract class: type and token in one. */
function value<T>(provide: { readonly prototype: T }, useValue: T): Provider {
  return { provide: provide as Type<T>, useValue };
}
