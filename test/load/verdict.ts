/**
 * Whether the accounts add up (design §5): what was answered 201 was delivered, or has another outcome, or waits; it
 * came in order, none of it twice on one connection, and no device lost its id. Everything that is looked at is a
 * finding of its own, so that a reader sees what was proved and what was not looked at.
 */
import type { Accounts } from '../support/standalone.js';
import type { Happened } from './faults.js';

export interface Account {
  /** Answered 201. */
  readonly accepted: number;
  /** Of the accepted, those that reached their device. */
  readonly received: number;
  /** Some of the accepted that did not. */
  readonly missing: readonly number[];
  /** Answered 503 or not at all: such a notification may be in the log all the same. */
  readonly unsure: number;
  /** By status; 0: no answer. */
  readonly answers: Readonly<Record<string, number>>;
  /** 503 without `Retry-After`. */
  readonly curt: number;
  /** Accepted, and came behind a later one on the same connection. */
  readonly behind: number;
  /** Came twice on one connection. */
  readonly twice: number;
  /** Devices that were given another id. */
  readonly renamed: number;
  /** Came to another device. */
  readonly misdirected: number;
  readonly devices: number;
  readonly connected: number;
  /** Of the cluster itself, at the end; absent: nobody tells. */
  readonly cluster?: Accounts | undefined;
  /** Somebody else's: its own counts are not read. */
  readonly isForeign: boolean;
  /** Redis was lost meanwhile: its counts began anew, with what the log still held. */
  readonly countsAnew: boolean;
  readonly happened: readonly Happened[];
  /** Only of a roll: how many devices came back in the busiest second, and how many may. */
  readonly return?: { readonly busiest: number; readonly most: number };
}

export interface Finding {
  readonly isGood: boolean;
  readonly says: string;
}

export interface Verdict {
  readonly addsUp: boolean;
  readonly findings: readonly Finding[];
}

export function verdictOf(account: Account): Verdict {
  const findings = [
    someAccepted(account),
    nothingLost(account),
    clusterAddsUp(account),
    countsAgree(account),
    {
      isGood: account.behind === 0,
      says: account.behind === 0 ? 'all in order' : `${n(account.behind)} came behind a later one`,
    },
    {
      isGood: account.twice === 0,
      says:
        account.twice === 0
          ? 'none twice on one connection'
          : `${n(account.twice)} came twice on one connection`,
    },
    {
      isGood: account.renamed === 0 && account.misdirected === 0,
      says:
        account.renamed + account.misdirected === 0
          ? 'no device lost its id or got what was another’s'
          : `${n(account.renamed)} devices lost their id, ${n(account.misdirected)} notifications came to a wrong device`,
    },
    answersAllowed(account),
    everybodyBack(account),
    ...servicesBack(account),
    ...returnsSpread(account),
  ].filter((finding) => finding !== undefined);
  return { addsUp: findings.every(({ isGood }) => isGood), findings };
}

function someAccepted({ accepted, unsure }: Account): Finding {
  return {
    isGood: accepted > 0,
    says:
      `${n(accepted)} accepted` +
      (unsure > 0 ? `; of ${n(unsure)} more nobody knows (503, or no answer)` : ''),
  };
}

/** accepted = delivered + other outcomes + pending, of what the senders were told 201. */
function nothingLost({ accepted, received, missing, cluster }: Account): Finding {
  const lacking = accepted - received;
  if (lacking === 0) {
    return { isGood: true, says: 'every accepted notification reached its device' };
  }
  const { delivered = 0, ...others } = cluster?.outcomes ?? {};
  const elsewhere = Object.values(others).reduce((sum, count) => sum + count, 0);
  const pending = cluster?.pending ?? 0;
  const lost = lacking - elsewhere - pending;
  const few = missing.slice(0, 5).join(', ');
  if (lost <= 0) {
    return {
      isGood: true,
      says: `${n(lacking)} did not reach their device: ${n(pending)} wait, ${n(elsewhere)} have another outcome`,
    };
  }
  return {
    isGood: false,
    says:
      `${n(lost)} of ${n(accepted)} accepted are lost (numbers ${few}${missing.length > 5 ? ', …' : ''}): ` +
      `${n(received)} reached their device, ${n(elsewhere)} have another outcome, ${n(pending)} wait` +
      (cluster ? ` (the cluster calls ${n(delivered)} delivered)` : ''),
  };
}

function clusterAddsUp({ cluster, isForeign }: Account): Finding {
  if (cluster === undefined) {
    const says = 'the cluster’s own counts were not read';
    return { isGood: isForeign, says: isForeign ? `${says}: it is not ours` : says };
  }
  const { accepted, pending, outcomes, unaccounted } = cluster;
  const ended = Object.entries(outcomes).filter(([, count]) => count > 0);
  const told = ended.map(([outcome, count]) => `${n(count)} ${outcome}`).join(' + ') || 'nothing';
  const sum = `the cluster counts ${n(accepted)} accepted = ${told} + ${n(pending)} pending`;
  if (unaccounted === 0) return { isGood: true, says: sum };
  return { isGood: false, says: `${sum}, and ${n(unaccounted)} that nobody accounts for` };
}

/** Of what senders were told and what the cluster counts, when its counts are as old as the load. */
function countsAgree({ accepted, unsure, cluster, countsAnew }: Account): Finding | undefined {
  if (cluster === undefined) return undefined;
  if (countsAnew) {
    return {
      isGood: true,
      says: 'Redis was lost, so the cluster’s counts are younger than the load',
    };
  }
  const more = cluster.accepted - accepted;
  if (more === 0) return { isGood: true, says: 'it counts what the senders were told' };
  const isGood = more > 0 && more <= unsure;
  const than = `${n(Math.abs(more))} ${more > 0 ? 'more' : 'fewer'} than the senders were told`;
  return {
    isGood,
    says: `it counts ${than}` + (isGood ? ', all among those that nobody knows of' : ''),
  };
}

/** 201, and 503 that says when to come again; nothing else, whatever was ended. */
function answersAllowed({ answers, curt }: Account): Finding {
  const strange = Object.entries(answers).filter(
    ([status, count]) => !['201', '503', '0'].includes(status) && count > 0,
  );
  const said = strange.map(([status, count]) => `${n(count)} × ${status}`);
  if (curt > 0) said.push(`${n(curt)} × 503 without Retry-After`);
  if (said.length > 0) return { isGood: false, says: `senders were answered ${said.join(', ')}` };
  const unavailable = answers['503'] ?? 0;
  return {
    isGood: true,
    says: `no answer but 201${unavailable > 0 ? ` and 503 with Retry-After (${n(unavailable)})` : ''}`,
  };
}

function everybodyBack({ devices, connected }: Account): Finding {
  return {
    isGood: connected === devices,
    says: `${n(connected)} of ${n(devices)} devices connected at the end`,
  };
}

function servicesBack({ happened }: Account): readonly Finding[] {
  const bad = happened.filter(
    ({ readyAtSeconds, how, exitCode }) =>
      readyAtSeconds === undefined || (how === 'roll' && exitCode !== 0),
  );
  if (happened.length === 0) return [];
  if (bad.length === 0) {
    const slowest = Math.max(...happened.map((one) => (one.readyAtSeconds ?? 0) - one.atSeconds));
    return [
      { isGood: true, says: `all that was ended was ready again, within ${slowest.toFixed(1)} s` },
    ];
  }
  return bad.map(({ part, how, exitCode, problem }) => ({
    isGood: false,
    says:
      how === 'roll' && exitCode !== 0
        ? `${part} ended on SIGTERM with ${exitCode ?? 'a SIGKILL'} instead of 0`
        : `${part} did not come back${problem ? `: ${problem}` : ''}`,
  }));
}

function returnsSpread({ return: back }: Account): readonly Finding[] {
  if (back === undefined) return [];
  const { busiest, most } = back;
  return [
    {
      isGood: busiest <= most,
      says: `in the busiest second ${n(busiest)} devices came back; a drain allows ${n(most)}`,
    },
  ];
}

function n(count: number): string {
  return count.toLocaleString('en');
}
