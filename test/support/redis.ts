/**
 * A Redis of the test's own: a `redis-server` on a free port, without persistence; or three of them as a Redis
 * Cluster.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Redis } from 'ioredis';
import { pathOf } from './machine.js';
import { freePorts } from './standalone.js';
import { signalTo } from './while-stopped.js';

export interface RedisServer {
  readonly url: string;
  /** For good. */
  stop(): Promise<void>;
  /** Ends it; what it held is lost. */
  end(signal?: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same port, empty. */
  start(): Promise<void>;
  /** FLUSHALL. */
  flush(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): Promise<void>;
}

const LOCALHOST = '127.0.0.1';

export async function startRedis(flags: readonly string[] = []): Promise<RedisServer> {
  const [port = 0] = await freePorts(1);
  const server = new LocalRedis(port, flags);
  await server.start();
  return server;
}

class LocalRedis implements RedisServer {
  readonly url: string;
  private child: ChildProcess | undefined;

  constructor(
    private readonly port: number,
    private readonly flags: readonly string[],
  ) {
    this.url = `redis://${LOCALHOST}:${port}`;
  }

  async start(): Promise<void> {
    const args = ['--port', String(this.port), '--save', '', '--bind', LOCALHOST, ...this.flags];
    this.child = spawn(programOf('redis-server'), args, { stdio: 'ignore' });
    await this.ask((redis) => redis.ping());
  }

  async flush(): Promise<void> {
    await this.ask((redis) => redis.flushall());
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  stop(): Promise<void> {
    return this.end();
  }

  signal(signal: NodeJS.Signals): Promise<void> {
    return signalTo(this.child, signal);
  }

  private async ask(question: (redis: Redis) => Promise<unknown>): Promise<void> {
    const redis = new Redis(this.url, { retryStrategy: () => 50, maxRetriesPerRequest: 100 });
    redis.on('error', () => undefined);
    await question(redis);
    redis.disconnect();
  }
}

export interface RedisShards extends RedisServer {
  readonly urls: readonly string[];
  readonly servers: readonly RedisServer[];
}

/** Three masters that share the slots. */
export async function startRedisCluster(): Promise<RedisShards> {
  const folder = mkdtempSync(join(tmpdir(), 'heliograph-redis-'));
  const ports = await freePorts(3);
  const busPorts = await freePorts(3);
  const servers = await Promise.all(
    ports.map(async (port, i) => {
      const file = join(folder, `nodes-${i}.conf`);
      const flags = ['--cluster-enabled', 'yes', '--cluster-config-file', file];
      const server = new LocalRedis(port, [...flags, '--cluster-port', String(busPorts[i])]);
      await server.start();
      return server;
    }),
  );
  const nodes = ports.map((port) => `${LOCALHOST}:${port}`);
  const create = ['--cluster', 'create', ...nodes, '--cluster-yes'];
  const made = spawnSync(programOf('redis-cli'), create, { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`${made.stdout}${made.stderr}`);
  const urls = servers.map(({ url }) => url);
  const all = async (act: (server: LocalRedis) => Promise<unknown>): Promise<void> =>
    void (await Promise.all(servers.map(act)));
  return {
    url: urls.join(','),
    urls,
    servers,
    end: (signal) => all((server) => server.end(signal)),
    start: () => all((server) => server.start()),
    flush: () => all((server) => server.flush()),
    signal: (signal) => all((server) => server.signal(signal)),
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Beside the `redis-server` that the machine has. */
function programOf(name: string): string {
  const server = pathOf('redis') ?? 'redis-server';
  return name === 'redis-server' ? server : join(dirname(server), name);
}
