/** A load as plain data: what stands in report.json, and what the page and the terminal's table are made from. */
import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import { ROOT } from '../support/sources.js';
import type { Part } from './engine.js';
import type { Happened } from './faults.js';
import type { Histogram } from './histogram.js';
import type { Plan } from './options.js';
import type { LoadResult } from './run.js';
import type { Timeline } from './timeline.js';
import type { Account, Verdict } from './verdict.js';

/** ms; null: nothing was measured. */
export type Ms = number | null;

export interface Percentiles {
  readonly p50: Ms;
  readonly p90: Ms;
  readonly p99: Ms;
  readonly p999: Ms;
  readonly max: Ms;
}

export interface ReportSecond {
  readonly second: number;
  readonly sent: number;
  readonly accepted: number;
  readonly unavailable: number;
  readonly unanswered: number;
  readonly received: number;
  readonly again: number;
  readonly connected: number;
  readonly returned: number;
  readonly answerMs: Percentiles;
  readonly frameMs: Percentiles;
}

export interface ReportPart {
  readonly name: string;
  /** `load`: a process of the load itself. */
  readonly role: string;
  readonly coresMean: number;
  readonly coresMax: number;
  readonly megabytesMax: number;
  /** Second, cores, megabytes; null: unknown, or it did not run. */
  readonly samples: readonly (readonly [number, number | null, number | null])[];
}

export interface Report {
  readonly at: string;
  readonly command: string;
  readonly commit: string;
  readonly engine: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly plan: Plan;
  readonly verdict: Verdict;
  readonly account: Account;
  readonly faults: readonly Happened[];
  readonly summary: {
    readonly acceptedPerSecond: number;
    readonly receivedPerSecond: number;
    readonly connectSeconds: number;
    readonly sentForSeconds: number;
    readonly settleSeconds: number;
    /** Came again over a later connection. */
    readonly again: number;
    /** That should have been sent and were not: every connection of the senders was waiting. */
    readonly skipped: number;
    readonly closes: Readonly<Record<string, number>>;
    readonly returned: number;
    readonly busiestReturn: number;
    /** Attempts to come back that failed, by what went wrong. */
    readonly failures: Readonly<Record<string, number>>;
    readonly answerMs: Percentiles;
    readonly frameMs: Percentiles;
  };
  readonly curve: readonly {
    readonly share: number;
    readonly answerMs: Ms;
    readonly frameMs: Ms;
  }[];
  readonly seconds: readonly ReportSecond[];
  readonly parts: readonly ReportPart[];
}

const CURVE = [0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9995, 0.9999];

export function reportOf(
  result: LoadResult,
  about: { readonly engine: string; readonly command: string; readonly parts: readonly Part[] },
): Report {
  const { timeline, account, plan } = result;
  const { total } = timeline;
  const returns = Object.values(result.returns);
  return {
    at: new Date().toISOString(),
    ...{ command: about.command, commit: commit(), engine: about.engine, machine: machine() },
    ...{ plan, verdict: result.verdict, account, faults: result.happened },
    summary: {
      acceptedPerSecond: account.accepted / result.sentForSeconds,
      receivedPerSecond: account.received / result.sentForSeconds,
      connectSeconds: result.connectSeconds,
      sentForSeconds: result.sentForSeconds,
      settleSeconds: result.settleSeconds,
      ...{ again: total.again, skipped: total.skipped, closes: total.closes },
      returned: returns.reduce((sum, count) => sum + count, 0),
      busiestReturn: Math.max(0, ...returns),
      failures: total.failures,
      ...{ answerMs: percentiles(total.answerMs), frameMs: percentiles(total.frameMs) },
    },
    curve: CURVE.map((share) => ({
      share,
      answerMs: total.answerMs.quantile(share) ?? null,
      frameMs: total.frameMs.quantile(share) ?? null,
    })),
    seconds: secondsOf(timeline, result.returns),
    parts: partsOf(timeline, about.parts),
  };
}

function secondsOf(
  timeline: Timeline,
  returns: Readonly<Record<string, number>>,
): readonly ReportSecond[] {
  // A process that is too busy to tell a second holds as many as it did before.
  const connected = new Map<number, number>();
  return Array.from({ length: timeline.seconds }, (_, second) => {
    const moment = timeline.at(second);
    const { sent, accepted, answers, received, again } = moment;
    for (const [source, count] of moment.connected) connected.set(source, count);
    return {
      ...{ second, sent, accepted, received, again },
      connected: [...connected.values()].reduce((sum, count) => sum + count, 0),
      unavailable: answers['503'] ?? 0,
      unanswered: answers['0'] ?? 0,
      returned: returns[second] ?? 0,
      ...{ answerMs: percentiles(moment.answerMs), frameMs: percentiles(moment.frameMs) },
    };
  });
}

function partsOf(timeline: Timeline, known: readonly Part[]): readonly ReportPart[] {
  const placeOf = (name: string): number => {
    const place = known.findIndex((part) => part.name === name);
    return place < 0 ? known.length : place;
  };
  const names = [...timeline.parts].sort((a, b) => placeOf(a) - placeOf(b));
  return names.map((name) => {
    const samples = [...timeline.samplesOf(name)].map(
      ([second, { cores, residentBytes }]) =>
        [
          second,
          cores === undefined ? null : round(cores, 3),
          residentBytes === undefined ? null : round(residentBytes / 1e6, 1),
        ] as const,
    );
    const cores = samples.flatMap(([, one]) => (one === null ? [] : [one]));
    return {
      name,
      role: known.find((part) => part.name === name)?.role ?? 'load',
      coresMean: round(cores.reduce((sum, one) => sum + one, 0) / Math.max(1, cores.length), 3),
      coresMax: Math.max(0, ...cores),
      megabytesMax: Math.max(0, ...samples.map(([, , megabytes]) => megabytes ?? 0)),
      samples,
    };
  });
}

function percentiles(histogram: Histogram): Percentiles {
  const at = (share: number): Ms => {
    const ms = histogram.quantile(share);
    return ms === undefined ? null : round(ms, 2);
  };
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), p999: at(0.999), max: at(1) };
}

function machine(): Report['machine'] {
  return {
    cores: cpus().length,
    cpu: cpus()[0]?.model ?? 'unknown',
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
    node: process.version,
    system: `${process.platform} ${process.arch}`,
  };
}

function commit(): string {
  try {
    const words = ['rev-parse', '--short', 'HEAD'];
    return execFileSync('git', words, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return 'unknown';
  }
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
