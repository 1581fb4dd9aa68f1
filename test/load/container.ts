/** One container of a cluster under load: ended, started again, measured. */
import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { getContainerRuntimeClient } from 'testcontainers';
import type { Use } from './engine.js';
import type { Address } from './messages.js';

const ENDED_WITHIN_MS = 30_000;
const REACHED_WITHIN_MS = 500;

type Client = Awaited<ReturnType<typeof getContainerRuntimeClient>>;
type Handle = ReturnType<Client['container']['getById']>;

export class Container {
  private constructor(private readonly handle: Handle) {}

  static async of(id: string): Promise<Container> {
    const { container } = await getContainerRuntimeClient();
    return new Container(container.getById(id));
  }

  async kill(): Promise<void> {
    await this.handle.kill({ signal: 'SIGKILL' });
    const until = performance.now() + ENDED_WITHIN_MS;
    while (await this.isRunning()) {
      if (performance.now() > until) throw new Error('the container does not end by SIGKILL');
      await pause(50);
    }
  }

  /** SIGTERM; SIGKILL after so long. Resolves with the exit code. */
  async stop(graceMs: number): Promise<number> {
    await this.handle.stop({ t: Math.ceil(graceMs / 1_000) });
    return (await this.handle.inspect()).State.ExitCode;
  }

  async start(): Promise<void> {
    await this.handle.start();
  }

  /** Undefined: it does not run. */
  async use(): Promise<Use | undefined> {
    const stats = await this.handle.stats({ stream: false, 'one-shot': true });
    const cpuSeconds = (stats.cpu_stats?.cpu_usage?.total_usage ?? 0) / 1e9;
    const memory = stats.memory_stats;
    // Of what is counted, files that can be forgotten at any time are not the process's.
    const cached = memory?.stats?.inactive_file ?? memory?.stats?.total_inactive_file ?? 0;
    const residentBytes = (memory?.usage ?? 0) - cached;
    return residentBytes > 0 ? { cpuSeconds, residentBytes } : undefined;
  }

  /** Its last lines. */
  async said(): Promise<string> {
    const bytes = await this.handle.logs({ ...{ stdout: true, stderr: true }, tail: 100 });
    return textOf(bytes);
  }

  /**
   * The port at the container itself where it can be reached, as on Linux: the engine's proxy would be one more process
   * with every byte in it, and with two descriptors for each device. Else the published port.
   */
  async address(port: number, published: Address): Promise<Address> {
    const { Networks } = (await this.handle.inspect()).NetworkSettings;
    for (const { IPAddress: host } of Object.values(Networks)) {
      if (host && (await isReached({ host, port }))) return { host, port };
    }
    return published;
  }

  private async isRunning(): Promise<boolean> {
    return (await this.handle.inspect()).State.Running;
  }
}

/** The engine's frames: 8 bytes of which the last four are a length, then so many bytes of text. */
export function textOf(frames: Buffer): string {
  let text = '';
  for (let at = 0; at + 8 <= frames.length;) {
    const end = at + 8 + frames.readUInt32BE(at + 4);
    text += frames.toString('utf8', at + 8, end);
    at = end;
  }
  return text;
}

/** Of all containers that run on this machine. */
export function containerAddresses(): Promise<ReadonlySet<string>> {
  const docker = (...words: readonly string[]): readonly string[] =>
    (spawnSync('docker', words, { encoding: 'utf8', timeout: 20_000 }).stdout ?? '').split(/\s+/);
  const ids = docker('ps', '-q').filter(Boolean);
  if (ids.length === 0) return Promise.resolve(new Set());
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}';
  return Promise.resolve(new Set(docker('inspect', '--format', format, ...ids).filter(Boolean)));
}

function isReached({ host, port }: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.setTimeout(REACHED_WITHIN_MS, () => socket.destroy());
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}
