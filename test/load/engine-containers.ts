/**
 * The cluster from the image, by testcontainers: Kafka and Redis are the images that TEST_KAFKA_IMAGE and
 * TEST_REDIS_IMAGE name, or the official ones.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { GenericContainer, Network, Wait, type StartedNetwork } from 'testcontainers';
import type { StartedTestContainer } from 'testcontainers';
import { KAFKA_PORT, kafkaEnvironment } from '../support/kafka-environment.js';
import { ROOT } from '../support/sources.js';
import { freePorts, type Accounts } from '../support/standalone.js';
import { accountsOf } from './accounts.js';
import { Container } from './container.js';
import { Engine, type EngineSettings, type Part, type Use } from './engine.js';
import type { FaultRole } from './faults.js';
import type { Address } from './messages.js';

const HOST = '127.0.0.1';
const OPS_PORT = 9464;
const PORTS = { gateway: 8080, ingest: 8081, registration: 8082, router: 0 } as const;
const READY_WITHIN_MS = 90_000;
const FAREWELL_MS = 30_000;
const NOTICED_AFTER_MS = 2_000;

interface Piece {
  readonly part: Part;
  readonly container: Container;
  /** Undefined: Kafka or Redis. */
  readonly opsUrl?: string;
  readonly port: number;
  readonly published: Address;
  address: Address;
}

export class ContainerEngine extends Engine {
  readonly says: string;
  private readonly pieces = new Map<string, Piece>();
  private readonly started: StartedTestContainer[] = [];
  private network: StartedNetwork | undefined;

  private constructor(
    private readonly settings: EngineSettings,
    private readonly image: string,
  ) {
    super();
    this.says = `containers of ${image}`;
  }

  static async start(settings: EngineSettings): Promise<ContainerEngine> {
    const engine = new ContainerEngine(settings, settings.image ?? imageOfThisVersion());
    try {
      await engine.startAll();
      return engine;
    } catch (error) {
      const said = await engine.said().catch(() => '');
      await engine.dispose();
      throw new Error(`the cluster of containers did not start\n${said}`, { cause: error });
    }
  }

  get parts(): readonly Part[] {
    // They are known in the order in which they became ready.
    const parts = [...this.pieces.values()].map(({ part }) => part);
    return parts.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
  }

  gateways(): readonly Address[] {
    return this.addressesOf('gateway');
  }

  ingests(): readonly Address[] {
    return this.addressesOf('ingest');
  }

  kill(part: string): Promise<void> {
    return this.piece(part).container.kill();
  }

  stop(part: string): Promise<number | null> {
    const drainMs = Number(this.settings.env.DRAIN_SECONDS) * 1_000;
    return this.piece(part).container.stop(drainMs + FAREWELL_MS);
  }

  async start(part: string): Promise<void> {
    const piece = this.piece(part);
    await piece.container.start();
    if (piece.opsUrl) return this.ready(piece);
    // A store is back when those who need it say so; it may take them a moment to notice that it was away.
    await pause(NOTICED_AFTER_MS);
    await Promise.all([...this.pieces.values()].map((one) => this.ready(one)));
  }

  async use(): Promise<ReadonlyMap<string, Use>> {
    const uses = await Promise.all(
      [...this.pieces.values()].map(async ({ part, container }) => {
        const use = await container.use().catch(() => undefined);
        return use ? [[part.name, use] as const] : [];
      }),
    );
    return new Map(uses.flat());
  }

  async accounts(): Promise<Accounts | undefined> {
    const routers = [...this.pieces.values()].filter(({ part }) => part.role === 'router');
    const scrapes = routers.map(async ({ opsUrl }) => (await fetch(`${opsUrl}/metrics`)).text());
    return Promise.all(scrapes).then(accountsOf, () => undefined);
  }

  async said(): Promise<string> {
    const all = [...this.pieces.values()].map(
      async ({ part, container }) => `=== ${part.name}\n${await container.said()}`,
    );
    return (await Promise.all(all)).join('\n');
  }

  async dispose(): Promise<void> {
    const gone = { timeout: 0, remove: true, removeVolumes: true };
    await Promise.allSettled(this.started.map((container) => container.stop(gone)));
    await this.network?.stop().catch(() => undefined);
  }

  private async startAll(): Promise<void> {
    const { onStep, gateways, ingests, routers } = this.settings;
    onStep('Kafka and Redis start');
    this.network = await new Network().start();
    await Promise.all([this.startKafka(), this.startRedis()]);
    const ports = [...(await freePorts(2 * (gateways + ingests + routers + 1)))];
    const [firstGateway = 0, firstIngest = 0] = [ports.pop(), ports.pop()];
    const env = {
      ...{ KAFKA_BROKERS: 'kafka:9092', REDIS_URL: 'redis://redis:6379' },
      ...{ REPLICATION_FACTOR: '1', ENDPOINT_KEYS: randomBytes(32).toString('base64url') },
      PUBLIC_ENDPOINT_URL: `http://${HOST}:${firstIngest}`,
      PUBLIC_GATEWAY_URL: `ws://${HOST}:${firstGateway}/`,
      ...this.settings.env,
    };
    onStep(`the streams are created, and the services start from ${this.image}`);
    await this.createStreams(env);
    const counts = { registration: 1, router: routers, ingest: ingests, gateway: gateways };
    const services = Object.entries(counts).flatMap(([role, count]) =>
      Array.from({ length: count }, (_, i) => [role as keyof typeof PORTS, i] as const),
    );
    ports.push(firstGateway, firstIngest);
    const jobs = services.map(([role, i]) =>
      this.startService(
        { name: `${role}-${i}`, role },
        { ...env, ...(role === 'gateway' && { GATEWAY_ID: `gateway-${i}` }) },
        [ports.pop() ?? 0, ports.pop() ?? 0],
      ),
    );
    await Promise.all(jobs);
  }

  private async startKafka(): Promise<void> {
    const image = process.env.TEST_KAFKA_IMAGE || 'apache/kafka:4.1.0';
    const container = this.inNetwork(image, 'kafka')
      .withEnvironment(kafkaEnvironment(`kafka:${KAFKA_PORT}`, '-Xms256m -Xmx512m'))
      .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/));
    await this.keep({ name: 'kafka', role: 'kafka' }, container);
  }

  private async startRedis(): Promise<void> {
    const container = this.inNetwork(process.env.TEST_REDIS_IMAGE || 'redis:7.4', 'redis')
      .withCommand(['redis-server', '--save', '', '--maxmemory-policy', 'noeviction'])
      .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/));
    await this.keep({ name: 'redis', role: 'redis' }, container);
  }

  private async createStreams(env: Readonly<Record<string, string>>): Promise<void> {
    const job = this.inNetwork(this.image, 'streams')
      .withEnvironment(env)
      .withCommand(['streams'])
      .withWaitStrategy(Wait.forOneShotStartup());
    this.started.push(await job.start());
  }

  private async startService(
    part: Part & { readonly role: keyof typeof PORTS },
    env: Readonly<Record<string, string>>,
    [opsPort, port]: readonly [number, number],
  ): Promise<void> {
    const inner = PORTS[part.role];
    const container = this.inNetwork(this.image, part.name)
      .withEnvironment(env)
      .withCommand([part.role])
      .withExposedPorts(
        { container: OPS_PORT, host: opsPort },
        ...(inner ? [{ container: inner, host: port }] : []),
      )
      .withWaitStrategy(Wait.forListeningPorts());
    const opsUrl = `http://${HOST}:${opsPort}`;
    const published = { host: HOST, port };
    await this.ready(await this.keep(part, container, { opsUrl, port: inner, published }));
  }

  private async keep(
    part: Part,
    container: GenericContainer,
    at: { opsUrl?: string; port: number; published: Address } = { port: 0, published: NOWHERE },
  ): Promise<Piece> {
    const started = await container.withStartupTimeout(READY_WITHIN_MS).start();
    this.started.push(started);
    const own = await Container.of(started.getId());
    const piece: Piece = { part, ...at, container: own, address: at.published };
    this.pieces.set(part.name, piece);
    return piece;
  }

  /** A service: when it says so. Kafka and Redis are waited for by the services at their start. */
  private async ready(piece: Piece): Promise<void> {
    if (piece.opsUrl === undefined) return;
    const until = performance.now() + READY_WITHIN_MS;
    const isReady = (): Promise<boolean> =>
      fetch(`${piece.opsUrl}/health/ready`).then(
        ({ ok }) => ok,
        () => false,
      );
    while (!(await isReady())) {
      if (performance.now() > until) throw new Error(`${piece.part.name} was not ready in time`);
      await pause(100);
    }
    if (piece.port) piece.address = await piece.container.address(piece.port, piece.published);
  }

  private inNetwork(image: string, alias: string): GenericContainer {
    if (this.network === undefined) throw new Error('there is no network yet');
    return new GenericContainer(image).withNetwork(this.network).withNetworkAliases(alias);
  }

  private addressesOf(role: FaultRole): readonly Address[] {
    const parts = this.parts.filter((part) => part.role === role);
    return parts.map(({ name }) => this.piece(name).address);
  }

  private piece(part: string): Piece {
    const piece = this.pieces.get(part);
    if (piece === undefined) throw new Error(`there is no ${part}`);
    return piece;
  }
}

const NOWHERE: Address = { host: HOST, port: 0 };

export function imageOfThisVersion(): string {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    version: string;
  };
  return process.env.TEST_IMAGE || `heliograph:${version}`;
}
