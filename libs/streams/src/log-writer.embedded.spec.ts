import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { AppendFailed } from './producer.js';
import type { LogRecord } from './record.js';
import {
  bundled,
  contents,
  listener,
  notification,
  outcomeOf,
  scratch,
} from './scratch-log.contract.js';
import type { ScratchLog } from './scratch-log.contract.js';
import { NOTIFICATIONS, SUBSCRIPTIONS, deliveriesOf } from './streams.js';

const { folder, open } = scratch();

describe('group commit', () => {
  test('makes all appends of one turn durable with one transaction', async () => {
    const { producer, log } = await open({ path: join(folder(), 'log.sqlite') });
    await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        producer.append(i % 2 ? NOTIFICATIONS : SUBSCRIPTIONS, 0, notification(`${i}`)),
      ),
    );
    expect(log.writer.commits).toBe(1);
    expect(log.writer.records).toBe(200);
  });

  test('cuts a flood into transactions of a thousand', async () => {
    const { producer, log } = await open({ path: ':memory:' });
    const flood = Array.from({ length: 2500 }, (_, i) =>
      producer.append(NOTIFICATIONS, 0, notification(`${i}`)),
    );
    expect(await Promise.all(flood)).toEqual(flood.map((_, i) => i));
    expect(log.writer.commits).toBe(3);
  });

  test('takes announcements along with the next append', async () => {
    const { producer, log } = await open({ path: ':memory:' });
    const offset = await producer.append(NOTIFICATIONS, 0, notification('a'));
    const announced = producer.appendUntilIn(NOTIFICATIONS, 0, [outcomeOf('a', offset)]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(log.writer.commits).toBe(1);
    await producer.append(NOTIFICATIONS, 0, notification('b'));
    await announced;
    expect(log.writer.commits).toBe(2);
    expect(log.writer.records).toBe(3);
  });

  test('commits announcements that nothing comes along for', async () => {
    const { producer, log } = await open({ path: ':memory:' });
    await producer.appendUntilIn(NOTIFICATIONS, 0, [outcomeOf('a', 0)]);
    expect(log.writer.commits).toBe(1);
  });

  test('shows a reader nothing before it is committed, then the very bytes that were appended', async () => {
    const { producer, consumer, log } = await open({ path: ':memory:' });
    const seen: LogRecord[] = [];
    await consumer.read(
      { stream: NOTIFICATIONS },
      listener(0, (record) => seen.push(record)),
    );
    const record = notification('a');
    const appended = producer.append(NOTIFICATIONS, 0, record);
    for (let i = 0; i < 10; i++) await Promise.resolve();
    expect(seen).toEqual([]);
    expect(log.writer.commits).toBe(0);
    await appended;
    await expect.poll(() => seen.length).toBe(1);
    expect(seen[0]?.value).toBe(record.value);
    expect(seen[0]?.key).toBe(record.key);
  });

  test('answers an append before readers see the record', async () => {
    const { producer, consumer } = await open({ path: ':memory:' });
    const order: string[] = [];
    await consumer.read(
      { stream: NOTIFICATIONS },
      listener(0, () => order.push('read')),
    );
    await new Promise((resolve) => setImmediate(resolve));
    await producer.append(NOTIFICATIONS, 0, notification('a')).then(() => order.push('answered'));
    await expect.poll(() => order).toEqual(['answered', 'read']);
  });

  test('stamps records with the clock of the log', async () => {
    const log = await open({ path: ':memory:', clock: () => 1234 });
    await log.producer.append(NOTIFICATIONS, 0, notification('a'));
    expect((await contents(log, NOTIFICATIONS))[0]?.at).toBe(1234);
  });

  test('leaves streams in memory out of it', async () => {
    const { producer, log, catalog } = await open({ path: ':memory:' });
    const stream = deliveriesOf('gateway');
    expect(await producer.append(stream, 0, notification('a'))).toBe(0);
    await producer.appendUntilIn(stream, 0, [notification('b')]);
    expect(await catalog.end(stream, 0)).toBe(2);
    expect(log.writer.commits).toBe(0);
  });
});

describe('offsets', () => {
  test('go on behind the last one after a restart, announcements included', async () => {
    const path = join(folder(), 'log.sqlite');
    const before = await open({ path, partitions: 2 });
    const offset = await before.producer.append(NOTIFICATIONS, 1, notification('a'));
    await before.producer.appendUntilIn(NOTIFICATIONS, 1, [outcomeOf('a', offset)]);
    await before.log.close();
    const after = await open({ path, partitions: 2 });
    expect(await after.catalog.end(NOTIFICATIONS, 0)).toBe(0);
    expect(await after.catalog.end(NOTIFICATIONS, 1)).toBe(2);
    expect(await after.producer.append(NOTIFICATIONS, 1, notification('b'))).toBe(2);
  });
});

describe('a closed log', () => {
  test('has written what was on its way, and refuses what comes later', async () => {
    const path = join(folder(), 'log.sqlite');
    const before = await open({ path });
    const appended = before.producer.append(NOTIFICATIONS, 0, notification('a'));
    const announced = before.producer.appendUntilIn(SUBSCRIPTIONS, 0, [notification('b')]);
    await before.log.close();
    await expect(Promise.all([appended, announced])).resolves.toEqual([0, undefined]);
    const late = before.producer.append(NOTIFICATIONS, 0, notification('c'));
    await expect(late).rejects.toMatchObject({ name: 'AppendFailed', isFateUnknown: false });
    await expect(
      before.producer.appendUntilIn(NOTIFICATIONS, 0, [notification('c')]),
    ).rejects.toThrow('the log is closed');
    const after = await open({ path });
    expect((await contents(after, NOTIFICATIONS)).length).toBe(1);
    expect((await contents(after, SUBSCRIPTIONS)).length).toBe(1);
  });

  test('has ended its readings after the call in flight', async () => {
    const { producer, consumer, log } = await open({ path: ':memory:' });
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    let isReading = false;
    let isDone = false;
    const onBatch = async (): Promise<number> => {
      isReading = true;
      await gate;
      // A reader that announces what it has read still can.
      await producer.appendUntilIn(NOTIFICATIONS, 0, [outcomeOf('a', 0)]);
      isDone = true;
      return 2;
    };
    await consumer.read({ stream: NOTIFICATIONS }, { ...listener(0, () => {}), onBatch });
    await producer.append(NOTIFICATIONS, 0, notification('a'));
    await expect.poll(() => isReading).toBe(true);
    const closed = log.close();
    release();
    await closed;
    expect(isDone).toBe(true);
  });

  test('gives up what cannot be written', async () => {
    const { producer, log } = await open({ path: ':memory:' });
    limitPages(log, 0);
    const announced = producer.appendUntilIn(NOTIFICATIONS, 0, [notification('a', 100_000)]);
    const refused = expect(announced).rejects.toThrow('the log is closed');
    await log.close();
    await refused;
  });
});

/** SQLite's own limit stands in for a disk that is full. */
function limitPages({ file }: ScratchLog['log'], more: number): void {
  const pages = Number(file.database.prepare('PRAGMA page_count').get()?.page_count);
  file.database.exec(`PRAGMA max_page_count = ${pages + more}`);
}

/** Appends until the log refuses; returns what it took, and the refusal. */
async function fill(
  { producer }: ScratchLog,
  bytes: number,
): Promise<{ taken: number[]; refusal: AppendFailed }> {
  const taken: number[] = [];
  for (;;) {
    try {
      taken.push(
        await producer.append(NOTIFICATIONS, 0, notification(`fill ${taken.length}`, bytes)),
      );
    } catch (refusal) {
      if (refusal instanceof AppendFailed) return { taken, refusal };
      throw refusal;
    }
  }
}

describe('a full disk', () => {
  test('fails the appends of that turn, not the log, which takes them again once there is room', async () => {
    const path = join(folder(), 'log.sqlite');
    const full = await open({ path });
    limitPages(full.log, 20);
    const { taken, refusal } = await fill(full, 5000);
    expect(taken.length).toBeGreaterThan(5);
    expect(refusal.isFateUnknown).toBe(false);
    expect(refusal.message).toContain('full');
    expect(full.log.writer.trouble).toContain('full');

    const again = ['x', 'y'].map((key) =>
      full.producer.append(NOTIFICATIONS, 0, notification(key, 5000)),
    );
    const results = await Promise.allSettled(again);
    expect(results.map((result) => result.status)).toEqual(['rejected', 'rejected']);

    limitPages(full.log, 1000);
    const offset = await full.producer.append(NOTIFICATIONS, 0, notification('room', 5000));
    expect(offset).toBe(taken.length);
    expect(full.log.writer.trouble).toBeUndefined();
    await full.log.close();
    const after = await contents(await open({ path }), NOTIFICATIONS);
    expect(after.map((r) => r.offset)).toEqual([...taken, offset]);
  });

  test('makes room for new messages when old ones are settled', async () => {
    const full = await open({ path: ':memory:' });
    limitPages(full.log, 20);
    const { taken } = await fill(full, 5000);
    const outcomes = taken.map((offset, i) => outcomeOf(`fill ${i}`, offset));
    await full.producer.appendUntilIn(NOTIFICATIONS, 0, outcomes);
    await full.producer.append(NOTIFICATIONS, 0, notification('room', 5000));
  });

  test('holds back what goes in until it is in, in order, without holding up the appends', async () => {
    const full = await open({ path: ':memory:' });
    // More than one transaction takes.
    const keysOf = (i: number): string[] => Array.from({ length: 600 }, (_, j) => `${i} ${j}`);
    const call = (i: number): Promise<void> => {
      const records = keysOf(i).map((key) => notification(key, 100));
      return full.producer.appendUntilIn(SUBSCRIPTIONS, 0, records);
    };
    await full.producer.append(NOTIFICATIONS, 0, notification('first'));
    limitPages(full.log, 1);
    const calls = [call(0), call(1)];
    // Small ones still fit, whether they come with what does not fit or after it.
    await full.producer.append(NOTIFICATIONS, 0, notification('with it'));
    expect(full.log.writer.isBackingOff).toBe(true);
    calls.push(call(2), call(3), call(4));
    for (let i = 0; i < 50; i++) {
      await full.producer.append(NOTIFICATIONS, 0, notification('small'));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(full.log.writer.isBackingOff).toBe(true);
    expect((await contents(full, SUBSCRIPTIONS)).length).toBe(0);
    // It was tried a few times by itself, not with each append.
    expect(full.log.writer.failures).toBeLessThan(25);
    limitPages(full.log, 1000);
    await Promise.all(calls);
    expect(full.log.writer.isBackingOff).toBe(false);
    const keys = (await contents(full, SUBSCRIPTIONS)).map((record) => `${record.key}`);
    expect(keys).toEqual([0, 1, 2, 3, 4].flatMap(keysOf));
  });

  test('leaves its readers reading', async () => {
    const full = await open({ path: ':memory:' });
    const seen: LogRecord[] = [];
    await full.consumer.read(
      { stream: NOTIFICATIONS },
      listener(0, (record) => seen.push(record)),
    );
    limitPages(full.log, 10);
    const { taken } = await fill(full, 5000);
    limitPages(full.log, 1000);
    const offset = await full.producer.append(NOTIFICATIONS, 0, notification('room'));
    await expect.poll(() => seen.map((record) => record.offset)).toEqual([...taken, offset]);
  });

  test('is no trouble any more once a small write succeeds', async () => {
    const full = await open({ path: ':memory:' });
    limitPages(full.log, 10);
    await fill(full, 5000);
    limitPages(full.log, 1000);
    full.log.writer.probe();
    expect(full.log.writer.trouble).toBeUndefined();
  });
});

describe('a real disk that takes no more', () => {
  test('is refused, loses nothing, and recovers (a tmpfs of 4 MiB where one may be mounted, else a limit of pages)', async () => {
    const disk = smallDisk() ?? limitedFolder();
    try {
      const full = await open({ path: join(disk.path, 'log', 'log.sqlite') });
      disk.limit(full);
      const { taken, refusal } = await fill(full, 20_000);
      expect(taken.length).toBeGreaterThan(20);
      expect(refusal.message).toContain('full');
      const patient = notification('patient', 50_000);
      const announced = full.producer.appendUntilIn(SUBSCRIPTIONS, 0, [patient]);
      for (let i = 0; i < 20; i++) {
        await full.producer.append(NOTIFICATIONS, 0, notification('no', 200_000)).catch(() => {});
      }
      disk.makeRoom(full);
      await announced;
      const offset = await full.producer.append(NOTIFICATIONS, 0, notification('room', 20_000));
      await full.log.close();
      const after = await open({ path: join(disk.path, 'log', 'log.sqlite') });
      const offsets = (await contents(after, NOTIFICATIONS)).map((record) => record.offset);
      await after.log.close();
      expect(offsets).toEqual(expect.arrayContaining([...taken, offset]));
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    } finally {
      disk.remove();
    }
  });

  test('with an I/O error leaves open whether the record is in, and keeps all that it took', async () => {
    const at = folder();
    const path = join(at, 'log.sqlite');
    const program = await bundled(at, FILLER);
    // The system's limit on the size of a file: a write beyond it fails with EFBIG.
    const limited = ['-c', 'ulimit -f 1000; exec "$0" "$@"', process.execPath, program, path];
    const said = execFileSync('sh', limited, { encoding: 'utf8' });
    const { taken, fates, end } = JSON.parse(said);
    expect(taken.length).toBeGreaterThan(5);
    expect(fates).toEqual([true, true, true]);
    // An offset that may be in the file is not given out again.
    expect(end).toBe(taken.length + fates.length);
    const log = await open({ path });
    const offsets = (await contents(log, NOTIFICATIONS)).map((record) => record.offset);
    expect(offsets.slice(0, taken.length)).toEqual(taken);
  });
});

/** Appends until the disk fails, then twice more, and says what was taken and whether fates were unknown. */
const FILLER = `
import { EmbeddedCatalog, EmbeddedLog, EmbeddedProducer } from './streams.embedded.js';
const log = await EmbeddedLog.open({ path: process.argv[2], partitions: 1 });
const producer = new EmbeddedProducer(log);
const taken = [];
const fates = [];
while (fates.length < 3) {
  const record = { key: Buffer.from('key'), value: Buffer.alloc(5000) };
  await producer.append('notifications', 0, record).then(
    (offset) => taken.push(offset),
    (refusal) => fates.push(refusal.isFateUnknown),
  );
}
const end = await new EmbeddedCatalog(log).end('notifications', 0);
console.log(JSON.stringify({ taken, fates, end }));
process.exit();
`;

interface SmallDisk {
  readonly path: string;
  limit(full: ScratchLog): void;
  makeRoom(full: ScratchLog): void;
  remove(): void;
}

/** undefined: only root may mount one, and only on Linux. */
function smallDisk(): SmallDisk | undefined {
  const path = folder();
  const ballast = join(path, 'ballast');
  const quietly = { stdio: 'ignore' } as const;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', path], quietly);
  } catch {
    return undefined;
  }
  return {
    path,
    limit: () => writeFileSync(ballast, Buffer.alloc(1024 * 1024)),
    makeRoom: () => rmSync(ballast),
    remove: () => execFileSync('umount', ['-l', path], quietly),
  };
}

function limitedFolder(): SmallDisk {
  return {
    path: folder(),
    limit: ({ log }) => limitPages(log, 100),
    makeRoom: ({ log }) => limitPages(log, 1000),
    remove: () => {},
  };
}
