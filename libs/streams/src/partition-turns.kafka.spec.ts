import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { PartitionReader } from './consumer.js';
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

function partition() {
  const reader = new Asked();
  const seeks: number[] = [];
  const turns = new PartitionTurns(0, reader, {
    seek: (offset) => seeks.push(offset),
    gapTo: (next) => batchTo(next, 0),
    onRetry: () => undefined,
  });
  return { reader, seeks, turns };
}

async function begun(start: number) {
  const all = partition();
  void all.turns.begin(undefined);
  await all.reader.answer(start);
  all.reader.calls.length = 0;
  return all;
}

function batchTo(next: number, count: number): RecordBatch {
  const record = { key: Buffer.from('k'), value: null, at: 0, offset: next - 1 };
  return {
    stream: 'notifications',
    partition: 0,
    records: Array.from({ length: count }, () => record),
    next,
  };
}

describe('a batch', () => {
  test('that was fetched where the reader wants to go on is given', async () => {
    const { reader, turns } = await begun(5);
    const read = turns.read(5, () => batchTo(8, 3));
    await reader.answer(8);
    expect(await read).toBe(8);
    expect(turns.position).toBe(8);
  });

  test('that waited while the reader sought elsewhere is not given, and the place is sought again', async () => {
    const { reader, seeks, turns } = await begun(5);
    turns.look(1, { low: 0, high: 5 });
    const read = turns.read(5, () => batchTo(8, 3));
    await reader.answer(0);
    expect(await read).toBeUndefined();
    expect(reader.calls).toEqual(['idle']);
    expect(seeks).toEqual([5, 0, 0]);
    expect(turns.position).toBe(0);
  });

  test('behind what was compacted away is given after the place has been sought several times', async () => {
    const { reader, seeks, turns } = await begun(5);
    for (let i = 0; i < 3; i++) expect(await turns.read(9, () => batchTo(12, 3))).toBeUndefined();
    expect(seeks).toEqual([5, 5, 5, 5]);
    const read = turns.read(9, () => batchTo(12, 3));
    await reader.answer(12);
    expect(await read).toBe(12);
  });

  test('behind a gap is given at once where nothing was sought', async () => {
    const { reader, turns } = await begun(5);
    const first = turns.read(5, () => batchTo(6, 1));
    await reader.answer(6);
    await first;
    const read = turns.read(9, () => batchTo(12, 3));
    await reader.answer(12);
    expect(await read).toBe(12);
  });

  test('from below what was read is not given', async () => {
    const { reader, seeks, turns } = await begun(5);
    const first = turns.read(5, () => batchTo(6, 1));
    await reader.answer(6);
    await first;
    expect(await turns.read(0, () => batchTo(6, 6))).toBeUndefined();
    expect(seeks).toEqual([5, 6]);
  });

  test('is given again when the reader fails, and no more once the partition is taken away', async () => {
    const { reader, turns } = await begun(5);
    const read = turns.read(5, () => batchTo(8, 3));
    await reader.answer(new Error('a store is away'));
    await expect.poll(() => reader.calls.length).toBe(2);
    turns.end();
    await reader.answer(new Error('a store is away'));
    expect(await read).toBeUndefined();
    expect(reader.calls.length).toBe(2);
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
    const read = turns.read(5, () => batchTo(8, 3));
    turns.look(1, { low: 0, high: 5 });
    await reader.answer(8);
    await read;
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
    const read = turns.read(5, () => batchTo(8, 3));
    expect(turns.quietSince(0)).toBeUndefined();
    await reader.answer(8);
    await read;
    expect(turns.quietSince(0)).toBe(2);
    expect(turns.quietSince(60_000)).toBeUndefined();
    turns.end();
    expect(turns.quietSince(0)).toBeUndefined();
  });

  test('and its beginning above the position: the reader is told that nothing is left below', async () => {
    const { reader, seeks, turns } = await begun(5);
    turns.look(1, { low: 7, high: 9 });
    await reader.answer(7);
    expect(reader.calls).toEqual(['batch of 0 to 7']);
    expect(seeks).toEqual([5, 7]);
  });
});
