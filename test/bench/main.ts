/**
 * `npm run bench [-- [--runs N] name …]`: measures with the load in a process beside the services, prints a table of
 * medians and writes them with machine, commit and command under test/bench/results/. Without names the standalone
 * service; `cluster` (or a longer part of a name) the cluster, which needs TEST_KAFKA_LIB and a redis-server.
 * `--profile` writes where the CPU time of the cluster's hot services goes, as text.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { writeProfiles } from './cluster-profile.js';
import { CLUSTER_SCENARIOS } from './cluster-scenarios.js';
import { SCENARIOS } from './scenarios.js';
import type { Figures, Scenario } from './scenarios.js';

const RESULTS = 'test/bench/results';

interface Row {
  readonly scenario: string;
  readonly runs: number;
  /** Runs that came to nothing, and why. */
  readonly failed: readonly string[];
  readonly medians: Figures;
  readonly all: readonly Figures[];
}

async function measure({ name, runs: usual, measure }: Scenario): Promise<Row> {
  const all: Figures[] = [];
  const failed: string[] = [];
  const runs = Math.min(usual, runsMax);
  for (let run = 1; run <= runs; run++) {
    console.error(`${name}: run ${run} of ${runs}`);
    try {
      all.push(await measure());
    } catch (error) {
      failed.push(String(error));
      console.error(`${name}: run ${run} failed: ${String(error)}`);
    }
  }
  const names = Object.keys(all[0] ?? {});
  const medians = Object.fromEntries(
    names.map((one) => [one, median(all.map((run) => run[one]!))]),
  );
  for (const [figure, value] of Object.entries(medians)) {
    console.log(`| ${name} | ${figure} | ${readable(value)} |`);
  }
  return { scenario: name, runs, failed, medians, all };
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function readable(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}

const words = process.argv.slice(2);
const { values, positionals: wanted } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '3' }, profile: { type: 'boolean' } },
});
mkdirSync(RESULTS, { recursive: true });
if (values.profile) {
  await writeProfiles(RESULTS, 'npm run bench -- --profile');
  process.exit(0);
}
const runsMax = Number(values.runs);
const all = [...SCENARIOS, ...CLUSTER_SCENARIOS];
const chosen =
  wanted.length === 0
    ? SCENARIOS
    : all.filter(({ name }) => wanted.some((word) => name.includes(word)));
if (chosen.length === 0) {
  console.error(`No scenario is called so. There are: ${all.map((one) => one.name).join('; ')}`);
  process.exit(1);
}
console.log('| Scenario | Figure | Median |\n|---|---|---|');
const rows: Row[] = [];
for (const scenario of chosen) rows.push(await measure(scenario));
const git = (...words: string[]): string => execFileSync('git', words, { encoding: 'utf8' }).trim();
const report = {
  at: new Date().toISOString(),
  commit: git('rev-parse', '--short', 'HEAD'),
  command: ['npm run bench', ...(words.length > 0 ? ['--', ...words] : [])].join(' '),
  loadAverage: loadavg().map((one) => Number(one.toFixed(1))),
  machine: {
    cores: cpus().length,
    cpu: cpus()[0]?.model,
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    system: `${process.platform} ${process.arch}`,
  },
  rows,
};
/** Whoever measures some of it again does not overwrite the whole. */
const isWhole = wanted.length === 0 || (wanted.length === 1 && wanted[0] === 'cluster');
const what = isWhole
  ? (wanted[0] ?? 'standalone')
  : `some-${report.at.slice(11, 19).replaceAll(':', '')}`;
const file = `${RESULTS}/${what}-${report.at.slice(0, 10)}-${report.commit}.json`;
writeFileSync(file, `${JSON.stringify(report, undefined, 2)}\n`);
console.log(`\nWritten to ${file}`);
process.exit(rows.some(({ failed }) => failed.length > 0) ? 1 : 0);
