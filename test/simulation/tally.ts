/** What many schedules have met, and which of them broke a rule. Plain data: it is sent between threads. */
import { CAUSES, type Cause } from './recheck-cause.js';
import type { Played, Recheck } from './schedule.js';

const SEEDS_MAX = 10;

export interface Broken {
  readonly seed: number;
  readonly rule: string;
  readonly what: string;
}

export class Tally {
  played = 0;
  posts = 0;
  happened = 0;
  broken: Broken[] = [];
  /** What only the periodic re-check has found. */
  rechecks: Recheck[] = [];
  met: Record<string, number> = {};

  add({ seed, violation, met, happened, posts, rechecks }: Played): void {
    this.played++;
    this.posts += posts;
    this.happened += happened;
    if (violation) this.broken.push({ seed, ...violation });
    this.rechecks.push(...rechecks);
    for (const [what, times] of Object.entries(met)) this.meet(what, times);
  }

  /** What another thread has sent: a tally without its methods. */
  addAll(
    other: Pick<Tally, 'played' | 'posts' | 'happened' | 'broken' | 'rechecks' | 'met'>,
  ): void {
    this.played += other.played;
    this.posts += other.posts;
    this.happened += other.happened;
    this.broken.push(...other.broken);
    this.rechecks.push(...other.rechecks);
    for (const [what, times] of Object.entries(other.met)) this.meet(what, times);
  }

  lines(seconds: number): readonly string[] {
    const { played, posts, happened, broken, rechecks, met } = this;
    const lines = [
      `${played} schedules, ${posts} notifications, ${happened} steps in ${seconds.toFixed(0)} s`,
      Object.entries(met)
        .map(([what, times]) => `${what} ${times}`)
        .join(' · '),
    ];
    for (const cause of Object.keys(CAUSES) as Cause[]) {
      const all = rechecks.filter((one) => one.cause === cause);
      if (all.length === 0) continue;
      all.sort((a, b) => a.seed - b.seed);
      lines.push(
        `the re-check alone helps, because ${CAUSES[cause]}: ${all.length} (${seedsOf(all)})`,
      );
    }
    for (const rule of new Set(broken.map((one) => one.rule))) {
      const all = broken.filter((one) => one.rule === rule).toSorted((a, b) => a.seed - b.seed);
      lines.push(`${all[0]?.what} (${seedsOf(all)})`);
    }
    if (broken.length === 0) lines.push('no rule was broken');
    return lines;
  }

  private meet(what: string, times: number): void {
    this.met[what] = (this.met[what] ?? 0) + times;
  }
}

function seedsOf(all: readonly { readonly seed: number }[]): string {
  const some = all.slice(0, SEEDS_MAX).map(({ seed }) => seed);
  return `seed ${some.join(' ')}${all.length > SEEDS_MAX ? ' …' : ''}`;
}
