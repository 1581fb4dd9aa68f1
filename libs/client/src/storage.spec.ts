import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FileStorage } from '#client.file';
import { MemoryStorage } from './index.js';
import { STORED, storageContract } from './storage.contract.js';

describe('a storage in memory', () => {
  const storage = new MemoryStorage();
  storageContract(() => storage);
});

describe('a storage in a file', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'heliograph-client-'));
    path = join(folder, 'device.json');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  storageContract(() => new FileStorage(path));

  test('is for its owner alone, since it holds private keys', async () => {
    await new FileStorage(path).save(STORED);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['device.json']);
  });

  test('outlives a write that was cut off', async () => {
    await new FileStorage(path).save(STORED);
    writeFileSync(`${path}.new`, '{"format":1,"uai');
    expect(await new FileStorage(path).load()).toEqual(STORED);
  });

  test('says which file does not hold what it should', async () => {
    writeFileSync(path, 'garbage');
    await expect(new FileStorage(path).load()).rejects.toThrow(`${path} does not hold`);
  });
});
