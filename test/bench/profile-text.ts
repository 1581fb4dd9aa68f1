/**
 * A CPU profile of V8 as text: a tree of the calls, each with its share of the time that the process was not idle, and
 * below it the functions by their own time. What has less than a share is left out.
 */

interface ProfileNode {
  readonly id: number;
  readonly callFrame: {
    readonly functionName: string;
    readonly url: string;
    readonly lineNumber: number;
  };
  readonly children?: readonly number[];
}
export interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

/** Calls of one function from one place, merged. */
interface Call {
  readonly name: string;
  ownMicros: number;
  micros: number;
  readonly calls: Map<string, Call>;
}

const SHARE_MIN = 0.01;
const DEPTH_MAX = 24;
const OWN_ROWS = 40;
/** What is no work of the process. */
const IDLE = new Set(['(idle)', '(root)']);

export function textOf(profile: Profile): string {
  const own = ownMicros(profile);
  const root = merged(profile, own);
  for (const name of IDLE) root.calls.delete(name);
  root.micros = [...root.calls.values()].reduce((sum, { micros }) => sum + micros, 0);
  const wall = profile.timeDeltas.reduce((sum, micros) => sum + micros, 0);
  const head = `${seconds(root.micros)} of CPU in ${seconds(wall)}, sampled; % of that CPU\n`;
  return `${head}\n${tree(root, root.micros, 0)}\nBy their own time\n\n${byOwn(root)}`;
}

function ownMicros({ samples, timeDeltas }: Profile): ReadonlyMap<number, number> {
  const own = new Map<number, number>();
  samples.forEach((id, i) => own.set(id, (own.get(id) ?? 0) + (timeDeltas[i] ?? 0)));
  return own;
}

function merged({ nodes }: Profile, own: ReadonlyMap<number, number>): Call {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const root: Call = { name: 'all', ownMicros: 0, micros: 0, calls: new Map() };
  const add = (node: ProfileNode, into: Call): number => {
    const name = nameOf(node);
    const call: Call = into.calls.get(name) ?? { name, ownMicros: 0, micros: 0, calls: new Map() };
    into.calls.set(name, call);
    const self = own.get(node.id) ?? 0;
    let micros = self;
    for (const id of node.children ?? []) micros += add(byId.get(id) as ProfileNode, call);
    call.ownMicros += self;
    call.micros += micros;
    return micros;
  };
  for (const id of nodes[0]?.children ?? []) add(byId.get(id) as ProfileNode, root);
  return root;
}

/** Function and file from the project's or a package's root: no path of the machine. */
function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const name = functionName || '(anonymous)';
  if (url === '') return name;
  const file = url.replace(/^.*\/(?=node_modules\/|dist\/)/, '').replace(/^node_modules\//, '');
  return `${name}  ${file.replace(/^dist\//, '')}:${lineNumber + 1}`;
}

function tree(call: Call, all: number, depth: number): string {
  if (call.micros / all < SHARE_MIN || depth > DEPTH_MAX) return '';
  const line = `${percent(call.micros, all)} ${percent(call.ownMicros, all)} ${'  '.repeat(depth)}${call.name}\n`;
  const below = [...call.calls.values()].sort((a, b) => b.micros - a.micros);
  return (
    (depth === 0 ? '  with   own\n' : '') +
    line +
    below.map((one) => tree(one, all, depth + 1)).join('')
  );
}

function byOwn(root: Call): string {
  const own = new Map<string, number>();
  const visit = (call: Call): void => {
    own.set(call.name, (own.get(call.name) ?? 0) + call.ownMicros);
    for (const one of call.calls.values()) visit(one);
  };
  visit(root);
  return [...own]
    .sort((a, b) => b[1] - a[1])
    .slice(0, OWN_ROWS)
    .map(([name, micros]) => `${percent(micros, root.micros)} ${name}\n`)
    .join('');
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / whole).toFixed(1)}%`.padStart(6);
}

function seconds(micros: number): string {
  return `${(micros / 1e6).toFixed(1)} s`;
}
