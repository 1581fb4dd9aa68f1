/** What the terminal shows while a load runs: a line a second for a person, every five for a log. */
import type { Happened } from './faults.js';
import type { Listener } from './run.js';
import type { Timeline } from './timeline.js';

const LOG_EVERY = 5;

export class Progress implements Listener {
  private readonly began = performance.now();
  private nextSecond = LOG_EVERY - 1;

  constructor(
    private readonly print: (line: string) => void,
    private readonly isTerminal: boolean,
  ) {}

  onStep(step: string): void {
    const seconds = Math.round((performance.now() - this.began) / 1_000);
    this.print(`[${String(seconds).padStart(3)} s] ${step}`);
  }

  onSecond(second: number, timeline: Timeline): void {
    if (!this.isTerminal && second < this.nextSecond) return;
    this.nextSecond = second + LOG_EVERY;
    const seconds = this.isTerminal ? 1 : LOG_EVERY;
    const moments = Array.from({ length: seconds }, (_, i) => timeline.at(second - i));
    const mean = (of: (moment: (typeof moments)[number]) => number): string =>
      Math.round(moments.reduce((sum, one) => sum + of(one), 0) / seconds).toLocaleString('en');
    const { frameMs } = moments[0]!;
    const [p50, p99] = [0.5, 0.99].map((share) => ms(frameMs.quantile(share)));
    const refused = mean(({ answers }) => (answers['503'] ?? 0) + (answers['0'] ?? 0));
    this.print(
      `${String(second + 1).padStart(5)} s  ${timeline.devices.toLocaleString('en').padStart(7)} devices  ` +
        `${mean(({ accepted }) => accepted).padStart(6)}/s accepted  ` +
        `${mean(({ received }) => received).padStart(6)}/s delivered  ` +
        `p50 ${p50}  p99 ${p99}` +
        (refused === '0' ? '' : `  ${refused}/s not accepted`),
    );
  }

  onChange(
    { part, how, exitCode, readyAtSeconds, atSeconds, problem }: Happened,
    isBack: boolean,
  ): void {
    if (!isBack) {
      this.print(`        ▼ ${part}: ${how === 'kill' ? 'SIGKILL' : 'SIGTERM'}`);
    } else if (readyAtSeconds === undefined) this.print(`        ✗ ${part}: ${problem}`);
    else {
      const took = (readyAtSeconds - atSeconds).toFixed(1);
      const code = how === 'roll' ? `, ended with ${exitCode}` : '';
      this.print(`        ▲ ${part}: ready again after ${took} s${code}`);
    }
  }
}

export function ms(value: number | undefined): string {
  if (value === undefined) return '–';
  if (value >= 10_000) return `${(value / 1_000).toFixed(0)} s`;
  if (value >= 1_000) return `${(value / 1_000).toFixed(1)} s`;
  return `${value >= 10 ? Math.round(value) : value.toFixed(1)} ms`;
}
