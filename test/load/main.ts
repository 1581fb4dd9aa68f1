/** `npm run load`: see `--help`, or the README's section on it. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chooseEngine, startEngine } from './choose-engine.js';
import type { Engine } from './engine.js';
import { isLoopback } from './engine-target.js';
import { HELP, readOptions, type Plan } from './options.js';
import { Progress } from './progress.js';
import { pageOf } from './page.js';
import { reportOf } from './report.js';
import { Run } from './run.js';
import { descriptorsMax, sharesOf } from './shares.js';
import { tableOf } from './table.js';

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<number> {
  const told = readOptions(process.argv.slice(2));
  if (told.kind === 'help') {
    print(HELP);
    return 0;
  }
  if (told.kind === 'refused') return refuse(told.problems.join('\n'));
  return load(told.plan);
}

async function load(plan: Plan): Promise<number> {
  const progress = new Progress(print, process.stdout.isTTY === true);
  const chosen = plan.target ? undefined : chooseEngine(plan.engine);
  if (typeof chosen === 'string') return refuse(chosen);
  // Through one load balancer each device is two descriptors of it.
  const gateways = chosen?.name === 'compose' ? 0.5 : plan.gateways;
  const ours = { descriptors: descriptorsMax(), gateways };
  const tooMany = plan.target ? '' : sharesOf(plan.devices, { ...ours, isLoopback: true });
  if (typeof tooMany === 'string' && tooMany) return refuse(tooMany);
  if (chosen) progress.onStep(chosen.says);
  const starting = startEngine(plan, chosen?.name, (step) => progress.onStep(step));
  const engine = await starting.catch((error: Error) => error);
  if (engine instanceof Error) return refuse(engine.message);
  const end = (): void => void engine.dispose().finally(() => process.exit(130));
  process.once('SIGINT', end).once('SIGTERM', end);
  try {
    return await loadOn(engine, plan, progress);
  } finally {
    await engine.dispose();
  }
}

async function loadOn(engine: Engine, plan: Plan, progress: Progress): Promise<number> {
  const isLocal =
    process.platform === 'linux' && engine.gateways().every(({ host }) => isLoopback(host));
  const shares = sharesOf(plan.devices, { descriptors: descriptorsMax(), isLoopback: isLocal });
  if (typeof shares === 'string') return refuse(shares);
  if (shares.says) progress.onStep(shares.says);
  const result = await new Run(engine, plan, progress).run(shares.devices);
  const command = ['npm run load --', ...process.argv.slice(2)].join(' ');
  const report = reportOf(result, { engine: engine.says, command, parts: engine.parts });
  const folder =
    plan.outFolder || join('data', 'load', report.at.replaceAll(':', '-').slice(0, 19));
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'report.json'), JSON.stringify(report));
  writeFileSync(join(folder, 'report.html'), pageOf(report));
  print(tableOf(report));
  print(`\nThe report: ${join(folder, 'report.html')} (and report.json)`);
  const said = await engine.said().catch(String);
  writeFileSync(join(folder, 'services.log'), said);
  return report.verdict.addsUp ? 0 : 1;
}

function refuse(sentence: string): number {
  process.stderr.write(`${sentence}\n`);
  return 2;
}

main().then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`The load failed: ${error.message}\n`);
    process.exit(1);
  },
);
