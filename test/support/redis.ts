/** A Redis of the test's own: a `redis-server` on a free port, without persistence. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Redis } from 'ioredis';
import { pathOf } from './machine.js';
import { freePorts } from './standalone.js';

export interface RedisServer {
  readonly url: string;
  stop(): Promise<void>;
}

export async function startRedis(flags: readonly string[] = []): Promise<RedisServer> {
  const [port] = await freePorts(1);
  const program = pathOf('redis') ?? 'redis-server';
  const args = ['--port', String(port), '--save', '', '--bind', '127.0.0.1', ...flags];
  const child = spawn(program, args, { stdio: 'ignore' });
  const url = `redis://127.0.0.1:${port}`;
  const probe = new Redis(url, { retryStrategy: () => 50, maxRetriesPerRequest: 100 });
  probe.on('error', () => undefined);
  await probe.ping();
  probe.disconnect();
  return {
    url,
    stop: async () => {
      if (child.exitCode !== null) return;
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}
