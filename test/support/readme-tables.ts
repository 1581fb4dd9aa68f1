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
import { standaloneConfig } from '../../apps/standalone/src/config.js';
import { SETTINGS_OF, namesOf, type Role } from './chart.js';
import { HOUSE_RULES } from './house-rules.js';
import { describedMetrics } from './metric-names.js';
import { readSources, ROOT } from './sources.js';

export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const SERVICES = ['gateway', 'ingest', 'router', 'registration'] as const;
/** All services in one process. */
const STANDALONE = new EnvReader({});
standaloneConfig(STANDALONE);
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

/** Each once: those of all services in one process, then those that a cluster has besides, then the demo's. */
export function askedSettings(): readonly Setting[] {
  const { demo, ...ofCluster } = SETTINGS_OF;
  const all = [...STANDALONE.asked(), ...Object.values(ofCluster).flat(), ...demo];
  return all.filter(({ name }, i) => all.findIndex((one) => one.name === name) === i);
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
  const rows = Object.entries(CLOSE_CODES).map(
    ([name, { code: number, reason, isExpectedBack }]) => [
      ...[String(number), reason, code(name)],
      isExpectedBack ? 'yes' : 'no',
    ],
  );
  return { columns: ['Code', 'Reason', 'In metrics', 'Comes back'], rows };
}

function limits(): Table {
  const asked = askedSettings().filter(({ name }) => LIMIT_SETTING.test(name));
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

function settings(): Table {
  const rows = askedSettings().map((setting) => [
    code(setting.name),
    defaultOf(setting),
    setting.range,
    whoAsks(setting.name),
    setting.doc,
  ]);
  return { columns: ['Variable', 'Default', 'Range', 'Service', 'What'], rows };
}

/** `all`: every service, in a process of its own or not; `cluster`: every service that has a process of its own. */
function whoAsks(name: string): string {
  const asks = (role: Role): boolean => namesOf(role).includes(name);
  const isOfOne = STANDALONE.asked().some((setting) => setting.name === name);
  const services = SERVICES.filter(asks);
  const every = isOfOne ? 'all' : 'cluster';
  const named = services.length === SERVICES.length ? [every] : services;
  const owners = named.length === 0 && isOfOne ? ['standalone'] : named;
  return [...owners, ...(['demo', 'streams'] as const).filter(asks)].join(', ');
}

/** Standalone's default first; what a service of its own has, in parentheses. */
function defaultOf({ name, default: shown, preset = shown }: Setting): string {
  const own = SERVICES.flatMap((role) => SETTINGS_OF[role]).find((one) => one.name === name);
  const alone =
    own && own.default !== preset ? ` (a service of its own: ${worded(own.default)})` : '';
  return `${worded(preset)}${alone}`;
}

function worded(fallback: string | undefined): string {
  return fallback === undefined ? 'required' : fallback === '' ? '–' : plain(fallback);
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
