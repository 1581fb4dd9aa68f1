/** What is ended while the load runs: `gateway@30`, `router-1@20`, `all@10`. */
export const ROLLED = ['registration', 'router', 'ingest', 'gateway'] as const;
export const FAULT_ROLES = [...ROLLED, 'kafka', 'redis'] as const;
export type FaultRole = (typeof FAULT_ROLES)[number];

export interface Fault {
  /** kill: SIGKILL. roll: SIGTERM to one after the other, each up again before the next. */
  readonly how: 'kill' | 'roll';
  /** `all`: every service of ours. */
  readonly role: FaultRole | 'all';
  /** Which of them; absent: the next that was not killed yet. */
  readonly index?: number;
  readonly atSeconds: number;
}

/** A fault that has happened, for the plots. */
export interface Happened {
  readonly part: string;
  readonly how: Fault['how'];
  /** Seconds since the load began. */
  readonly atSeconds: number;
  /** When it was ready again; absent: it did not come back while the load ran. */
  readonly readyAtSeconds?: number;
  /** Of a SIGTERM. */
  readonly exitCode?: number | null;
  readonly problem?: string;
}

/** Answers with a sentence when it is none. */
export function parseFault(
  how: Fault['how'],
  text: string,
  about: {
    readonly counts: Readonly<Record<string, number>>;
    readonly durationSeconds: number;
  },
): Fault | string {
  const [, word = '', number, at = ''] = /^([a-z]+)(?:-(\d{1,3}))?@(\d{1,4})$/.exec(text) ?? [];
  const may = how === 'kill' ? FAULT_ROLES : ROLLED;
  const example = how === 'kill' ? 'gateway@30' : 'all@20';
  const role = may.find((one) => one === word) ?? (how === 'roll' && word === 'all' ? word : '');
  if (!role) {
    const roles = [...(how === 'roll' ? ['all'] : []), ...may].join(', ');
    return `--${how} ${text}: <what>@<second>, such as ${example}; what is one of ${roles}`;
  }
  const atSeconds = Number(at);
  if (atSeconds >= about.durationSeconds) {
    return `--${how} ${text}: the load ends after ${about.durationSeconds} s (--duration), so choose a second before`;
  }
  if (number === undefined) return { how, role, atSeconds };
  const count = about.counts[role] ?? 1;
  if (Number(number) < count) return { how, role, index: Number(number), atSeconds };
  return `--${how} ${text}: there are ${count} of them, ${role}-0 to ${role}-${count - 1}`;
}

/** The names of what a fault meets, in order. `killed`: what was ended by a kill of the same role before. */
export function partsOf(
  fault: Fault,
  parts: readonly { readonly name: string; readonly role: FaultRole }[],
  killed: ReadonlySet<string> = new Set(),
): readonly string[] {
  const { how, role, index } = fault;
  const roles: readonly FaultRole[] = role === 'all' ? ROLLED : [role];
  const named = roles.flatMap((one) => parts.filter((part) => part.role === one));
  const names = named.map(({ name }) => name);
  if (index !== undefined) return names.slice(index, index + 1);
  if (how === 'roll') return names;
  return [names.find((name) => !killed.has(name)) ?? names[0] ?? ''].filter(Boolean);
}
