import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, readFileSync, statSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { bundled, contents, notification, scratch } from './scratch-log.contract.js';
import { NOTIFICATIONS } from './streams.js';

const { folder, open } = scratch();

describe('the file of the log', () => {
  test('is created for its owner alone, in a directory for its owner alone', async () => {
    const path = join(folder(), 'data', 'log.sqlite');
    const { producer } = await open({ path });
    await producer.append(NOTIFICATIONS, 0, notification('a'));
    for (const [name, mode] of [
      ['..', 0o700],
      ['', 0o600],
      ['-wal', 0o600],
    ] as const) {
      const file = name === '..' ? join(path, name) : path + name;
      expect((statSync(file).mode & 0o777).toString(8), file).toBe(mode.toString(8));
    }
  });

  test('is whole in one file once the log is closed', async () => {
    const path = join(folder(), 'log.sqlite');
    const { producer, log } = await open({ path });
    await producer.append(NOTIFICATIONS, 0, notification('a'));
    await log.close();
    expect(existsSync(`${path}-wal`)).toBe(false);
    expect((await contents(await open({ path }), NOTIFICATIONS)).map((r) => `${r.key}`)).toEqual([
      'a',
    ]);
  });

  test('is made durable by full synchronisation of a write-ahead log', async () => {
    const { log } = await open({ path: join(folder(), 'log.sqlite') });
    const pragma = (name: string): unknown =>
      log.file.database.prepare(`PRAGMA ${name}`).get()?.[name];
    expect(pragma('journal_mode')).toBe('wal');
    expect(pragma('synchronous')).toBe(2);
    expect(pragma('locking_mode')).toBe('exclusive');
  });

  test('loads SQLite without a warning, and lets other warnings pass', async () => {
    const at = folder();
    const program = await bundled(
      at,
      `import { EmbeddedLog } from './streams.embedded.js';
       await (await EmbeddedLog.open({ path: ':memory:', partitions: 1 })).close();
       process.emitWarning('another one', 'ExperimentalWarning');`,
    );
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (bytes) => (said += bytes));
    await once(child, 'close');
    expect(child.exitCode).toBe(0);
    expect(said).toContain('another one');
    expect(said).not.toContain('SQLite');
  });
});

describe('a log that cannot be opened is refused with a sentence:', () => {
  test('in use by another process', async () => {
    const at = folder();
    const path = join(at, 'log.sqlite');
    const program = await bundled(
      at,
      `import { EmbeddedLog } from './streams.embedded.js';
       await EmbeddedLog.open({ path: ${JSON.stringify(path)}, partitions: 1 });
       console.log('open');
       setInterval(() => {}, 1000);`,
    );
    const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await once(child.stdout, 'data');
      await expect(open({ path })).rejects.toThrow(
        `The log ${path} is in use by another process: stop that one, or give this one a DATA_DIR of its own.`,
      );
    } finally {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    // The lock died with its holder.
    await open({ path });
  });

  test('in use by this process', async () => {
    const path = join(folder(), 'log.sqlite');
    await open({ path });
    await expect(open({ path })).rejects.toThrow(`${path} is in use`);
  });

  test('not a database', async () => {
    const path = join(folder(), 'log.sqlite');
    writeFileSync(path, 'something else entirely, and long enough to have a header '.repeat(10));
    await expect(open({ path })).rejects.toThrow(
      `The log ${path} is damaged (file is not a database): restore it from a backup, or move it and its -wal file away to start with an empty one.`,
    );
    expect(readFileSync(path, 'utf8')).toContain('something else entirely');
  });

  test.each([
    ['cut off', (path: string) => writeFileSync(path, readFileSync(path).subarray(0, 20_000))],
    ['overwritten in the middle', overwriteMiddle],
  ])('%s', async (_, damage) => {
    const path = join(folder(), 'log.sqlite');
    const { producer, log } = await open({ path });
    const records = Array.from({ length: 200 }, (_, i) => notification(`${i}`, 1000));
    await producer.appendUntilIn(NOTIFICATIONS, 0, records);
    await log.close();
    damage(path);
    await expect(open({ path })).rejects.toThrow(`The log ${path} is damaged (`);
  });

  test('of another program', async () => {
    const path = join(folder(), 'log.sqlite');
    const other = new DatabaseSync(path);
    other.exec('CREATE TABLE bookmarks (url TEXT)');
    other.close();
    await expect(open({ path })).rejects.toThrow(`${path} is a database of another program`);
  });

  test('of another schema', async () => {
    const path = join(folder(), 'log.sqlite');
    await (await open({ path })).log.close();
    const later = new DatabaseSync(path);
    later.exec('PRAGMA user_version = 2');
    later.close();
    await expect(open({ path })).rejects.toThrow(
      `The log ${path} has schema 2, this version reads 1: run the version that wrote it, or move the file away to start with an empty one.`,
    );
  });

  test('of another number of partitions', async () => {
    const path = join(folder(), 'log.sqlite');
    await (await open({ path, partitions: 2 })).log.close();
    await expect(open({ path, partitions: 4 })).rejects.toThrow(
      `The log ${path} has 2 partitions, not 4: their number is fixed for a log's life, set PARTITIONS back.`,
    );
    await open({ path, partitions: 2 });
  });

  test.each([0, 1.5, 8193])('with %d partitions', async (partitions) => {
    await expect(open({ path: ':memory:', partitions })).rejects.toThrow('1 to 8192');
  });

  test('a directory', async () => {
    const path = folder();
    await expect(open({ path })).rejects.toThrow(`The log ${path} cannot be opened (EISDIR`);
  });

  test('below something that is no directory', async () => {
    const path = join(folder(), 'file', 'log.sqlite');
    writeFileSync(join(path, '..'), '');
    await expect(open({ path })).rejects.toThrow(
      /^The log .*log\.sqlite cannot be opened \(E\w+: .*\): it must be a file that this user may read and write\.$/,
    );
  });
});

function overwriteMiddle(path: string): void {
  const file = openSync(path, 'r+');
  for (let at = 24_576; at < statSync(path).size; at += 8192)
    writeSync(file, Buffer.alloc(64, 0xff), 0, 64, at);
}
