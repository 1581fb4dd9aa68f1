/** One built service as a process of its own: started, watched and ended by a test. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { samplesOf } from './standalone.js';

const OUTPUT_MAX = 1_000_000;
/** A process that is stopped (SIGSTOP) takes connections and never answers. */
const ANSWER_MS = 10_000;

export interface ServiceOptions {
  /** For messages. */
  readonly name: string;
  /** The built main, e.g. `dist/apps/router/src/main.js`. */
  readonly main: string;
  /** All of it: no variable of the caller's shell reaches the service but the path. */
  readonly env: Readonly<Record<string, string>>;
  /** Its ops port. */
  readonly opsPort: number;
  readonly readyTimeoutMs?: number;
  readonly nodeFlags?: readonly string[];
}

export interface Report {
  readonly ok: boolean;
  readonly checks: Readonly<Record<string, string>>;
}

export class ServiceProcess {
  /** Since the last start. */
  output = '';
  private child: ChildProcess | undefined;

  constructor(readonly options: ServiceOptions) {}

  get name(): string {
    return this.options.name;
  }

  get opsUrl(): string {
    return `http://127.0.0.1:${this.options.opsPort}`;
  }

  get isRunning(): boolean {
    return this.child !== undefined;
  }

  get pid(): number {
    const pid = this.child?.pid;
    if (pid === undefined) throw new Error(`${this.name} does not run`);
    return pid;
  }

  /** Starts it (again) and waits until it is ready. `env` is added for this start alone. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<void> {
    const child = this.spawn(env);
    const { readyTimeoutMs = 60_000 } = this.options;
    const deadline = performance.now() + readyTimeoutMs;
    while (!(await this.isReady())) {
      if (this.child !== child) throw new Error(`${this.name} ended at start\n${this.output}`);
      if (performance.now() > deadline) {
        await this.kill();
        throw new Error(`${this.name} was not ready in time\n${this.output}`);
      }
      await pause(50);
    }
  }

  /** Starts it and does not wait. */
  spawn(env: Readonly<Record<string, string>> = {}): ChildProcess {
    if (this.child !== undefined) throw new Error(`${this.name} runs already`);
    this.output = '';
    const { main, nodeFlags = [] } = this.options;
    const child = spawn(process.execPath, [...nodeFlags, main], {
      env: { PATH: process.env.PATH ?? '', ...this.options.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const hear = (text: string): void => {
      this.output = (this.output + text).slice(-OUTPUT_MAX);
    };
    child.stdout?.setEncoding('utf8').on('data', hear);
    child.stderr?.setEncoding('utf8').on('data', hear);
    child.once('close', () => {
      if (this.child === child) this.child = undefined;
    });
    this.child = child;
    return child;
  }

  /** Runs it to its end, for starts that are refused. Kills it after `timeoutMs` (null then). */
  async runToEnd(
    env: Readonly<Record<string, string>> = {},
    timeoutMs = 30_000,
  ): Promise<number | null> {
    const child = this.spawn(env);
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    const [code] = (await once(child, 'close')) as [number | null];
    clearTimeout(timer);
    return code;
  }

  /** What `/health/ready` says; undefined: nobody answers. */
  async report(): Promise<Report | undefined> {
    try {
      return (await (await this.ask('/health/ready')).json()) as Report;
    } catch {
      return undefined;
    }
  }

  async isReady(): Promise<boolean> {
    return (await this.report())?.ok ?? false;
  }

  /** SIGTERM. Resolves with the exit code; null: it was killed, here after `timeoutMs`. */
  stop(timeoutMs = 40_000): Promise<number | null> {
    return this.end('SIGTERM', timeoutMs);
  }

  /** SIGKILL; resolves when the process is gone. Harmless when it does not run. */
  async kill(): Promise<void> {
    await this.end('SIGKILL', 10_000);
  }

  /** SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Every sample of `/metrics` by its name with labels, as it stands there: `name{label="value"}`. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    return samplesOf(await (await this.ask('/metrics')).text());
  }

  private ask(path: string): Promise<Response> {
    return fetch(`${this.opsUrl}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) });
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
}
