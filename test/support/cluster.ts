/**
 * A cluster of built services on a Kafka and a Redis of its own, for tests that end parts of it.
 *
 * ```ts
 * const cluster = await startCluster({ gateways: 3, ingests: 2, routers: 2, registrations: 1 });
 * await Device.greeted(cluster.gatewayUrl(1));
 * await accepted(cluster.at(1, endpoint), 'by the second ingest');
 * await cluster.gateways[1].kill();                  // and .start(), .stop(), .signal('SIGSTOP')
 * await cluster.redis.flush();
 * await cluster.settled();                           // nothing pending, accounts that add up
 * await cluster.dispose();
 * ```
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { startKafka, type KafkaServer } from './kafka.js';
import { startRedis, type RedisServer } from './redis.js';
import { ServiceProcess } from './service-process.js';
import { accountsOf, freePorts, type Accounts } from './standalone.js';

export interface ClusterOptions {
  readonly gateways: number;
  readonly ingests: number;
  readonly routers: number;
  readonly registrations: number;
  readonly partitions?: number;
  /** For every service. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: a local process of its own each. They end with the cluster. */
  readonly kafka?: KafkaServer;
  readonly redis?: RedisServer;
  /** Nothing is started but Kafka and Redis, and the streams are created. */
  readonly isAsleep?: boolean;
}

type Role = 'gateway' | 'ingest' | 'router' | 'registration';
const HOST = '127.0.0.1';

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const [kafka, redis] = await Promise.all([
    options.kafka ?? startKafka(),
    options.redis ?? startRedis(),
  ]);
  const { gateways, ingests, routers, registrations } = options;
  const services = gateways + ingests + routers + registrations;
  const ports = await freePorts(services + gateways + ingests + registrations);
  const cluster = new Cluster(kafka, redis, options, [...ports]);
  try {
    await cluster.createStreams();
    if (!options.isAsleep) await cluster.start();
  } catch (error) {
    await cluster.dispose();
    throw error;
  }
  return cluster;
}

export class Cluster {
  readonly gateways: readonly ServiceProcess[];
  readonly ingests: readonly ServiceProcess[];
  routers: readonly ServiceProcess[];
  readonly registrations: readonly ServiceProcess[];
  /** What all services are told. */
  readonly env: Readonly<Record<string, string>>;
  private readonly publicEndpointUrl: string;

  constructor(
    readonly kafka: KafkaServer,
    readonly redis: RedisServer,
    options: ClusterOptions,
    ports: number[],
  ) {
    const of = (count: number): number[] => ports.splice(0, count);
    const [gatewayPorts, ingestPorts, registrationPorts] = [
      of(options.gateways),
      of(options.ingests),
      of(options.registrations),
    ];
    this.publicEndpointUrl = `http://${HOST}:${ingestPorts[0]}`;
    this.env = {
      HOST,
      KAFKA_BROKERS: kafka.brokers.join(','),
      REDIS_URL: redis.url,
      STREAM_PREFIX: `test-${randomBytes(4).toString('hex')}.`,
      PARTITIONS: String(options.partitions ?? 6),
      REPLICATION_FACTOR: '1',
      PUBLIC_ENDPOINT_URL: this.publicEndpointUrl,
      PUBLIC_GATEWAY_URL: `ws://${HOST}:${gatewayPorts[0]}/`,
      ENDPOINT_KEYS: randomBytes(32).toString('base64url'),
      // No load balancer stands before them.
      NOTICE_SECONDS: '0',
      DRAIN_SECONDS: '1',
      // What was missed comes late; a test does not wait five minutes for it.
      RECHECK_INTERVAL_MS: '4000',
      ...options.env,
    };
    const make = (role: Role, env: Record<string, string>, i: number): ServiceProcess =>
      this.service(role, { name: `${role} ${i}`, opsPort: of(1)[0] ?? 0, env });
    this.gateways = gatewayPorts.map((port, i) =>
      make('gateway', { GATEWAY_PORT: String(port), GATEWAY_ID: `gateway-${i}` }, i),
    );
    this.ingests = ingestPorts.map((port, i) => make('ingest', { INGEST_PORT: String(port) }, i));
    this.registrations = registrationPorts.map((port, i) =>
      make('registration', { REGISTRATION_PORT: String(port) }, i),
    );
    this.routers = Array.from({ length: options.routers }, (_, i) => make('router', {}, i));
  }

  get services(): readonly ServiceProcess[] {
    return [...this.registrations, ...this.routers, ...this.gateways, ...this.ingests];
  }

  /** One more, with what all are told. */
  service(
    role: Role,
    how: { readonly name: string; readonly opsPort: number; readonly env: Record<string, string> },
  ): ServiceProcess {
    const { name, opsPort, env } = how;
    return new ServiceProcess({
      ...{ name, opsPort, main: `dist/apps/${role}/src/main.js` },
      env: { ...this.env, OPS_PORT: String(opsPort), ...env },
    });
  }

  /** One more router, which belongs to the cluster from now on; it does not run yet. */
  async enlistRouter(): Promise<ServiceProcess> {
    const [opsPort = 0] = await freePorts(1);
    const router = this.service('router', { name: 'one more router', opsPort, env: {} });
    this.routers = [...this.routers, router];
    return router;
  }

  async dismissRouter(router: ServiceProcess): Promise<void> {
    await router.kill();
    this.routers = this.routers.filter((one) => one !== router);
  }

  gatewayUrl(index: number): string {
    return `ws://${HOST}:${this.gateways[index]?.options.env.GATEWAY_PORT}/`;
  }

  ingestUrl(index: number): string {
    return `http://${HOST}:${this.ingests[index]?.options.env.INGEST_PORT}`;
  }

  registrationUrl(index: number): string {
    return `http://${HOST}:${this.registrations[index]?.options.env.REGISTRATION_PORT}`;
  }

  /** The same endpoint, or `Location`, at another ingest: what a load balancer does. */
  at(ingest: number, address: string): string {
    return address.replace(this.publicEndpointUrl, this.ingestUrl(ingest));
  }

  /** `npm run streams`. Resolves with what it said; rejects with that when it refuses. */
  async createStreams(env: Readonly<Record<string, string>> = {}): Promise<string> {
    const main = 'dist/deploy/create-streams.js';
    const run = new ServiceProcess({ name: 'streams', main, env: this.env, opsPort: 0 });
    const code = await run.runToEnd(env);
    if (code !== 0) throw new Error(run.output);
    return run.output;
  }

  /** All that do not run, at once. */
  async start(): Promise<void> {
    const resting = this.services.filter(({ isRunning }) => !isRunning);
    await Promise.all(resting.map((service) => service.start()));
  }

  /** Resolves when all say that they are ready. */
  async ready(withinMs = 60_000): Promise<void> {
    const until = performance.now() + withinMs;
    for (;;) {
      const unready: string[] = [];
      for (const service of this.services) {
        const report = await service.report();
        if (report?.ok) continue;
        const last = service.output.slice(-2_000);
        unready.push(`${service.name}: ${JSON.stringify(report?.checks)}\n${last}`);
      }
      if (unready.length === 0) return;
      if (performance.now() > until) throw new Error(`not ready: ${unready.join('\n')}`);
      await pause(100);
    }
  }

  /** Of all partitions; each is told by the router that owns it. */
  async accounts(): Promise<Accounts> {
    const running = this.routers.filter(({ isRunning }) => isRunning);
    const all = await Promise.all(running.map((router) => router.metrics()));
    return accountsOf(new Map(all.flatMap((one) => [...one])));
  }

  /** Resolves with the accounts when at most so many are pending (default: none) and they add up. */
  async settled(pendingMax = 0, withinMs = 30_000): Promise<Accounts> {
    const until = performance.now() + withinMs;
    for (;;) {
      const accounts = await this.accounts();
      if (accounts.pending <= pendingMax && accounts.unaccounted === 0) return accounts;
      if (performance.now() > until) {
        throw new Error(`the accounts do not settle: ${JSON.stringify(accounts)}`);
      }
      await pause(200);
    }
  }

  /** What every service said since its last start. */
  said(): string {
    return this.services.map(({ name, output }) => `=== ${name}\n${output}`).join('\n');
  }

  async dispose(): Promise<void> {
    await Promise.all(this.services.map((service) => service.kill()));
    await Promise.all([this.kafka.stop(), this.redis.stop()]);
  }
}
