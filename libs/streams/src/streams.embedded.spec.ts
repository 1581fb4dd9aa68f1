import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from 'vitest';
import { streamsContract } from './streams.contract.js';
import type { StreamsHarness } from './streams.contract.js';
import {
  EmbeddedCatalog,
  EmbeddedConsumer,
  EmbeddedLog,
  EmbeddedProducer,
} from './streams.embedded.js';

/** Several clients on one log, in one process. */
async function harnessOn(path: string, cleanUp: () => void): Promise<StreamsHarness> {
  const log = await EmbeddedLog.open({ path, partitions: 2, report: () => {} });
  return {
    partitions: 2,
    client: async () => ({
      producer: new EmbeddedProducer(log),
      consumer: new EmbeddedConsumer(log),
      catalog: new EmbeddedCatalog(log),
    }),
    close: async () => {
      await log.close();
      cleanUp();
    },
  };
}

describe('embedded streams in a file', () => {
  streamsContract(async () => {
    const folder = mkdtempSync(join(tmpdir(), 'heliograph-streams-'));
    return harnessOn(join(folder, 'log.sqlite'), () => rmSync(folder, { recursive: true }));
  });
});

describe('embedded streams in memory', () => {
  streamsContract(() => harnessOn(':memory:', () => {}));
});
