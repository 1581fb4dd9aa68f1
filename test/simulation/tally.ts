/** What many schedules have met, and which of them broke a rule. Plain data: it is sent between threads. */
import type { Played } from './schedule.js';

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
  /** Those in which only the periodic re-check found what was missing. */
  rechecked: number[] = [];
  met: Record<string, number> = {};

  add({ seed, violation, met, happened, posts }: Played): void {
    this.played++;
    this.posts += posts;
    this.happened += happened;
    if (violation) this.broken.push({ seed, ...violation });
    if (met.needsRecheck > 0) this.rechecked.push(seed);
    for (const [what, times] of Object.entries(met)) this.meet(what, times);
  }

  /** What another thread has sent: a tally without its methods. */
  addAll(
    other: Pick<Tally, 'played' | 'posts' | 'happened' | 'broken' | 'rechecked' | 'met'>,
  ): void {
    this.played += other.played;
    this.posts += other.posts;
    this.happened += other.happened;
    this.broken.push(...other.broken);
    this.rechecked.push(...other.rechecked);
    for (const [what, times] of Object.entries(other.met)) this.meet(what, times);
  }

  lines(seconds: number): readonly string[] {
    const { played, posts, happened, broken, rechecked, met } = this;
    const lines = [
      `${played} schedules, ${posts} notifications, ${happened} steps in ${seconds.toFixed(0)} s`,
      Object.entries(met)
        .map(([what, times]) => `${what} ${times}`)
        .join(' · '),
    ];
    if (rechecked.length > 0)
      lines.push(`re-check needed by seeds ${rechecked.slice(0, 20).join(' ')}`);
    for (const rule of new Set(broken.map((one) => one.rule))) {
      const all = broken.filter((one) => one.rule === rule);
      const [first] = all.toSorted((a, b) => a.seed - b.seed);
      lines.push(`${rule} × ${all.length}: seed ${first?.seed}: ${first?.what}`);
    }
    if (broken.length === 0) lines.push('no rule was broken');
    return lines;
  }

  private meet(what: string, times: number): void {
    this.met[what] = (this.met[what] ?? 0) + times;
  }
}
