/** Which plots a report has. */
import {
  figureOf,
  linear,
  logarithmic,
  time,
  type Line,
  type Mark,
  type Plot,
  type Scale,
} from './plot.js';
import { ms } from './progress.js';
import type { Report, ReportPart, ReportSecond } from './report.js';

const ROLES = ['gateway', 'ingest', 'router', 'registration', 'kafka', 'redis', 'load'];
const COLORS = ['s1', 's2', 's3', 's4', 's5', 's6'];

export interface Plots {
  readonly delivery: string;
  readonly connections: string;
  readonly cpu: string;
  readonly memory: string;
}

export function plotsOf(report: Report): Plots {
  const { parts } = report;
  const groups = ROLES.flatMap((role) => {
    const of = parts.filter((part) => part.role === role);
    return of.length > 0 ? [{ role, of }] : [];
  });
  const shared = { x: time(report.seconds.length), marks: marksOf(report), isOverTime: true };
  const few = { ...shared, x: time(report.seconds.length, 4) };
  const coresMost = Math.max(0.1, ...parts.map(({ coresMax }) => coresMax));
  return {
    delivery: deliveryPlots(report, shared),
    connections: connectionPlots(report, shared),
    cpu: groups
      .map(({ role, of }) =>
        figureOf({
          ...{ ...few, title: titleOf(role), isSmall: true },
          lines: of.map((part, i) => sampled(part, i, 1)),
          y: linear(coresMost, (value) => value.toFixed(coresMost < 0.5 ? 2 : 1)),
        }),
      )
      .join(''),
    memory: groups
      .map(({ role, of }) =>
        figureOf({
          ...{ ...few, title: titleOf(role), isSmall: true },
          lines: of.map((part, i) => sampled(part, i, 2)),
          y: linear(
            Math.max(...of.map(({ megabytesMax }) => megabytesMax)),
            (value) => `${n(value)} MB`,
          ),
        }),
      )
      .join(''),
  };
}

type Shared = Pick<Plot, 'x' | 'marks' | 'isOverTime'>;

function deliveryPlots(report: Report, shared: Shared): string {
  const { seconds, plan } = report;
  const rate = Math.max(plan.rate, ...seconds.map((one) => Math.max(one.accepted, one.received)));
  const isSent = ({ sent }: ReportSecond): boolean => sent > 0;
  const asked = seconds.map((one) => [one.second, isSent(one) ? plan.rate : null] as const);
  const failures = seconds.some(({ unavailable, unanswered }) => unavailable + unanswered > 0);
  return [
    wide(
      figureOf({
        ...shared,
        title: 'Rate',
        about: 'notifications per second',
        y: linear(rate, n),
        lines: [
          line('accepted', 's1', seconds, ({ accepted }) => accepted),
          line('delivered', 's2', seconds, ({ received }) => received),
          { name: 'asked for', color: 's3', points: asked, isDashed: true },
        ],
      }),
      true,
    ),
    latencyPlot(report, 'frameMs', { ...shared, title: 'From POST to the device' }),
    latencyPlot(report, 'answerMs', { ...shared, title: 'From POST to 201' }),
    wide(curvePlot(report), !failures && report.summary.again === 0),
    failures ? failuresPlot(report, shared) : '',
    report.summary.again > 0 ? wide(againPlot(report, shared), failures) : '',
  ].join('');
}

function latencyPlot(
  { seconds }: Report,
  which: 'frameMs' | 'answerMs',
  shared: Shared & { readonly title: string },
): string {
  const all = seconds.flatMap((one) => [one[which].p50 ?? [], one[which].p99 ?? []].flat());
  return figureOf({
    ...shared,
    about: 'by second, logarithmic',
    y: logarithmic(Math.max(0.1, Math.min(1_000, ...all)), Math.max(10, ...all), ms),
    lines: [
      line('p50', 's1', seconds, (one) => one[which].p50),
      line('p90', 's3', seconds, (one) => one[which].p90),
      line('p99', 's2', seconds, (one) => one[which].p99),
    ],
  });
}

/** The rare at the right: each step is ten times rarer. */
function curvePlot({ curve }: Report): string {
  const nines = (share: number): number => -Math.log10(1 - share);
  const shown = [0.5, 0.9, 0.99, 0.999, 0.9999];
  const x: Scale = {
    ...{ from: 0, to: 4 },
    ticks: shown.map(nines),
    show: (value) => `${Number((100 - 100 * 10 ** -value).toFixed(2))} %`,
    place: (value) => value / 4.05,
  };
  const all = curve.flatMap(({ answerMs, frameMs }) => [answerMs ?? [], frameMs ?? []].flat());
  const of = (name: string, color: string, which: 'answerMs' | 'frameMs'): Line => ({
    ...{ name, color },
    points: curve.map((one) => [nines(one.share), one[which]] as const),
  });
  return figureOf({
    title: 'Latency by percentile',
    about: 'so many were at least as fast',
    x,
    y: logarithmic(Math.max(0.1, Math.min(1_000, ...all)), Math.max(10, ...all), ms),
    lines: [of('to the device', 's1', 'frameMs'), of('to 201', 's3', 'answerMs')],
  });
}

function failuresPlot({ seconds }: Report, shared: Shared): string {
  const most = Math.max(1, ...seconds.map((one) => Math.max(one.unavailable, one.unanswered)));
  return figureOf({
    ...shared,
    title: 'POSTs that were not accepted',
    about: 'per second',
    y: linear(most, n),
    lines: [
      line('503 with Retry-After', 's4', seconds, ({ unavailable }) => unavailable),
      line('no answer', 's5', seconds, ({ unanswered }) => unanswered),
    ],
  });
}

function againPlot({ seconds }: Report, shared: Shared): string {
  const most = Math.max(1, ...seconds.map(({ again }) => again));
  return figureOf({
    ...shared,
    title: 'Delivered again',
    about: 'per second, over a later connection, because the ack was lost',
    y: linear(most, n),
    lines: [{ ...line('again', 's4', seconds, ({ again }) => again), isArea: true }],
  });
}

function connectionPlots(report: Report, shared: Shared): string {
  const { seconds, plan, account } = report;
  const most = account.return?.most;
  const busiest = Math.max(1, ...seconds.map(({ returned }) => returned));
  return [
    figureOf({
      ...shared,
      title: 'Connected devices',
      y: linear(plan.devices, n),
      lines: [{ ...line('connected', 's1', seconds, ({ connected }) => connected), isArea: true }],
    }),
    figureOf({
      ...shared,
      isBars: true,
      title: 'Devices that came back, per second',
      ...(most !== undefined && { limit: { at: most, says: `a drain allows ${n(most)}` } }),
      y: linear(Math.max(busiest, most ?? 0), n),
      lines: [line('came back', 's1', seconds, ({ returned }) => returned)],
    }),
  ].join('');
}

function wide(figure: string, isWide: boolean): string {
  return isWide ? figure.replace('<figure class="', '<figure class="wide ') : figure;
}

function sampled(part: ReportPart, i: number, column: 1 | 2): Line {
  return {
    name: part.name.replace(/^load: /, ''),
    color: COLORS[i % COLORS.length] ?? 's1',
    points: part.samples.map((sample) => [sample[0], sample[column]] as const),
  };
}

function line(
  name: string,
  color: string,
  seconds: readonly ReportSecond[],
  of: (second: ReportSecond) => number | null,
): Line {
  return { name, color, points: seconds.map((one) => [one.second, of(one)] as const) };
}

function marksOf({ faults, seconds }: Report): readonly Mark[] {
  return faults.map(({ part, how, atSeconds, readyAtSeconds }, i) => ({
    label: String(i + 1),
    title: `${part}: ${how === 'kill' ? 'SIGKILL' : 'SIGTERM'} at ${atSeconds.toFixed(1)} s`,
    from: atSeconds,
    to: readyAtSeconds ?? seconds.length,
    isPlanned: how === 'roll',
  }));
}

function titleOf(role: string): string {
  const names: Record<string, string> = { load: 'The load itself', kafka: 'Kafka', redis: 'Redis' };
  return names[role] ?? role.charAt(0).toUpperCase() + role.slice(1);
}

function n(value: number): string {
  return Math.round(value).toLocaleString('en');
}
