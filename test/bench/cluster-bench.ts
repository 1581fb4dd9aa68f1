/** A measured cluster: built services on a Kafka and a Redis of its own, and one load process beside them. */
import { Redis } from 'ioredis';
import { Cluster, startCluster, type ClusterOptions } from '../support/cluster.js';
import type { ServiceProcess } from '../support/service-process.js';
import { LoadProcess } from './load-process.js';
import type { Addresses, CommandName } from './load.js';
import { childrenNamed, cpuSecondsOf, pause, residentBytesOf } from './processes.js';

export type Shape = Partial<Pick<ClusterOptions, 'gateways' | 'ingests' | 'routers'>> &
  Pick<ClusterOptions, 'isAsleep' | 'env'>;

/** CPU seconds by role; `ours`: the services together. */
export interface Cpu {
  readonly gateway: number;
  readonly ingest: number;
  readonly router: number;
  readonly registration: number;
  readonly ours: number;
  readonly kafka: number;
  readonly redis: number;
  readonly load: number;
}

/** The product's default. */
const PARTITIONS = 32;
/** As long as that a service looks idle: what it needs no more has been given back. */
const SETTLED_MS = 25_000;

export class ClusterBench {
  private readonly load = new LoadProcess();
  private readonly redis: Redis;
  private readonly stores: { readonly kafka: number; readonly redis: number };

  private constructor(readonly cluster: Cluster) {
    this.redis = new Redis(cluster.redis.url);
    const [kafka = 0] = childrenNamed('java');
    const [redis = 0] = childrenNamed('redis-server');
    this.stores = { kafka, redis };
  }

  static async start({ env, ...shape }: Shape = {}): Promise<ClusterBench> {
    const cluster = await startCluster({
      ...{ gateways: 1, ingests: 1, routers: 1, registrations: 1, partitions: PARTITIONS },
      ...shape,
      env: {
        ...{ LOG_LEVEL: 'warn', HELLO_TIMEOUT_MS: '60000', RECHECK_INTERVAL_MS: '300000' },
        ...env,
      },
    });
    return new ClusterBench(cluster);
  }

  async end(): Promise<void> {
    this.load.end();
    this.redis.disconnect();
    await this.cluster.dispose();
  }

  order<Result>(name: CommandName, plan: object = {}): Promise<Result> {
    return this.load.order(name, this.addresses(this.cluster.gateways), plan);
  }

  /** At one gateway alone. */
  orderAt<Result>(gateway: number, name: CommandName, plan: object = {}): Promise<Result> {
    const { gateways } = this.cluster;
    return this.load.order(name, this.addresses([gateways[gateway] as ServiceProcess]), plan);
  }

  /** Devices that are connected, greeted and registered. */
  async crowd(count: number): Promise<void> {
    await this.order('connect', { count });
    await this.order('register', { isKeyed: false });
  }

  cpu(): Cpu {
    const { gateways, ingests, routers, registrations } = this.cluster;
    const of = (services: readonly ServiceProcess[]): number =>
      services.reduce((sum, one) => sum + (one.isRunning ? cpuSecondsOf(one.pid) : 0), 0);
    const [gateway, ingest, router, registration] = [
      of(gateways),
      of(ingests),
      of(routers),
      of(registrations),
    ];
    const { kafka, redis } = this.stores;
    return {
      ...{ gateway, ingest, router, registration },
      ours: gateway + ingest + router + registration,
      kafka: cpuSecondsOf(kafka),
      redis: cpuSecondsOf(redis),
      load: cpuSecondsOf(this.load.pid),
    };
  }

  /** What `act` cost for each of `count`, in microseconds of CPU. */
  async cpuMicrosEach<Result>(count: number, act: () => Promise<Result>): Promise<[Result, Cpu]> {
    const before = this.cpu();
    const result = await act();
    const after = this.cpu();
    const each = Object.entries(after).map(([role, seconds]) => [
      role,
      ((seconds - before[role as keyof Cpu]) / count) * 1e6,
    ]);
    return [result, Object.fromEntries(each) as Cpu];
  }

  /** Resident bytes of a service that has had time to give back what it needs no more. */
  async settledBytes(...services: readonly ServiceProcess[]): Promise<readonly number[]> {
    await pause(SETTLED_MS);
    return services.map((service) => residentBytesOf(service.pid));
  }

  /** What Redis says it uses, bytes. */
  async redisBytes(): Promise<number> {
    return Number(/used_memory:(\d+)/.exec(await this.redis.info('memory'))?.[1]);
  }

  /** Waits until a metric, summed over services and labels, is what is asked for; seconds. */
  async untilMetric(
    services: readonly ServiceProcess[],
    name: string,
    isMet: (sum: number) => boolean,
  ): Promise<number> {
    const since = performance.now();
    for (;;) {
      const sum = await this.metric(services, name);
      if (isMet(sum)) return (performance.now() - since) / 1000;
      if (performance.now() - since > 180_000) throw new Error(`${name} stays at ${sum}`);
      await pause(50);
    }
  }

  async metric(services: readonly ServiceProcess[], name: string): Promise<number> {
    let sum = 0;
    for (const service of services) {
      for (const [sample, value] of await service.metrics()) {
        if (sample === name || sample.startsWith(`${name}{`)) sum += value;
      }
    }
    return sum;
  }

  private addresses(gateways: readonly ServiceProcess[]): Addresses {
    const { ingests } = this.cluster;
    return {
      gatewayPorts: gateways.map(({ options }) => Number(options.env.GATEWAY_PORT)),
      ingestPorts: ingests.map(({ options }) => Number(options.env.INGEST_PORT)),
    };
  }
}

/** Beyond it a run has failed. */
const RUN_MS_MAX = 280_000;

/** All processes end with it, also when it takes too long or somebody interrupts. */
export async function onCluster<Result>(
  shape: Shape,
  act: (bench: ClusterBench) => Promise<Result>,
): Promise<Result> {
  const bench = await ClusterBench.start(shape);
  const ending = untilInterrupted();
  try {
    return await Promise.race([act(bench), ending.promise]);
  } catch (error) {
    console.error(bench.cluster.said().slice(-20_000));
    throw error;
  } finally {
    ending.forget();
    await bench.end();
  }
}

function untilInterrupted(): { readonly promise: Promise<never>; readonly forget: () => void } {
  let forget = (): void => undefined;
  const promise = new Promise<never>((_, reject) => {
    const interrupt = (): void => reject(new Error('interrupted'));
    const late = (): void => reject(new Error(`not over within ${RUN_MS_MAX / 1000} s`));
    const timer = setTimeout(late, RUN_MS_MAX);
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
    forget = () => {
      clearTimeout(timer);
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    };
  });
  promise.catch(() => undefined);
  return { promise, forget };
}
