/**
 * `npm run test:faults [-- name …]`: does each fault (or those whose names contain a word) to a cluster under load
 * and prints a table of what became of everything that was accepted. Ends with 1 when a row is wrong.
 */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Arena, type Row, type Scale } from './arena.js';
import { FAULTS, faultsNamed, type Fault } from './faults.js';
import { tableOf } from './table.js';

const FULL: Scale = {
  ...{ devices: 330, perSecond: 550, seed: 1, before: 3, after: 4 },
  say: (note) => console.error(`  ${note}`),
};
const FAULT_MS_MAX = 600_000;
const TOTAL_MS_MAX = 90 * 60_000;
const SHOWN_MAX = 15;
const SENTENCE_MAX = 2_000;

let arena: Arena | undefined;
let isEnding = false;
const rows: Row[] = [];

async function main(words: readonly string[]): Promise<boolean> {
  const faults = faultsNamed(words);
  let broken = 0;
  for (const [i, fault] of faults.entries()) {
    const load = loadavg()[0]?.toFixed(1);
    console.error(`${i + 1}/${faults.length} ${fault.name} (load ${load}) …`);
    const row = await played(fault).catch((error: unknown) => {
      broken++;
      console.error(`  WRONG ${fault.name}: ${String(error).slice(0, SENTENCE_MAX)}`);
      return undefined;
    });
    if (row) {
      rows.push(row);
      report(row);
    }
    if (row?.complaints.length !== 0) await startAfresh(fault);
  }
  await arena?.close();
  console.log(tableOf(rows));
  const wrong = rows.filter(({ complaints }) => complaints.length > 0).length + broken;
  console.log(`${faults.length} of ${FAULTS.length} faults, ${wrong} wrong`);
  return wrong === 0;
}

async function played(fault: Fault): Promise<Row> {
  arena ??= await Arena.open(FULL);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it took too long')), FAULT_MS_MAX);
  });
  return Promise.race([arena.play(fault), late]).finally(() => clearTimeout(timer));
}

function report({ name, accepted, wellAfter, complaints }: Row): void {
  console.error(`  ${name}: ${accepted} accepted, well after ${wellAfter.toFixed(1)} s`);
  const shown = [...new Set(complaints)].slice(0, SHOWN_MAX);
  for (const complaint of shown) console.error(`  WRONG ${complaint}`);
  const left = complaints.length - shown.length;
  if (left > 0) console.error(`  and ${left} more`);
}

/** What went wrong here must not be counted against the next. */
async function startAfresh(fault: Fault): Promise<void> {
  if (!arena) return;
  const file = join(mkdtempSync(join(tmpdir(), 'heliograph-faults-')), `${fault.name}.log`);
  writeFileSync(file, arena.cluster.said());
  console.error(`  what the services said is in ${file}`);
  await arena.close();
  arena = undefined;
}

async function endNow(reason: string): Promise<void> {
  if (isEnding) return;
  isEnding = true;
  console.error(reason);
  console.log(tableOf(rows));
  await arena?.cluster.dispose();
  process.exit(1);
}

process.once('SIGINT', () => void endNow('interrupted'));
process.once('SIGTERM', () => void endNow('interrupted'));
setTimeout(() => void endNow('the suite took too long'), TOTAL_MS_MAX).unref();
process.exit((await main(process.argv.slice(2))) ? 0 : 1);
