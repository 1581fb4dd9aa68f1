import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Dice } from '../../../test/fuzz/dice.js';
import { bundled, contents, scratch } from './scratch-log.contract.js';
import { NOTIFICATIONS } from './streams.js';

const { folder, open } = scratch();
const KILLS = 8;
const SEED = 3;

/** Appends bursts, settles every third message, and says what was acknowledged as it is acknowledged. */
const APPENDER = `
import { writeSync } from 'node:fs';
import { EmbeddedLog, EmbeddedProducer } from './streams.embedded.js';
const log = await EmbeddedLog.open({ path: process.argv[2], partitions: 2 });
const producer = new EmbeddedProducer(log);
const say = (line) => writeSync(1, line + '\\n');
const settle = async (partition, offset, key) => {
  const headers = { outcome: 'delivered', at: '1', device: 'd', offset: String(offset) };
  await producer.appendUntilIn('notifications', partition, [{ key, value: null, headers }]);
  say('settled ' + partition + ' ' + offset + ' ' + key);
};
for (let turn = 0; ; turn++) {
  await Promise.all(Array.from({ length: 1 + (turn % 23) }, async (_, i) => {
    const partition = i % 2;
    const key = Buffer.from(process.pid + '-' + turn + '-' + i);
    const offset = await producer.append('notifications', partition, { key, value: Buffer.alloc(1000, i) });
    say('in ' + partition + ' ' + offset + ' ' + key);
    if (i % 3 === 0) void settle(partition, offset, key);
  }));
}`;

test(`what was acknowledged is there after each of ${KILLS} kills, in order, and no offset comes twice`, async () => {
  const at = folder();
  const path = join(at, 'log.sqlite');
  const program = await bundled(at, APPENDER);
  const dice = new Dice(SEED);
  /** Key by offset, of all lives; in the log unless settled. */
  const appended = [new Map<number, string>(), new Map<number, string>()];
  const settled = [new Set<number>(), new Set<number>()];
  for (let life = 0; life < KILLS; life++) {
    const child = spawn(process.execPath, [program, path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (bytes) => (said += bytes));
    await once(child.stdout, 'data');
    setTimeout(() => child.kill('SIGKILL'), 20 + dice.below(230));
    await once(child, 'close');
    // A line that was cut off by the kill was not said.
    for (const line of said.slice(0, said.lastIndexOf('\n')).split('\n')) {
      const [what, partition, offset, key] = line.split(' ');
      const [p, o] = [Number(partition), Number(offset)];
      if (what === 'settled') settled[p]!.add(o);
      else {
        expect(appended[p]!.has(o), `offset ${o} twice`).toBe(false);
        appended[p]!.set(o, key!);
      }
    }

    const log = await open({ path, partitions: 2 });
    for (const p of [0, 1]) {
      expect(await log.catalog.end(NOTIFICATIONS, p)).toBeGreaterThan(
        Math.max(...appended[p]!.keys()),
      );
    }
    const records = await contents(log, NOTIFICATIONS);
    await log.log.close();
    for (const p of [0, 1]) {
      const offsets = records.filter((r) => partitionIn(`${r.key}`) === p).map((r) => r.offset);
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    }
    const places = new Set(records.map((r) => `${r.offset} ${r.key}`));
    for (const p of [0, 1]) {
      for (const [offset, key] of appended[p]!) {
        const isThere = places.has(`${offset} ${key}`);
        if (settled[p]!.has(offset)) expect(isThere, `settled ${key} is back`).toBe(false);
        else if (!isThere) expect(isMaybeSettled(key), `${key} is lost`).toBe(true);
      }
    }
  }
  expect(appended[0]!.size + appended[1]!.size).toBeGreaterThan(KILLS * 50);
}, 60_000);

function partitionIn(key: string): number {
  return Number(key.split('-')[2]) % 2;
}

/** Its announcement may have been committed without our hearing of it. */
function isMaybeSettled(key: string): boolean {
  return Number(key.split('-')[2]) % 3 === 0;
}
