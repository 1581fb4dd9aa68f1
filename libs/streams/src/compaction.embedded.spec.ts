import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  cancelOf,
  contents,
  listener,
  notification,
  outcomeOf,
  scratch,
} from './scratch-log.contract.js';
import type { ScratchLog } from './scratch-log.contract.js';
import type { LogRecord } from './record.js';
import { NOTIFICATIONS, SUBSCRIPTIONS } from './streams.js';

const { folder, open } = scratch();
const DAY_MS = 86_400_000;

async function keysOf(log: ScratchLog, stream = NOTIFICATIONS): Promise<string[]> {
  return (await contents(log, stream)).map((record) => `${record.key}`);
}

/** Rows of a table, of all partitions. */
function rows({ log }: ScratchLog, table = NOTIFICATIONS): number {
  const counted = log.file.database.prepare(`SELECT count(*) AS n FROM ${table}`).get();
  return Number(counted?.n);
}

describe('notifications', () => {
  test('go from the file when their outcome is announced, and the others stay', async () => {
    const path = join(folder(), 'log.sqlite');
    const before = await open({ path });
    const offsets = await Promise.all(
      ['a', 'b', 'c'].map((key) => before.producer.append(NOTIFICATIONS, 0, notification(key))),
    );
    await before.producer.appendUntilIn(NOTIFICATIONS, 0, [outcomeOf('b', offsets[1]!)]);
    expect(rows(before)).toBe(2);
    await before.log.close();
    expect(await keysOf(await open({ path }))).toEqual(['a', 'c']);
  });

  test('stay when an announcement names another message at their offset', async () => {
    const log = await open({ path: ':memory:' });
    const offset = await log.producer.append(NOTIFICATIONS, 0, notification('a'));
    const wrong = [outcomeOf('b', offset), outcomeOf('a', offset + 1), outcomeOf('a', NaN)];
    await log.producer.appendUntilIn(NOTIFICATIONS, 0, wrong);
    expect(rows(log)).toBe(1);
  });

  test('of one partition are nothing to an announcement in another', async () => {
    const log = await open({ path: ':memory:', partitions: 2 });
    const offset = await log.producer.append(NOTIFICATIONS, 1, notification('a'));
    await log.producer.appendUntilIn(NOTIFICATIONS, 0, [outcomeOf('a', offset)]);
    expect(rows(log)).toBe(1);
  });

  test('leave the file as large after 60,000 settled ones as after 6,000', async () => {
    const log = await open({ path: join(folder(), 'log.sqlite') });
    const settle = async (count: number): Promise<void> => {
      let announced: Promise<void> | undefined;
      for (let i = 0; i < count; i += 100) {
        const keys = Array.from({ length: 100 }, (_, j) => `message ${i + j}`);
        const offsets = await Promise.all(
          keys.map((key) => log.producer.append(NOTIFICATIONS, 0, notification(key, 1000))),
        );
        const outcomes = keys.map((key, j) => outcomeOf(key, offsets[j]!));
        // They ride with the next appends.
        announced = log.producer.appendUntilIn(NOTIFICATIONS, 0, outcomes);
      }
      await announced;
    };
    await settle(6_000);
    const size = log.log.fileBytes;
    await settle(54_000);
    expect(log.log.fileBytes).toBe(size);
    expect(rows(log)).toBe(0);
    expect(log.log.tailBytes).toBe(0);
  });

  test('older than the longest TTL and a day are removed, oldest first', async () => {
    let now = 1_800_000_000_000;
    const log = await open({ path: ':memory:', clock: () => now });
    await log.producer.append(NOTIFICATIONS, 0, notification('old'));
    now += 2 * DAY_MS;
    await log.producer.append(NOTIFICATIONS, 0, notification('young'));
    now += 29 * DAY_MS;
    log.log.sweep();
    expect(await keysOf(log)).toEqual(['old', 'young']);
    now += 1;
    log.log.sweep();
    expect(await keysOf(log)).toEqual(['young']);
  });
});

describe('a cancel', () => {
  /** Reads to the end, and stays there. */
  async function readAll({ consumer }: ScratchLog): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const onIdle = async (): Promise<undefined> => resolve() as undefined;
      const reader = { ...listener(0, () => {}), onIdle };
      consumer.read({ stream: NOTIFICATIONS }, reader).catch(reject);
    });
  }

  test('is durable, and so is its message, until the outcome is announced', async () => {
    const path = join(folder(), 'log.sqlite');
    const before = await open({ path });
    await before.producer.append(NOTIFICATIONS, 0, notification('a'));
    await before.producer.append(NOTIFICATIONS, 0, cancelOf('a'));
    await before.log.close();
    const after = await open({ path });
    expect(await keysOf(after)).toEqual(['a', '\0a']);
    after.log.sweep();
    after.log.sweep();
    expect(rows(after)).toBe(2);
  });

  test('goes when all readers had passed it at the sweep before', async () => {
    const log = await open({ path: ':memory:' });
    await log.producer.append(NOTIFICATIONS, 0, notification('open'));
    for (let i = 0; i < 50; i++) await log.producer.append(NOTIFICATIONS, 0, cancelOf(`gone ${i}`));
    await readAll(log);
    log.log.sweep();
    expect(rows(log)).toBe(51);
    log.log.sweep();
    expect(await keysOf(log)).toEqual(['open']);
  });

  test('that a reader has not passed stays', async () => {
    const log = await open({ path: ':memory:' });
    let isRead = false;
    const onBatch = async (): Promise<number> => {
      isRead = true;
      throw new Error('a store is away');
    };
    await log.consumer.read({ stream: NOTIFICATIONS }, { ...listener(0, () => {}), onBatch });
    await log.producer.append(NOTIFICATIONS, 0, cancelOf('a'));
    await expect.poll(() => isRead).toBe(true);
    log.log.sweep();
    log.log.sweep();
    expect(rows(log)).toBe(1);
  });
});

describe('subscriptions', () => {
  test('hold the last record per key, and none for a key that is gone', async () => {
    const path = join(folder(), 'log.sqlite');
    const before = await open({ path });
    const key = Buffer.from('key');
    const append = (value: string | null, k = key): Promise<number> =>
      before.producer.append(SUBSCRIPTIONS, 0, {
        key: k,
        value: value === null ? null : Buffer.from(value),
      });
    await Promise.all([append('1'), append('x', Buffer.from('other')), append('2'), append('3')]);
    await append('y', Buffer.from('gone'));
    await append(null, Buffer.from('gone'));
    await before.log.close();
    const after = await contents(await open({ path }), SUBSCRIPTIONS);
    expect(after.map((r) => `${r.key} ${r.value}`)).toEqual(['other x', 'key 3']);
    expect(after.map((r) => r.offset)).toEqual([1, 3]);
  });

  test('are compacted within their partition only', async () => {
    const log = await open({ path: ':memory:', partitions: 2 });
    await log.producer.append(SUBSCRIPTIONS, 0, notification('a'));
    await log.producer.append(SUBSCRIPTIONS, 1, notification('a'));
    expect(rows(log, SUBSCRIPTIONS)).toBe(2);
  });

  test('leave the file as large after 20,000 renewals as after 2,000', async () => {
    const log = await open({ path: join(folder(), 'log.sqlite') });
    const renew = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 500) {
        const records = Array.from({ length: 500 }, (_, j) => notification(`device ${j}`, 60));
        await log.producer.appendUntilIn(SUBSCRIPTIONS, 0, records);
      }
    };
    await renew(2_000);
    const size = log.log.fileBytes;
    await renew(18_000);
    expect(log.log.fileBytes).toBeLessThanOrEqual(size * 1.1);
    expect(rows(log, SUBSCRIPTIONS)).toBe(500);
  });
});

describe('a reader that is far behind', () => {
  test('sees every open message, and every announcement that was made meanwhile, in order', async () => {
    const log = await open({ path: join(folder(), 'log.sqlite') });
    const { producer, consumer } = log;
    const early = await producer.append(NOTIFICATIONS, 0, notification('early'));
    const seen: LogRecord[] = [];
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const reader = listener(0, (record) => seen.push(record));
    await consumer.read(
      { stream: NOTIFICATIONS },
      { ...reader, onBatch: (batch) => gate.then(() => reader.onBatch(batch)) },
    );
    // It has the first batch in hand; now come more than its tail may hold, and announcements among them.
    for (let i = 0; i < 600; i++) {
      const keys = Array.from({ length: 10 }, (_, j) => `${i * 10 + j}`);
      const appended = keys.map((key) =>
        producer.append(NOTIFICATIONS, 0, notification(key, 4096)),
      );
      if (i === 10) await producer.appendUntilIn(NOTIFICATIONS, 0, [outcomeOf('early', early)]);
      await Promise.all(appended);
      expect(log.log.tailBytes).toBeLessThan(17 * 1024 * 1024);
    }
    release();
    const end = await log.catalog.end(NOTIFICATIONS, 0);
    await expect.poll(() => seen.at(-1)?.offset, { timeout: 10_000 }).toBe(end - 1);
    expect(seen.map((r) => r.offset)).toEqual(Array.from({ length: end }, (_, i) => i));
    const announcements = seen.filter((r) => r.value === null);
    expect(announcements.map((r) => r.headers)).toEqual([outcomeOf('early', early).headers]);
    expect(rows(log)).toBe(6001);
    // All have passed the announcement: its row goes.
    await expect.poll(() => (log.log.sweep(), rows(log))).toBe(6000);
  });
});

describe('a reader that is stopped', () => {
  test('leaves nothing in memory of what it had not read', async () => {
    const { producer, consumer, log } = await open({ path: ':memory:' });
    const onBatch = (): Promise<number> => Promise.reject(new Error('a store is away'));
    const reader = { ...listener(0, () => {}), onBatch };
    const stop = await consumer.read({ stream: NOTIFICATIONS }, reader);
    await producer.append(NOTIFICATIONS, 0, notification('a', 1000));
    expect(log.tailBytes).toBeGreaterThan(1000);
    await stop();
    expect(log.tailBytes).toBe(0);
  });
});

describe('a partition that changes hands', () => {
  test('keeps for its next reader what was announced meanwhile', async () => {
    const { producer, consumer } = await open({ path: ':memory:' });
    const place = { stream: NOTIFICATIONS, group: 'router' };
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => (release = resolve));
    const first = listener(0, () => {});
    let isReading = false;
    const onBatch: typeof first.onBatch = async (batch) => {
      isReading = true;
      await gate;
      return first.onBatch(batch);
    };
    const stop = await consumer.read(place, { ...first, onBatch });
    const offset = await producer.append(NOTIFICATIONS, 0, notification('a'));
    await expect.poll(() => isReading).toBe(true);

    const seen: LogRecord[] = [];
    await consumer.read(
      place,
      listener(offset + 1, (record) => seen.push(record)),
    );
    const stopped = stop();
    await producer.appendUntilIn(NOTIFICATIONS, 0, [outcomeOf('a', offset)]);
    release();
    await stopped;
    await expect.poll(() => seen.map((record) => record.headers?.outcome)).toEqual(['delivered']);
  });
});
