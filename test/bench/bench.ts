/** One measured service and one load process beside it. */
import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startStandalone } from '../support/standalone.js';
import type { Standalone } from '../support/standalone.js';
import type { Addresses, CommandName } from './load.js';

const LOAD_MAIN = 'dist/test/bench/load.js';
/** USER_HZ of Linux: what /proc counts CPU time in. */
const TICKS_PER_SECOND = 100;

export class Bench {
  private constructor(
    readonly service: Standalone,
    private readonly load: ChildProcess,
  ) {}

  static async start(): Promise<Bench> {
    const env = { LOG_LEVEL: 'error', HELLO_TIMEOUT_MS: '60000' };
    const service = await startStandalone({ env });
    return new Bench(service, fork(LOAD_MAIN, { execArgv: ['--max-old-space-size=4096'] }));
  }

  async end(): Promise<void> {
    this.load.kill('SIGKILL');
    await this.service.dispose();
  }

  /** Has the load process do one command; rejects with what it says went wrong. */
  order<Result>(name: CommandName, plan: object = {}): Promise<Result> {
    const at: Addresses = {
      gatewayPort: this.service.ports.gateway,
      ingestPort: this.service.ports.ingest,
    };
    return new Promise((resolve, reject) => {
      this.load.once('message', (answer: { result?: Result; error?: string }) =>
        answer.error === undefined
          ? resolve(answer.result as Result)
          : reject(new Error(answer.error)),
      );
      this.load.send({ name, at, plan });
    });
  }

  /** CPU seconds of the service so far, user and system. */
  cpuSeconds(): number {
    const stat = readFileSync(`/proc/${this.service.pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  }

  /** Resident bytes of the service. */
  residentBytes(): number {
    const status = readFileSync(`/proc/${this.service.pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) * 1024;
  }

  /** Resident bytes once the process has been idle for longer than it takes to give memory back. */
  async settledBytes(): Promise<number> {
    await pause(25_000);
    return this.residentBytes();
  }

  /** Bytes of the files in the data directory. */
  fileBytes(): number {
    const files = readdirSync(this.service.dataDir, { recursive: true, withFileTypes: true });
    return files
      .filter((file) => file.isFile())
      .reduce((sum, file) => sum + statSync(join(file.parentPath, file.name)).size, 0);
  }

  /** Microseconds of service CPU that `act` cost for each of `count`. */
  async cpuMicrosEach<Result>(
    count: number,
    act: () => Promise<Result>,
  ): Promise<[Result, number]> {
    const before = this.cpuSeconds();
    const result = await act();
    return [result, ((this.cpuSeconds() - before) / count) * 1e6];
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
