/** What `npm run load` is told: every option, its default and its bounds; all that is wrong is said at once. */
import { parseArgs } from 'node:util';
import { FAULT_ROLES, parseFault, type Fault } from './faults.js';

export const ENGINES = ['containers', 'processes', 'compose'] as const;
export type EngineName = (typeof ENGINES)[number];

export interface Plan {
  readonly devices: number;
  /** Notifications per second, all senders together. */
  readonly rate: number;
  readonly durationSeconds: number;
  readonly gateways: number;
  readonly ingests: number;
  readonly routers: number;
  /** Bytes of a body. */
  readonly bytes: number;
  /** POSTs that are under way at once, at most. */
  readonly connections: number;
  readonly faults: readonly Fault[];
  /** Absent: whatever this machine has. */
  readonly engine?: EngineName;
  readonly target?: { readonly gateway: string; readonly ingest: string };
  readonly isOwn: boolean;
  readonly drainSeconds: number;
  /** How long a device whose connection ended stays away. */
  readonly backAfterSeconds: number;
  readonly image?: string;
  readonly outFolder: string;
}

export type Told =
  | { readonly kind: 'plan'; readonly plan: Plan }
  | { readonly kind: 'help' }
  | { readonly kind: 'refused'; readonly problems: readonly string[] };

interface NumberOption {
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly doc: string;
}

const NUMBERS = {
  devices: { default: 1_000, min: 1, max: 500_000, doc: 'that stay connected' },
  rate: { default: 200, min: 1, max: 100_000, doc: 'notifications per second' },
  duration: { default: 30, min: 3, max: 3_600, doc: 'seconds of load' },
  gateways: { default: 3, min: 1, max: 50, doc: 'gateways to start' },
  ingests: { default: 2, min: 1, max: 20, doc: 'ingests to start' },
  routers: { default: 2, min: 1, max: 20, doc: 'routers to start' },
  bytes: { default: 1_024, min: 24, max: 4_096, doc: 'of each body' },
  connections: { default: 128, min: 1, max: 4_000, doc: 'POSTs under way at once, at most' },
  'drain-seconds': { default: 30, min: 0, max: 3_600, doc: 'DRAIN_SECONDS of the gateways' },
  'back-after': { default: 5, min: 0, max: 60, doc: 's that a cut device stays away (Firefox: 5)' },
} as const satisfies Record<string, NumberOption>;
type NumberName = keyof typeof NUMBERS;

const TEXTS = {
  kill: 'SIGKILL and start again: gateway@30, router-1@20, kafka@40, redis@45; may be repeated',
  roll: 'SIGTERM one after the other, each started again: all@20, or one role; may be repeated',
  engine: `what runs the cluster: ${ENGINES.join(', ')}; default: containers if an engine answers`,
  target: 'drive this cluster instead: ws://… and http://…, two addresses',
  image: 'the image for containers; default: heliograph:<version>',
  out: 'folder for report.html and report.json; default: data/load/<time>',
} as const;
const FLAGS = { 'i-own-this': 'allow a target that is not of this machine', help: 'this' } as const;
const REPEATED = new Set(['kill', 'roll', 'target']);
const MESSAGES_MAX = 20_000_000;

export const HELP = `npm run load -- [options]

Starts a whole cluster, connects devices to it, sends notifications, ends what it is told to end, and says whether the
accounts add up. Everything is on this machine, and bounded. The report has all that the terminal shows, with plots.

${[
  ...Object.entries(NUMBERS).map(([name, { default: value, doc }]) =>
    line(`--${name} <n>`, `${doc} (${value.toLocaleString('en')})`),
  ),
  ...Object.entries(TEXTS).map(([name, doc]) => line(`--${name} <…>`, doc)),
  ...Object.entries(FLAGS).map(([name, doc]) => line(`--${name}`, doc)),
].join('\n')}

  npm run load -- --devices 10000 --rate 1000 --duration 60 --kill gateway@30
  npm run load -- --devices 10000 --rate 500 --duration 120 --roll all@10
  npm run load -- --target ws://127.0.0.1:8080/ http://127.0.0.1:8081 --devices 100

Ends with 0 when the accounts add up, with 1 when they do not, with 2 when it was told something that it cannot do.`;

export function readOptions(args: readonly string[]): Told {
  const problems: string[] = [];
  const options = Object.fromEntries([
    ...[...Object.keys(NUMBERS), ...Object.keys(TEXTS)].map((name) => [
      name,
      { type: 'string' as const, multiple: true },
    ]),
    ...Object.keys(FLAGS).map((name) => [name, { type: 'boolean' as const }]),
  ]) as Record<string, { type: 'string' | 'boolean'; multiple?: boolean }>;
  const { tokens } = parseArgs({ args: [...args], options, strict: false, tokens: true });
  const given = new Map<string, string[]>();
  let isOfUnknown = false;
  for (const token of tokens) {
    const isValueOfUnknown = isOfUnknown && token.kind === 'positional';
    isOfUnknown = token.kind === 'option' && options[token.name] === undefined;
    if (isValueOfUnknown) continue;
    if (token.kind === 'positional') given.set('', [...(given.get('') ?? []), token.value]);
    if (token.kind !== 'option') continue;
    const { name, rawName, value } = token;
    const option = options[name];
    if (option === undefined) {
      const like = nearest(name, Object.keys(options));
      problems.push(`${rawName} is no option${like ? `; --${like} is one` : ''}: see --help`);
    } else if (option.type === 'boolean') given.set(name, ['']);
    else if (!value || value.startsWith('--')) problems.push(`--${name} needs a value: see --help`);
    else given.set(name, [...(given.get(name) ?? []), value]);
  }
  if (given.has('help')) return { kind: 'help' };
  for (const [name, values] of given) {
    if (name !== '' && values.length > 1 && !REPEATED.has(name)) {
      problems.push(`--${name} is given ${values.length} times: once is enough`);
    }
  }
  const plan = planOf(given, problems);
  return problems.length > 0 ? { kind: 'refused', problems } : { kind: 'plan', plan };
}

type Given = ReadonlyMap<string, readonly string[]>;

function planOf(given: Given, problems: string[]): Plan {
  const of = (name: NumberName): number => numberOf(name, given.get(name)?.[0], problems);
  const durationSeconds = of('duration');
  const [devices, rate] = [of('devices'), of('rate')];
  if (rate * durationSeconds > MESSAGES_MAX) {
    problems.push(
      `--rate ${rate} for ${durationSeconds} s are ${(rate * durationSeconds).toLocaleString('en')} ` +
        `notifications; ${MESSAGES_MAX.toLocaleString('en')} is the most: lower one of them`,
    );
  }
  const counts = { gateway: of('gateways'), ingest: of('ingests'), router: of('routers') };
  const target = targetOf(given, problems);
  const { engine, faults } = startedWith(given, { counts, durationSeconds }, problems);
  if (target) refuseWithTarget(given, problems);
  if (engine === 'compose') refuseWithCompose(given, problems);
  return {
    ...{ devices, rate, durationSeconds, faults, bytes: of('bytes') },
    ...{ gateways: counts.gateway, ingests: counts.ingest, routers: counts.router },
    connections: of('connections'),
    ...(engine && { engine }),
    ...(target && { target }),
    isOwn: given.has('i-own-this'),
    drainSeconds: of('drain-seconds'),
    backAfterSeconds: of('back-after'),
    ...(given.get('image')?.[0] && { image: given.get('image')?.[0] }),
    outFolder: given.get('out')?.[0] ?? '',
  };
}

function startedWith(
  given: Given,
  about: {
    readonly counts: Readonly<Record<string, number>>;
    readonly durationSeconds: number;
  },
  problems: string[],
): { readonly engine?: EngineName; readonly faults: readonly Fault[] } {
  const faults: Fault[] = [];
  for (const how of ['kill', 'roll'] as const) {
    for (const text of given.get(how) ?? []) {
      const fault = parseFault(how, text, about);
      if (typeof fault === 'string') problems.push(fault);
      else faults.push(fault);
    }
  }
  const engine = given.get('engine')?.[0];
  if (engine === undefined) return { faults };
  const known = ENGINES.find((one) => one === engine);
  if (known) return { engine: known, faults };
  problems.push(`--engine ${engine}: one of ${ENGINES.join(', ')}`);
  return { faults };
}

function targetOf(given: Given, problems: string[]): Plan['target'] | undefined {
  const addresses = [...(given.get('target') ?? []), ...(given.get('') ?? [])];
  if (!given.has('target')) {
    for (const word of given.get('') ?? []) {
      problems.push(`“${word}” belongs to no option: see --help`);
    }
    return undefined;
  }
  const [gateway, ingest] = ['ws:', 'http:'].map((protocol) =>
    addresses.find((one) => URL.parse(one)?.protocol === protocol),
  );
  if (gateway && ingest && addresses.length === 2) return { gateway, ingest };
  problems.push(
    `--target ${addresses.join(' ')}: it takes two addresses, ws://host:port/ of the gateways and http://host:port ` +
      'of the ingests (without TLS: give the ports behind what ends it)',
  );
  return undefined;
}

/** What is not ours is neither started nor ended by us. */
function refuseWithTarget(given: Given, problems: string[]): void {
  for (const name of ['kill', 'roll', 'engine', 'gateways', 'ingests', 'routers', 'image']) {
    if (given.has(name)) {
      problems.push(`--${name} does not go with --target: that cluster is not started by us`);
    }
  }
}

/** How many there are stands in the file. */
function refuseWithCompose(given: Given, problems: string[]): void {
  for (const name of ['gateways', 'ingests', 'routers']) {
    if (given.has(name)) {
      problems.push(
        `--${name} does not go with --engine compose: deploy/compose.yaml says how many`,
      );
    }
  }
}

function numberOf(name: NumberName, text: string | undefined, problems: string[]): number {
  const { default: usual, min, max } = NUMBERS[name];
  if (text === undefined) return usual;
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  problems.push(
    `--${name} ${text}: a whole number from ${min} to ${max.toLocaleString('en')}, such as ${usual}`,
  );
  return usual;
}

function nearest(word: string, names: readonly string[]): string | undefined {
  const start = word.slice(0, 3);
  return names.find((name) => name.startsWith(start) || word.startsWith(name));
}

function line(option: string, doc: string): string {
  return `  ${option.padEnd(20)} ${doc}`;
}

export const ROLES = FAULT_ROLES;
