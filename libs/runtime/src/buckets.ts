/** 0.1 ms … 10 s: an append, a frame and a whole outage have a place. */
export const LATENCY_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const;

/** A histogram as plain numbers: observing is a search in a short array and two additions. */
export class Buckets {
  /** One more than bounds: the last one is +Inf. Not cumulative. */
  readonly counts: Float64Array;
  sum = 0;

  /** `bounds` ascend; a value equal to a bound belongs below it (Prometheus' `le`). */
  constructor(readonly bounds: readonly number[] = LATENCY_SECONDS) {
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    const { bounds, counts } = this;
    let index = 0;
    while (index < bounds.length && value > (bounds[index] as number)) index++;
    counts[index] = (counts[index] as number) + 1;
    this.sum += value;
  }
}
