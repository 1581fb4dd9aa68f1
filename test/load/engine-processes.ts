/** The built services, a broker from jars and a `redis-server`, as processes of this machine. */
import { startCluster, type Cluster } from '../support/cluster.js';
import { pathOf } from '../support/machine.js';
import type { ServiceProcess } from '../support/service-process.js';
import type { Accounts } from '../support/standalone.js';
import { Engine, type EngineSettings, type Part, type Use } from './engine.js';
import type { Address } from './messages.js';
import { childWith, useOf } from './proc.js';

const HOST = '127.0.0.1';
/** A gateway spreads its closes over DRAIN_SECONDS, and settles what they leave behind. */
const FAREWELL_MS = 30_000;

/** What this machine lacks for it, as a sentence; undefined: nothing. */
export function lackForProcesses(): string | undefined {
  const lacking = [
    ...(pathOf('kafka') ? [] : ['Java 17 and TEST_KAFKA_LIB (a folder with the jars of Kafka)']),
    ...(pathOf('redis') ? [] : ['redis-server (or TEST_REDIS_SERVER)']),
  ];
  return lacking.length > 0 ? lacking.join(', and ') : undefined;
}

export class ProcessEngine extends Engine {
  readonly says = 'processes of this machine';
  readonly parts: readonly Part[];
  private readonly services: ReadonlyMap<string, ServiceProcess>;

  private constructor(
    private readonly cluster: Cluster,
    private readonly drainMs: number,
  ) {
    super();
    const of = (role: Part['role'], all: readonly ServiceProcess[]): [Part, ServiceProcess][] =>
      all.map((service, i) => [{ name: `${role}-${i}`, role }, service]);
    const { registrations, routers, ingests, gateways } = cluster;
    const services = [
      ...of('gateway', gateways),
      ...of('ingest', ingests),
      ...of('router', routers),
      ...of('registration', registrations),
    ];
    this.services = new Map(services.map(([{ name }, service]) => [name, service]));
    const stores = (['kafka', 'redis'] as const).map((role) => ({ name: role, role }));
    this.parts = [...services.map(([part]) => part), ...stores];
  }

  static async start(settings: EngineSettings): Promise<ProcessEngine> {
    const { gateways, ingests, routers, env } = settings;
    settings.onStep('Kafka, Redis and the services start');
    const partitions = Number(env.PARTITIONS);
    const counts = { gateways, ingests, routers, registrations: 1 };
    const cluster = await startCluster({ ...counts, partitions, env });
    return new ProcessEngine(cluster, Number(env.DRAIN_SECONDS) * 1_000);
  }

  gateways(): readonly Address[] {
    return this.portsOf(this.cluster.gateways, 'GATEWAY_PORT');
  }

  ingests(): readonly Address[] {
    return this.portsOf(this.cluster.ingests, 'INGEST_PORT');
  }

  async kill(part: string): Promise<void> {
    if (part === 'kafka') return this.cluster.kafka.end('SIGKILL');
    if (part === 'redis') return this.cluster.redis.end('SIGKILL');
    await this.service(part).kill();
  }

  stop(part: string): Promise<number | null> {
    return this.service(part).stop(this.drainMs + FAREWELL_MS);
  }

  async start(part: string): Promise<void> {
    if (part === 'kafka') return this.cluster.kafka.start();
    if (part === 'redis') return this.cluster.redis.start();
    await this.service(part).start();
  }

  async use(): Promise<ReadonlyMap<string, Use>> {
    const pids: [string, number | undefined][] = [
      ['kafka', childWith('kafka.Kafka')],
      ['redis', childWith('redis-server')],
    ];
    for (const [name, service] of this.services) {
      if (service.isRunning) pids.push([name, service.pid]);
    }
    const uses = pids.map(([name, pid]) => [name, pid && useOf(pid)] as const);
    return new Map(uses.filter((pair): pair is [string, Use] => typeof pair[1] === 'object'));
  }

  accounts(): Promise<Accounts | undefined> {
    return this.cluster.accounts().catch(() => undefined);
  }

  said(): Promise<string> {
    return Promise.resolve(this.cluster.said());
  }

  dispose(): Promise<void> {
    return this.cluster.dispose();
  }

  private service(part: string): ServiceProcess {
    const service = this.services.get(part);
    if (service === undefined) throw new Error(`there is no ${part}`);
    return service;
  }

  private portsOf(services: readonly ServiceProcess[], variable: string): readonly Address[] {
    return services.map(({ options }) => ({ host: HOST, port: Number(options.env[variable]) }));
  }
}
