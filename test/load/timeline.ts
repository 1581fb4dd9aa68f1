/** The seconds of a load, of all its processes together. */
import type { Use } from './engine.js';
import { Histogram } from './histogram.js';
import type { Second } from './messages.js';

/** Of one second, or of a whole load. */
export class Moment {
  sent = 0;
  skipped = 0;
  curt = 0;
  received = 0;
  again = 0;
  /** Per process of devices. */
  readonly connected = new Map<number, number>();
  readonly answers: Record<string, number> = {};
  readonly closes: Record<string, number> = {};
  readonly failures: Record<string, number> = {};
  readonly answerMs = new Histogram();
  readonly frameMs = new Histogram();

  add(source: number, second: Second): void {
    if (second.kind === 'devices') {
      this.received += second.received;
      this.again += second.again;
      count(this.failures, second.failures);
      this.connected.set(source, second.connected);
      count(this.closes, second.closes);
      this.frameMs.add(second.frameMs);
    } else {
      this.sent += second.sent;
      this.skipped += second.skipped;
      this.curt += second.curt;
      count(this.answers, second.answers);
      this.answerMs.add(second.answerMs);
    }
  }

  get accepted(): number {
    return this.answers['201'] ?? 0;
  }
}

/** Of one part in one second. */
export interface Sample {
  /** CPU seconds per second; absent: it was not there all the time since the sample before. */
  readonly cores?: number;
  /** Absent: it did not run. */
  readonly residentBytes?: number;
}

export class Timeline {
  readonly total = new Moment();
  /** By process: how many devices were connected when it last told. */
  private readonly connected = new Map<number, number>();
  private readonly moments = new Map<number, Moment>();
  private readonly samples = new Map<string, Map<number, Sample>>();
  private readonly uses = new Map<string, Use & { readonly atMs: number }>();

  add(source: number, second: Second): void {
    if (second.kind === 'devices') this.connected.set(source, second.connected);
    this.at(second.second).add(source, second);
    this.total.add(source, second);
  }

  at(second: number): Moment {
    let moment = this.moments.get(second);
    if (moment === undefined) this.moments.set(second, (moment = new Moment()));
    return moment;
  }

  /** What parts have used up to now. A part with less than before was started again. */
  sample(second: number, atMs: number, uses: ReadonlyMap<string, Use>): void {
    for (const [part, use] of uses) {
      const before = this.uses.get(part);
      const spent = use.cpuSeconds - (before?.cpuSeconds ?? Number.POSITIVE_INFINITY);
      const cores = spent >= 0 && before ? spent / ((atMs - before.atMs) / 1_000) : undefined;
      const { residentBytes } = use;
      this.noted(part).set(
        second,
        cores === undefined ? { residentBytes } : { cores, residentBytes },
      );
      this.uses.set(part, { ...use, atMs });
    }
    for (const part of this.parts) {
      if (uses.has(part)) continue;
      this.uses.delete(part);
      this.noted(part).set(second, {});
    }
  }

  private noted(part: string): Map<number, Sample> {
    let samples = this.samples.get(part);
    if (samples === undefined) this.samples.set(part, (samples = new Map<number, Sample>()));
    return samples;
  }

  /** Now; a process that is too busy to tell holds as many as it did before. */
  get devices(): number {
    return [...this.connected.values()].reduce((sum, count) => sum + count, 0);
  }

  get parts(): readonly string[] {
    return [...this.samples.keys()];
  }

  samplesOf(part: string): ReadonlyMap<number, Sample> {
    return this.samples.get(part) ?? new Map();
  }

  /** One more than the last second that something is known of. */
  get seconds(): number {
    return Math.max(-1, ...this.moments.keys()) + 1;
  }
}

function count(into: Record<string, number>, more: Readonly<Record<string, number>>): void {
  for (const [name, number] of Object.entries(more)) into[name] = (into[name] ?? 0) + number;
}
