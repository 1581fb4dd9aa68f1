/**
 * Latencies in buckets that grow by 6 %, so that any number of them costs the same few hundred counters, and those of
 * many processes and seconds can be added up.
 */
const LEAST_MS = 0.05;
const GROWTH = Math.log(1.06);
const BUCKETS = 300;

/** Pairs of bucket and count: how a histogram goes from process to process. */
export type SparseHistogram = readonly (readonly [bucket: number, count: number])[];

export class Histogram {
  count = 0;
  private readonly buckets = new Uint32Array(BUCKETS);

  static of(sparse: SparseHistogram): Histogram {
    const histogram = new Histogram();
    histogram.add(sparse);
    return histogram;
  }

  note(ms: number): void {
    const bucket = Math.ceil(Math.log(Math.max(ms, LEAST_MS) / LEAST_MS) / GROWTH);
    this.buckets[Math.min(bucket, BUCKETS - 1)]!++;
    this.count++;
  }

  add(sparse: SparseHistogram): void {
    for (const [bucket, count] of sparse) {
      this.buckets[bucket]! += count;
      this.count += count;
    }
  }

  /** Milliseconds that so large a share does not exceed (to 6 %); undefined: nothing was noted. */
  quantile(share: number): number | undefined {
    if (this.count === 0) return undefined;
    let left = Math.max(1, Math.ceil(this.count * share));
    const bucket = this.buckets.findIndex((count) => (left -= count) <= 0);
    return LEAST_MS * Math.exp(GROWTH * bucket);
  }

  sparse(): SparseHistogram {
    return [...this.buckets.entries()].filter(([, count]) => count > 0);
  }
}
