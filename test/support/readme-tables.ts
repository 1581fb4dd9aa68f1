/**
 * The README's tables as the code has them. `test/readme.spec.ts` compares them with the README, and
 * `node dist/test/support/print-readme-tables.js` prints them, so that a change is a paste. A table of the README may
 * have more columns than the code knows: prose, which must then be there for each row.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvReader, type Setting } from '#runtime';
import { STREAMS } from '#streams';
import { OUTCOMES, REFUSALS, type RefusalRow } from '#webpush';
import { CLOSE_CODES } from '#wire';
import { HOUSE_RULES } from './house-rules.js';
import { describedMetrics } from './metric-names.js';
import { readSources, ROOT } from './sources.js';

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** Services whose settings come together in standalone; the demo site has its own. */
const CONFIGS = ['standalone', 'demo'];
const SERVICES = ['gateway', 'ingest', 'router', 'registration'];
const APPS = [...SERVICES, 'standalone', 'demo'];
/** What bounds those outside: the exported constants `…_MAX` of the code that faces them, by the words above them. */
const FACES_OUTSIDE =
  /^(apps\/(gateway|ingest|registration|demo\/src)|libs\/(wire|webpush|subscriptions))\//;
const LIMIT_SETTING = /_(MAX|MIN)(_|$)|TIMEOUT/;
const LIMIT_CONSTANT =
  /\/\*\* ([^\n]*?)(?: ?\*\/)?\n(?: \*[^\n]*\n)*export const ([A-Z0-9_]+(?<!_MS)_MAX) = ([\d_ *]+);/g;

/** Every table by the README heading that it stands under. */
export const README_TABLES: Readonly<Record<string, () => Table | Promise<Table>>> = {
  Streams: streams,
  Outcomes: () => ({ columns: ['Outcome'], rows: OUTCOMES.map((outcome) => [code(outcome)]) }),
  Refusals: refusals,
  'Close codes': closeCodes,
  Limits: limits,
  Settings: settings,
  Metrics: metrics,
  Dependencies: dependencies,
};

/** The rules of the house, as list items. */
export function houseRules(): readonly string[] {
  return [
    ...HOUSE_RULES.map(({ sentence }) => sentence),
    'No import cycles',
    'Comments are 10 to 18 % of the lines',
  ];
}

/** What a person can type: `npm start`, `npm run bench` … */
export function commands(): readonly string[] {
  const names = Object.keys(packageJson().scripts).filter((name) => !name.startsWith('pre'));
  return names.map((name) => (/^(start|test)$/.test(name) ? `npm ${name}` : `npm run ${name}`));
}

export async function askedSettings(): Promise<readonly Setting[]> {
  const env = new EnvReader({});
  for (const app of CONFIGS) {
    const path = `../../apps/${app}/src/config.js`;
    const file = (await import(/* @vite-ignore */ path)) as Record<string, unknown>;
    const read = Object.entries(file).find(([name]) => /^[a-z]\w*Config$/.test(name))?.[1];
    if (typeof read !== 'function')
      throw new Error(`apps/${app}/src/config.ts exports no …Config function`);
    Reflect.apply(read, undefined, [env]);
  }
  return env.asked();
}

export function render({ columns, rows }: Table): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(columns), `|${'---|'.repeat(columns.length)}`, ...rows.map(line)].join('\n');
}

function streams(): Table {
  const rows = Object.entries(STREAMS).map(([name, { cleanup, isByDevice }]) => [
    code(isByDevice ? name : `${name}.<gateway id>`),
    isByDevice ? 'by device' : 'one',
    cleanup.replace(',', ' + '),
  ]);
  return { columns: ['Stream', 'Partitions', 'Cleanup'], rows };
}

function refusals(): Table {
  const rows = Object.values(REFUSALS as Readonly<Record<string, RefusalRow>>).map((row) => [
    String(row.status),
    String(row.errno),
    row.say,
    code(row.label),
    row.retryAfterSeconds === undefined ? '–' : `${row.retryAfterSeconds} s`,
  ]);
  return { columns: ['HTTP', 'errno', 'Says', 'In metrics', 'Retry-After'], rows };
}

function closeCodes(): Table {
  const rows = Object.values(CLOSE_CODES).map(({ code: number, reason, isExpectedBack }) => [
    String(number),
    reason,
    isExpectedBack ? 'yes' : 'no',
  ]);
  return { columns: ['Code', 'Reason', 'Comes back'], rows };
}

async function limits(): Promise<Table> {
  const asked = (await askedSettings()).filter(({ name }) => LIMIT_SETTING.test(name));
  const set = asked.map((setting) => [
    setting.doc,
    number(setting.preset ?? setting.default ?? ''),
    code(setting.name),
  ]);
  const fixed = readSources()
    .filter(({ path, isTest }) => FACES_OUTSIDE.test(path) && !isTest)
    .flatMap(({ text }) => [...text.matchAll(LIMIT_CONSTANT)])
    .map(([, doc = '', , value = '']) => [phrase(doc), number(product(value)), 'fixed']);
  return { columns: ['Limit', 'Default', 'Setting'], rows: [...set, ...fixed] };
}

async function settings(): Promise<Table> {
  const texts = readSources().filter(({ area, isTest }) => area !== 'test' && !isTest);
  const rows = (await askedSettings()).map((setting) => {
    const asking = texts
      .filter(({ text }) => text.includes(`'${setting.name}'`))
      .map(({ area, unit }) => [area, unit]);
    const isForAll = asking.some(([area]) => area === 'libs');
    const apps = APPS.filter((app) => asking.some(([, unit]) => unit === app));
    // Standalone asks for what its services ask for; it is named where none of them does.
    const owners = apps.filter(
      (app) => app !== 'standalone' || !apps.some((each) => SERVICES.includes(each)),
    );
    const service = isForAll ? 'all' : owners.join(', ');
    return [code(setting.name), defaultOf(setting), setting.range, service, setting.doc];
  });
  return { columns: ['Variable', 'Default', 'Range', 'Service', 'What'], rows };
}

/** Standalone's default first; what a service of its own has, in parentheses. */
function defaultOf({ default: own, preset }: Setting): string {
  const shown = own === undefined ? 'required' : own === '' ? '–' : plain(own);
  return preset === undefined || preset === own
    ? shown
    : `${plain(preset)} (a service of its own: ${shown})`;
}

/** What a scraper is told by any service, besides Node's own. */
function metrics(): Table {
  const rows = describedMetrics().map(({ name, type, unit, by, help }) => [
    code(name),
    type,
    unit,
    by === '' ? '–' : by,
    help,
  ]);
  return { columns: ['Metric', 'Type', 'Unit', 'By', 'What'], rows };
}

/** A comment is a sentence, a cell is not. */
function phrase(doc: string): string {
  return `${doc.charAt(0).toLowerCase()}${doc.slice(1).replace(/\.$/, '')}`;
}

function dependencies(): Table {
  const names = Object.keys(packageJson().dependencies);
  return { columns: ['Package'], rows: names.map((name) => [code(name)]) };
}

interface PackageJson {
  readonly scripts: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

function packageJson(): PackageJson {
  return JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as PackageJson;
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Code, unless it is prose or has code in it already. */
function plain(text: string): string {
  return /[` ]/.test(text) || text === 'none' ? text : code(text);
}

function product(expression: string): string {
  return String(
    expression
      .split('*')
      .reduce((product, factor) => product * Number(factor.replaceAll('_', '')), 1),
  );
}

function number(text: string): string {
  return /^\d{5,}$/.test(text) ? text.replace(/\B(?=(\d{3})+$)/g, ',') : text;
}
