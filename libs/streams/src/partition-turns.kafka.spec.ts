import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { PartitionReader } from './consumer.js';
import type { FetchedPartition } from './fetch-bytes.kafka.js';
import { PartitionTurns } from './partition-turns.kafka.js';
import type { RecordBatch } from './record.js';

/** A reader whose every call waits until the test answers it. */
class Asked implements PartitionReader {
  readonly calls: string[] = [];
  private readonly answers: ((answer: unknown) => void)[] = [];

  onAssigned(): Promise<number> {
    return this.ask('assigned');
  }

  onBatch({ records, next }: RecordBatch): Promise<number> {
    return this.ask(`batch of ${records.length} to ${next}`);
  }

  onIdle(): Promise<number | undefined> {
    return this.ask('idle');
  }

  onRevoked(): void {
    this.calls.push('revoked');
  }

  async answer(answer: unknown): Promise<void> {
    await turn();
    const next = this.answers.shift();
    if (next === undefined) throw new Error('nothing was asked');
    next(answer);
    await turn();
  }

  private ask<T>(call: string): Promise<T> {
    this.calls.push(call);
    return new Promise((resolve, reject) =>
      this.answers.push((answer) =>
        answer instanceof Error ? reject(answer) : resolve(answer as T),
      ),
    );
  }
}

async function begun(start: number) {
  const reader = new Asked();
  const turns = new PartitionTurns(0, reader, {
    stream: 'notifications',
    onRetry: () => undefined,
  });
  void turns.begin(undefined);
  await reader.answer(start);
  reader.calls.length = 0;
  return { reader, turns };
}

function fetched(from: number, next: number): FetchedPartition {
  const record = { key: Buffer.from('k'), value: null, at: 0, offset: next - 1 };
  const records = Array.from({ length: next - from }, () => record);
  return { partition: 0, from, errorCode: 0, records, next };
}

describe('a batch', () => {
  test('that was fetched where the reader wants to go on is given', async () => {
    const { reader, turns } = await begun(5);
    expect(turns.fetchFrom).toBe(5);
    const taken = turns.take(fetched(5, 8));
    expect(turns.fetchFrom).toBeUndefined();
    await reader.answer(8);
    await taken;
    expect(reader.calls).toEqual(['batch of 3 to 8']);
    expect(turns.fetchFrom).toBe(8);
  });

  test('that waited while the reader sought elsewhere is not given', async () => {
    const { reader, turns } = await begun(5);
    turns.look(1, { low: 0, high: 5 });
    const taken = turns.take(fetched(5, 8));
    await reader.answer(0);
    await taken;
    expect(reader.calls).toEqual(['idle']);
    expect(turns.fetchFrom).toBe(0);
  });

  test('is none before the reader has said where it begins, and from below zero on the first', async () => {
    const reader = new Asked();
    const turns = new PartitionTurns(0, reader, { stream: 's', onRetry: () => undefined });
    const begin = turns.begin(undefined);
    expect(turns.fetchFrom).toBeUndefined();
    await reader.answer(-2);
    await begin;
    expect(turns.fetchFrom).toBe(0);
  });

  test('from below what was read is not given', async () => {
    const { reader, turns } = await begun(5);
    const first = turns.take(fetched(5, 6));
    await reader.answer(6);
    await first;
    await turns.take(fetched(0, 6));
    expect(reader.calls).toEqual(['batch of 1 to 6']);
    expect(turns.fetchFrom).toBe(6);
  });

  test('is given again when the reader fails, and no more once the partition is taken away', async () => {
    const { reader, turns } = await begun(5);
    const taken = turns.take(fetched(5, 8));
    await reader.answer(new Error('a store is away'));
    await expect.poll(() => reader.calls.length).toBe(2);
    turns.end();
    await reader.answer(new Error('a store is away'));
    await taken;
    expect(reader.calls.length).toBe(2);
    expect(turns.fetchFrom).toBeUndefined();
  });
});

describe('the end of the log', () => {
  test('is told to the reader that has read up to it', async () => {
    const { reader, turns } = await begun(5);
    turns.look(1, { low: 0, high: 5 });
    await turn();
    expect(reader.calls).toEqual(['idle']);
  });

  test('that was looked up before a turn of the reader counts no more', async () => {
    const { reader, turns } = await begun(5);
    const taken = turns.take(fetched(5, 8));
    turns.look(1, { low: 0, high: 5 });
    await reader.answer(8);
    await taken;
    turns.look(1, { low: 0, high: 8 });
    turns.look(2, { low: 0, high: 9 });
    await turn();
    expect(reader.calls).toEqual(['batch of 3 to 8']);
    turns.look(2, { low: 0, high: 8 });
    await turn();
    expect(reader.calls).toEqual(['batch of 3 to 8', 'idle']);
  });

  test('is not looked up while the reader is busy', async () => {
    const { reader, turns } = await begun(5);
    expect(turns.quietSince(0)).toBe(1);
    const taken = turns.take(fetched(5, 8));
    expect(turns.quietSince(0)).toBeUndefined();
    await reader.answer(8);
    await taken;
    expect(turns.quietSince(0)).toBe(2);
    expect(turns.quietSince(60_000)).toBeUndefined();
    turns.end();
    expect(turns.quietSince(0)).toBeUndefined();
  });

  test('and its beginning above the position: the reader is told that nothing is left below', async () => {
    const { reader, turns } = await begun(5);
    turns.look(1, { low: 7, high: 9 });
    await reader.answer(7);
    expect(reader.calls).toEqual(['batch of 0 to 7']);
    expect(turns.fetchFrom).toBe(7);
  });

  test('is looked up before anything else is fetched where the broker had nothing', async () => {
    const { reader, turns } = await begun(5);
    turns.missed(4);
    expect(turns.fetchFrom).toBe(5);
    turns.missed(5);
    expect(turns.fetchFrom).toBeUndefined();
    expect(turns.quietSince(60_000)).toBe(1);
    turns.look(1, { low: 7, high: 9 });
    await reader.answer(7);
    expect(turns.fetchFrom).toBe(7);
  });
});
