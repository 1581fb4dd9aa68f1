import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StartRefused } from '#runtime';
import { KeyRing } from '#webpush';
import { KEY_FILE, endpointKeysOf, openDataDir } from './data-dir.js';

let dataDir: string;
let parent: string;
beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'heliograph-data-'));
  dataDir = join(parent, 'data');
});
afterEach(() => rmSync(parent, { recursive: true }));

const modeOf = (path: string): number => statSync(path).mode & 0o777;
const keyFile = (): string => join(dataDir, KEY_FILE);

describe('a directory that is not there', () => {
  test('has new keys, which are nowhere until it is opened', () => {
    const stored = endpointKeysOf(dataDir);
    expect(stored.isNew).toBe(true);
    expect(KeyRing.parse(stored.keys).keys).toHaveLength(1);
    expect(() => statSync(dataDir)).toThrow('ENOENT');
  });

  test('is made for its user alone, with the keys in it', () => {
    const stored = endpointKeysOf(dataDir);
    openDataDir(dataDir, stored);
    expect([modeOf(dataDir), modeOf(keyFile())]).toEqual([0o700, 0o600]);
    expect(endpointKeysOf(dataDir)).toEqual({ keys: stored.keys, isNew: false });
  });

  test('gets no key file when the keys come from outside', () => {
    openDataDir(dataDir);
    expect(endpointKeysOf(dataDir).isNew).toBe(true);
  });
});

describe('keys that are there', () => {
  test('are kept', () => {
    openDataDir(dataDir, endpointKeysOf(dataDir));
    const before = readFileSync(keyFile(), 'utf8');
    openDataDir(dataDir, endpointKeysOf(dataDir));
    expect(readFileSync(keyFile(), 'utf8')).toBe(before);
  });

  test('may stand one a line, as an editor leaves them', () => {
    mkdirSync(dataDir, { mode: 0o700 });
    writeFileSync(keyFile(), 'one\ntwo,\n three \n');
    expect(endpointKeysOf(dataDir)).toEqual({ keys: 'one,two,three', isNew: false });
  });

  test('are closed to others when somebody has opened them', () => {
    openDataDir(dataDir, endpointKeysOf(dataDir));
    chmodSync(keyFile(), 0o644);
    openDataDir(dataDir, endpointKeysOf(dataDir));
    expect(modeOf(keyFile())).toBe(0o600);
  });
});

describe('a directory that is open to others', () => {
  test('is closed when nothing but ours is in it', () => {
    mkdirSync(join(dataDir, 'logs'), { recursive: true });
    chmodSync(dataDir, 0o755);
    openDataDir(dataDir, endpointKeysOf(dataDir));
    expect(modeOf(dataDir)).toBe(0o700);
  });

  test('and holds other files is refused and left as it is', () => {
    mkdirSync(dataDir);
    chmodSync(dataDir, 0o755);
    writeFileSync(join(dataDir, 'letter.txt'), '');
    expect(() => openDataDir(dataDir, endpointKeysOf(dataDir))).toThrow(StartRefused);
    expect(() => openDataDir(dataDir, endpointKeysOf(dataDir))).toThrow('holds letter.txt');
    expect(modeOf(dataDir)).toBe(0o755);
  });
});

test('a path that is no directory is refused with its name', () => {
  writeFileSync(dataDir, '');
  expect(() => endpointKeysOf(dataDir)).toThrow(`DATA_DIR ${dataDir}`);
  expect(() => openDataDir(dataDir)).toThrow(`DATA_DIR ${dataDir}`);
});
