/**
 * Starts the built standalone service as a process of its own, for tests that speak to it over sockets and
 * for the bench. `nest build` must have run (`npm test` and `npm run bench` see to it).
 *
 * ```ts
 * const service = await startStandalone();            // free ports, a fresh data directory, ready
 * const socket = new WebSocket(service.gatewayUrl);   // ws://127.0.0.1:<port>/
 * await fetch(`${service.ingestUrl}/wpush/…`);
 * await service.kill();                               // SIGKILL
 * await service.start();                              // again, same ports and data directory
 * (await service.accounts()).pending;                 // from /metrics
 * expect(await service.stop()).toBe(0);               // SIGTERM; the exit code
 * await service.dispose();                            // kills what runs, removes the data directory it made
 * ```
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export const STANDALONE_MAIN = 'dist/apps/standalone/src/main.js';
const LOCALHOST = '127.0.0.1';
const OUTPUT_MAX = 1_000_000;

export interface StandalonePorts {
  readonly gateway: number;
  readonly ingest: number;
  readonly registration: number;
  readonly ops: number;
}

export interface StandaloneOptions {
  /** Beside the defaults of the service and the ports; wins over both. */
  readonly env?: Readonly<Record<string, string>>;
  /** A directory that stays; by default a fresh one that `dispose` removes. */
  readonly dataDir?: string;
  /** By default free ones. They stay the same over restarts, so endpoints stay valid. */
  readonly ports?: StandalonePorts;
  /** How long it may take until it is ready; default 30 s. */
  readonly readyTimeoutMs?: number;
  /** Flags for node itself, e.g. `--cpu-prof`. */
  readonly nodeFlags?: readonly string[];
  /** A command that ends by running its arguments in its place, e.g. `unshare`. */
  readonly within?: readonly string[];
}

/** The invariant of the design: accepted = the sum of the outcomes + pending. */
export interface Accounts {
  readonly accepted: number;
  readonly pending: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** accepted − outcomes − pending. */
  readonly unaccounted: number;
}

/** Every sample of a `/metrics` by its name with labels, as it stands there: `name{label="value"}`. */
export function samplesOf(text: string): ReadonlyMap<string, number> {
  const samples = text.matchAll(/^([^#\n].*) (\S+)$/gm);
  return new Map(Array.from(samples, ([, name = '', value]) => [name, Number(value)]));
}

/** The sums over all partitions that the samples tell of. */
export function accountsOf(samples: ReadonlyMap<string, number>): Accounts {
  let accepted = 0;
  let pending = 0;
  const outcomes: Record<string, number> = {};
  for (const [name, value] of samples) {
    if (name.startsWith('heliograph_accepted_total')) accepted += value;
    if (name.startsWith('heliograph_pending')) pending += value;
    const outcome = /^heliograph_outcomes_total\{.*outcome="([a-z]+)"/.exec(name)?.[1];
    if (outcome !== undefined) outcomes[outcome] = (outcomes[outcome] ?? 0) + value;
  }
  const ended = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
  return { accepted, pending, outcomes, unaccounted: accepted - ended - pending };
}

/** A fresh service that is ready. Rejects with what it printed when it ends before, or is not ready in time. */
export async function startStandalone(options: StandaloneOptions = {}): Promise<Standalone> {
  const service = await Standalone.prepare(options);
  try {
    await service.start();
  } catch (error) {
    await service.dispose();
    throw error;
  }
  return service;
}

/** Runs it to its end, for starts that are refused. Kills it after `timeoutMs` (exit code null then). */
export async function runStandalone(
  options: StandaloneOptions,
  timeoutMs = 10_000,
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const service = await Standalone.prepare(options);
  try {
    const code = await service.runToEnd(timeoutMs);
    return { code, stdout: service.stdout, stderr: service.stderr };
  } finally {
    await service.dispose();
  }
}

export class Standalone {
  /** Since the last start. */
  stdout = '';
  stderr = '';
  /** From spawning the last process until it was ready, ms. */
  readyAfterMs = NaN;
  private child: ChildProcess | undefined;

  private constructor(
    readonly ports: StandalonePorts,
    readonly dataDir: string,
    private readonly options: StandaloneOptions,
  ) {}

  /** Ports and data directory are chosen, nothing runs yet. */
  static async prepare(options: StandaloneOptions): Promise<Standalone> {
    const ports = options.ports ?? (await freeStandalonePorts());
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), 'heliograph-')));
    return new Standalone(ports, dataDir, options);
  }

  get gatewayUrl(): string {
    return `ws://${LOCALHOST}:${this.ports.gateway}/`;
  }

  get ingestUrl(): string {
    return `http://${LOCALHOST}:${this.ports.ingest}`;
  }

  get registrationUrl(): string {
    return `http://${LOCALHOST}:${this.ports.registration}`;
  }

  get opsUrl(): string {
    return `http://${LOCALHOST}:${this.ports.ops}`;
  }

  /** Of the running process. */
  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error('the service does not run');
    return pid;
  }

  get isRunning(): boolean {
    return this.child !== undefined;
  }

  /** Starts it (again) and waits until `/health/ready` says 200. `env` is added for this start alone. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const began = performance.now();
    const child = this.spawn(env);
    const deadline = began + (this.options.readyTimeoutMs ?? 30_000);
    while (!(await this.isReady())) {
      if (this.child !== child) throw new Error(`the service ended at start\n${this.output()}`);
      if (performance.now() > deadline) {
        await this.kill();
        throw new Error(`the service was not ready in time\n${this.output()}`);
      }
      await pause(10);
    }
    this.readyAfterMs = performance.now() - began;
  }

  /** Whether `/health/ready` says 200 now. */
  async isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.opsUrl}/health/ready`)).status === 200;
    } catch {
      return false;
    }
  }

  /** SIGTERM. Resolves with the exit code; null: it was killed, here after `timeoutMs`. */
  async stop(timeoutMs = 40_000): Promise<number | null> {
    return this.end('SIGTERM', timeoutMs);
  }

  /** SIGKILL; resolves when the process is gone. Harmless when it does not run. */
  async kill(): Promise<void> {
    await this.end('SIGKILL', 10_000);
  }

  /** Kills what runs and removes the data directory, unless it was given. */
  async dispose(): Promise<void> {
    await this.kill();
    if (this.options.dataDir === undefined)
      await rm(this.dataDir, { recursive: true, force: true });
  }

  /** Starts it and waits for its end. */
  async runToEnd(timeoutMs: number): Promise<number | null> {
    const child = this.spawn({});
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const [code] = (await once(child, 'close')) as [number | null];
    clearTimeout(timer);
    return code;
  }

  /** What it has printed since its last start. */
  output(): string {
    return `${this.stdout}${this.stderr}`;
  }

  async metrics(): Promise<ReadonlyMap<string, number>> {
    return samplesOf(await (await fetch(`${this.opsUrl}/metrics`)).text());
  }

  /** The accounts of all partitions. */
  async accounts(): Promise<Accounts> {
    return accountsOf(await this.metrics());
  }

  private async end(signal: NodeJS.Signals, timeoutMs: number): Promise<number | null> {
    const { child } = this;
    if (child === undefined) return null;
    const closed = once(child, 'close') as Promise<[number | null]>;
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const [code] = await closed;
    clearTimeout(timer);
    return code;
  }

  private spawn(env: Readonly<Record<string, string>>): ChildProcess {
    if (this.child !== undefined) throw new Error('the service runs already');
    this.stdout = '';
    this.stderr = '';
    const { within = [], nodeFlags = [] } = this.options;
    const command = [...within, process.execPath, ...nodeFlags, STANDALONE_MAIN];
    const child = spawn(command[0] ?? process.execPath, command.slice(1), {
      env: { ...this.settings(), ...this.options.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout = (this.stdout + text).slice(-OUTPUT_MAX);
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-OUTPUT_MAX);
    });
    child.once('close', () => {
      if (this.child === child) this.child = undefined;
    });
    this.child = child;
    return child;
  }

  /** No variable of the caller's shell reaches the service but the path. */
  private settings(): Record<string, string> {
    return {
      PATH: process.env.PATH ?? '',
      DATA_DIR: this.dataDir,
      GATEWAY_PORT: String(this.ports.gateway),
      INGEST_PORT: String(this.ports.ingest),
      REGISTRATION_PORT: String(this.ports.registration),
      OPS_PORT: String(this.ports.ops),
    };
  }
}

/**
 * Ports that nobody listens on now, from below those that systems give to outgoing connections: one of these could
 * take the port of a server while it restarts. Test files that run side by side take theirs from different ranges.
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const from = 10_000 + 5_500 * (Number(process.env.VITEST_POOL_ID ?? 0) % 4);
  const servers: Server[] = [];
  while (servers.length < count) {
    const server = createServer().listen(randomInt(from, from + 5_500), LOCALHOST);
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (isFree) servers.push(server);
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

export async function freeStandalonePorts(): Promise<StandalonePorts> {
  const [gateway, ingest, registration, ops] = (await freePorts(4)) as [
    number,
    number,
    number,
    number,
  ];
  return { gateway, ingest, registration, ops };
}
