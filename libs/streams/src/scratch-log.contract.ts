/** What the specs of the embedded log share: a log in a folder of its own, and readers that only listen. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach } from 'vitest';
import type { PartitionReader, StopReading } from './consumer.js';
import type { LogRecord, StreamRecord } from './record.js';
import {
  EmbeddedCatalog,
  EmbeddedConsumer,
  EmbeddedLog,
  EmbeddedProducer,
} from './streams.embedded.js';
import type { EmbeddedLogOptions } from './streams.embedded.js';

export interface ScratchLog {
  readonly log: EmbeddedLog;
  readonly producer: EmbeddedProducer;
  readonly consumer: EmbeddedConsumer;
  readonly catalog: EmbeddedCatalog;
}

/** Folders and logs that are gone after each test. */
export function scratch(): {
  folder(): string;
  open(options: Partial<EmbeddedLogOptions> & { path: string }): Promise<ScratchLog>;
} {
  const folders: string[] = [];
  const logs: EmbeddedLog[] = [];
  afterEach(async () => {
    await Promise.all(logs.splice(0).map((log) => log.close()));
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
  return {
    folder() {
      const folder = mkdtempSync(join(tmpdir(), 'heliograph-log-'));
      folders.push(folder);
      return folder;
    },
    async open(options) {
      const log = await EmbeddedLog.open({ partitions: 1, report: () => {}, ...options });
      logs.push(log);
      const [producer, consumer] = [new EmbeddedProducer(log), new EmbeddedConsumer(log)];
      return { log, producer, consumer, catalog: new EmbeddedCatalog(log) };
    },
  };
}

/** Takes everything from `start` on, and calls `onRecord` for each record. */
export function listener(start: number, onRecord: (record: LogRecord) => void): PartitionReader {
  return {
    onAssigned: async () => start,
    onBatch: async (batch) => {
      for (const record of batch.records) onRecord(record);
      return batch.next;
    },
    onIdle: async () => undefined,
    onRevoked: () => {},
  };
}

/** All that a stream holds now. */
export async function contents(
  { consumer }: ScratchLog,
  stream: string,
): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  const reader = listener(0, (record) => records.push(record));
  let stop: StopReading | undefined;
  await new Promise<void>((resolve, reject) => {
    const onIdle = async (): Promise<undefined> => resolve() as undefined;
    consumer.read({ stream }, { ...reader, onIdle }).then((s) => (stop = s), reject);
  });
  await stop?.();
  return records;
}

export function notification(key: string, bytes = 20): StreamRecord {
  return { key: Buffer.from(key), value: Buffer.alloc(bytes, key) };
}

export function outcomeOf(key: string, offset: number): StreamRecord {
  const headers = { outcome: 'delivered', at: '1', device: 'd', offset: String(offset) };
  return { key: Buffer.from(key), value: null, headers };
}

export function cancelOf(key: string): StreamRecord {
  return { key: Buffer.from(`\0${key}`), value: null, headers: { cancel: '1', device: 'd' } };
}

/** A program for a process of its own: TypeScript with this folder's imports, bundled into `folder`. */
export async function bundled(folder: string, source: string): Promise<string> {
  const outfile = join(folder, 'program.mjs');
  await build({
    stdin: { contents: source, loader: 'ts', resolveDir: import.meta.dirname },
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    conditions: ['source'],
    outfile,
    logLevel: 'silent',
  });
  return outfile;
}
