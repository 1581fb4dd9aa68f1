/**
 * Compares what the senders know, what the log says, what the devices got and what the services count. The log decides
 * what was accepted: a POST without a 201 may be in it or not, and if it is, it is owed like any other.
 */
import { OUTCOMES, type Outcome } from '#webpush';
import type { Accounts } from '../support/standalone.js';
import type { Ledger, Sent } from './ledger.js';
import type { Logged, LogReader } from './log-reader.js';
import { codeOf, type PushClient } from './push-client.js';

type Client = Pick<PushClient, 'number' | 'connections' | 'acks' | 'complaints' | 'lostIds'>;
type Log = Pick<LogReader, 'logged' | 'byNumber' | 'outcomes' | 'notifications' | 'complaints'>;

export interface Sources {
  readonly ledger: Pick<Ledger, 'sent' | 'complaints'>;
  readonly log: Log;
  readonly clients: readonly Client[];
  /** By the services' own counts; they count since the streams began. */
  readonly accounts: Accounts;
  /** The fault takes Redis's memory: an outcome that was decided but not told may be decided otherwise. */
  readonly losesView: boolean;
  /** By how much the services' count of an outcome is above the log's, since a view was lost. Brought up to date. */
  readonly drift: Map<Outcome, number>;
}

export interface Findings {
  readonly outcomes: Readonly<Record<Outcome, number>>;
  /** In the log, though the sender was not told 201. */
  readonly unanswered: number;
  readonly pending: number;
  /** Notifications that have neither arrived nor ended otherwise as they may. */
  readonly lost: number;
  readonly lostIds: number;
  /** Twice on one connection. */
  readonly doubles: number;
  /** Behind a later one on one connection. */
  readonly disorder: number;
  /** First arrivals behind a later one's on an earlier connection: late, which the design allows. */
  readonly late: number;
  /** Arrivals on a further connection, because an ack had not got through. */
  readonly again: number;
  /** Outcomes that the log tells more than once, and those of them that differ. */
  readonly toldAgain: number;
  readonly toldOtherwise: number;
  readonly complaints: readonly string[];
}

const SETTLED_BY_ACK: Partial<Record<Outcome, number>> = {
  ...{ delivered: 100, undecryptable: 101, rejected: 102 },
};

export function audit(sources: Sources): Findings {
  const { ledger, log, clients, losesView } = sources;
  const complaints = [...ledger.complaints, ...log.complaints];
  for (const { number, lostIds, complaints: own } of clients) {
    complaints.push(...own);
    if (lostIds > 0) complaints.push(`device ${number} has lost its id`);
  }
  const successors = successorsOf(sources);
  const arrived = new Set(clients.flatMap((one) => one.connections.flat().map(({ id }) => id)));
  const arrivals = clients.map((client) => arrivalsOf(client, sources, complaints));
  const outcomes = Object.fromEntries(OUTCOMES.map((name) => [name, 0])) as Record<Outcome, number>;
  let [unanswered, pending, lost, toldAgain, toldOtherwise] = [0, 0, 0, 0, 0];
  for (const logged of log.logged.values()) {
    const sent = ledger.sent.get(logged.number);
    if (sent?.status !== 201) unanswered++;
    const [first] = logged.told;
    if (first === undefined) pending++;
    else outcomes[first]++;
    if (logged.told.length > 1) toldAgain++;
    if (logged.told.some((name) => name !== first)) toldOtherwise++;
    const wrong = sent ? wrongWith({ sent, logged, clients, successors }) : 'nobody sent it';
    if (wrong) complaints.push(`${describe(logged, sent)}: ${wrong}`);
    if (wrong && !arrived.has(logged.id)) lost++;
  }
  for (const sent of ledger.sent.values()) {
    const wrong = placeFault(sent, log);
    if (wrong) complaints.push(`${sent.number} to device ${sent.endpoint.client}: ${wrong}`);
    if (sent.status === 201 && !log.byNumber.has(sent.number)) lost++;
  }
  complaints.push(...accountFaults(sources));
  if (toldOtherwise > 0 && !losesView) complaints.push(`${toldOtherwise} were told otherwise`);
  const sum = (of: (one: Arrivals) => number): number =>
    arrivals.reduce((total, one) => total + of(one), 0);
  return {
    ...{ outcomes, unanswered, pending, lost, toldAgain, toldOtherwise, complaints },
    lostIds: clients.reduce((total, { lostIds }) => total + lostIds, 0),
    doubles: sum((one) => one.doubles),
    disorder: sum((one) => one.disorder),
    late: sum((one) => one.late),
    again: sum((one) => one.again),
  };
}

type Arrivals = Pick<Findings, 'doubles' | 'disorder' | 'late' | 'again'>;

/** Order is the log's, and it is promised on each connection. */
function arrivalsOf(client: Client, { ledger, log }: Sources, complaints: string[]): Arrivals {
  const ever = new Set<string>();
  let [doubles, disorder, late, again, highest] = [0, 0, 0, 0, -1];
  for (const connection of client.connections) {
    const here = new Set<string>();
    let last = -1;
    for (const { id, number, bytes } of connection) {
      const offset = log.logged.get(id)?.offset;
      const sent = ledger.sent.get(number);
      const say = (what: string): unknown =>
        complaints.push(`${number} at device ${client.number} ${what}`);
      if (offset === undefined) say('is not in the log');
      if (sent?.endpoint.client !== client.number) say('was not for it');
      if (sent?.bytes !== bytes) say(`came with ${bytes} B`);
      if (here.has(id)) {
        say('came twice on one connection');
        doubles++;
      } else if ((offset ?? last) < last) {
        say('came behind a later one');
        disorder++;
      }
      if (!here.has(id) && ever.has(id)) again++;
      if (!ever.has(id) && (offset ?? 0) < highest) late++;
      last = Math.max(last, offset ?? -1);
      highest = Math.max(highest, last);
      here.add(id);
      ever.add(id);
    }
  }
  return { doubles, disorder, late, again };
}

interface Ended {
  readonly sent: Sent;
  readonly logged: Logged;
  readonly clients: readonly Client[];
  readonly successors: ReadonlyMap<string, number>;
}

/** Whether it ended as this one may end. */
function wrongWith({ sent, logged, clients, successors }: Ended): string | undefined {
  const [outcome] = logged.told;
  if (outcome === undefined) return 'it has no outcome';
  const code = SETTLED_BY_ACK[outcome];
  if (code !== undefined) {
    const acked = clients[sent.endpoint.client]?.acks.get(logged.id);
    return acked === code && code === codeOf(sent.number) ? undefined : `it was acked ${acked}`;
  }
  const may: Partial<Record<Outcome, () => boolean>> = {
    expired: () => sent.kind === 'brief',
    dropped: () => sent.kind === 'instant',
    deleted: () => sent.isCancelled === true && logged.cancels > 0,
    gone: () => sent.endpoint.state !== 'live',
    replaced: () => (successors.get(topicOf(sent) ?? '') ?? -1) > logged.offset,
  };
  return may[outcome]?.() ? undefined : 'it may not end so';
}

/** The highest offset of each subscription's topic. */
function successorsOf({ ledger, log }: Sources): ReadonlyMap<string, number> {
  const highest = new Map<string, number>();
  for (const { number, offset } of log.logged.values()) {
    const sent = ledger.sent.get(number);
    const topic = sent && topicOf(sent);
    if (topic) highest.set(topic, Math.max(offset, highest.get(topic) ?? 0));
  }
  return highest;
}

function topicOf({ topic, endpoint }: Sent): string | undefined {
  return topic && `${endpoint.channelID} ${topic}`;
}

/** What was answered 201 is in the log, behind what was accepted before it was sent. */
function placeFault({ status, number, id, after }: Sent, log: Log): string | undefined {
  const logged = log.byNumber.get(number);
  if (status === 410 && logged) return '410, but it is in the log';
  if (status !== 201) return undefined;
  if (!logged) return '201, but it is not in the log';
  if (logged.id !== id) return 'it is in the log under another id';
  const before = after && log.byNumber.get(after.number)?.offset;
  return before !== undefined && before > logged.offset ? 'it lies before an older one' : undefined;
}

/** By the services' own counts, against the log. */
function accountFaults({ accounts, log, losesView, drift }: Sources): readonly string[] {
  const faults: string[] = [];
  const { accepted, unaccounted, pending } = accounts;
  if (accepted !== log.notifications) {
    faults.push(`the services count ${accepted} accepted, the log holds ${log.notifications}`);
  }
  if (unaccounted !== 0 || pending !== 0) {
    faults.push(`the services count ${pending} pending and ${unaccounted} unaccounted`);
  }
  for (const name of OUTCOMES) {
    const told = log.outcomes.get(name) ?? 0;
    const above = (accounts.outcomes[name] ?? 0) - told;
    if (above !== (drift.get(name) ?? 0) && !losesView) {
      faults.push(`the services count ${told + above} ${name}, the log tells ${told}`);
    }
    drift.set(name, above);
  }
  return faults;
}

function describe({ number, told, partition, offset }: Logged, sent: Sent | undefined): string {
  const to = sent ? `${sent.kind} to device ${sent.endpoint.client}` : '';
  return `${number} (${to}, ${sent?.status}, at ${partition}/${offset}, ${told.join(' then ')})`;
}
