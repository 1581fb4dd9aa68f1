/** What the terminal shows at the end. */
import { ms } from './progress.js';
import type { Percentiles, Report } from './report.js';

export function tableOf(report: Report): string {
  const { summary, plan, account, verdict, parts, faults } = report;
  const rows: readonly (readonly [string, string])[] = [
    [
      'devices',
      `${n(plan.devices)}, connected and registered in ${summary.connectSeconds.toFixed(1)} s`,
    ],
    [
      'accepted',
      `${n(account.accepted)} in ${summary.sentForSeconds.toFixed(0)} s: ${n(summary.acceptedPerSecond)}/s ` +
        `(asked for ${n(plan.rate)}/s)`,
    ],
    ['delivered', `${n(account.received)}; ${n(summary.again)} came again after a reconnect`],
    ['POST to 201', latencies(summary.answerMs)],
    ['POST to frame', latencies(summary.frameMs)],
    [
      'not accepted',
      `${n(account.answers['503'] ?? 0)} × 503, ${n(account.answers['0'] ?? 0)} without an answer, ` +
        `${n(summary.skipped)} not sent because all senders waited`,
    ],
    [
      'came back',
      `${n(summary.returned)} devices; ${n(summary.busiestReturn)} in the busiest second, ` +
        `${failuresOf(report)}`,
    ],
    ['settled', `${summary.settleSeconds.toFixed(1)} s after the last POST`],
    ...faults.map(
      ({ part, how, atSeconds, readyAtSeconds, problem }) =>
        [
          part,
          `${how === 'kill' ? 'SIGKILL' : 'SIGTERM'} at ${atSeconds.toFixed(0)} s, ` +
            (readyAtSeconds === undefined
              ? `did not come back: ${problem}`
              : `ready again after ${(readyAtSeconds - atSeconds).toFixed(1)} s`),
        ] as const,
    ),
  ];
  const services = parts.map(
    ({ name, coresMean, coresMax, megabytesMax }) =>
      `  ${name.padEnd(18)} ${coresMean.toFixed(2).padStart(6)} ${coresMax.toFixed(2).padStart(6)} ` +
      `${String(Math.round(megabytesMax)).padStart(7)}`,
  );
  return [
    '',
    ...rows.map(([name, value]) => `  ${name.padEnd(18)} ${value}`),
    ...(services.length > 0
      ? [
          '',
          `  ${''.padEnd(18)} ${'cores'.padStart(6)} ${'most'.padStart(6)} ${'MB most'.padStart(7)}`,
        ]
      : []),
    ...services,
    '',
    ...verdict.findings.map(({ isGood, says }) => `  ${isGood ? '✓' : '✗'} ${says}`),
    '',
    `The accounts add up: ${verdict.addsUp ? 'yes' : 'NO'}`,
  ].join('\n');
}

/** Attempts to come back that failed. */
export function failuresOf({ summary }: Report): string {
  const all = Object.entries(summary.failures).sort(([, a], [, b]) => b - a);
  if (all.length === 0) return 'no attempt failed';
  const few = all.slice(0, 4).map(([why, count]) => `${n(count)} × ${why}`);
  return `attempts that failed: ${few.join(', ')}`;
}

function latencies({ p50, p90, p99, p999, max }: Percentiles): string {
  const [a, b, c, d, e] = [p50, p90, p99, p999, max].map((one) => ms(one ?? undefined));
  return `p50 ${a} · p90 ${b} · p99 ${c} · p99.9 ${d} · most ${e}`;
}

function n(value: number): string {
  return Math.round(value).toLocaleString('en');
}
