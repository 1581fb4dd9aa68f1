/** One measured standalone service and one load process beside it. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { startStandalone } from '../support/standalone.js';
import type { Standalone } from '../support/standalone.js';
import { LoadProcess } from './load-process.js';
import type { Addresses, CommandName } from './load.js';
import { cpuSecondsOf, pause, residentBytesOf } from './processes.js';

export class Bench {
  private readonly load = new LoadProcess();

  private constructor(readonly service: Standalone) {}

  static async start(): Promise<Bench> {
    const env = { LOG_LEVEL: 'error', HELLO_TIMEOUT_MS: '60000' };
    return new Bench(await startStandalone({ env }));
  }

  async end(): Promise<void> {
    this.load.end();
    await this.service.dispose();
  }

  /** Has the load process do one command; rejects with what it says went wrong. */
  order<Result>(name: CommandName, plan: object = {}): Promise<Result> {
    const { gateway, ingest } = this.service.ports;
    const at: Addresses = { gatewayPorts: [gateway], ingestPorts: [ingest] };
    return this.load.order(name, at, plan);
  }

  /** Resident bytes once the process has been idle for longer than it takes to give memory back. */
  async settledBytes(): Promise<number> {
    await pause(25_000);
    return residentBytesOf(this.service.pid);
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
    const before = cpuSecondsOf(this.service.pid);
    const result = await act();
    return [result, ((cpuSecondsOf(this.service.pid) - before) / count) * 1e6];
  }
}
