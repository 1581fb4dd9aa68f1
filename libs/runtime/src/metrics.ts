/**
 * Prometheus metrics (design §3: the ops port). Hot paths count in plain fields of their own objects; a
 * metric is a name and a reader of such fields, and costs nothing until somebody scrapes.
 */
import { collectDefaultMetrics, Counter, Gauge, Registry, type Metric } from 'prom-client';
import type { Buckets } from './buckets.js';

/** What a reader returns: one number, or readings by the value of the next label of `by`. */
export type Reading = number | { readonly [label: string]: Reading };
export interface Reader {
  /** One sentence: what is counted. */
  readonly help: string;
  /** The labels, outermost first, when the reading is a record (of records). */
  readonly by?: readonly string[];
  readonly read: () => Reading | Promise<Reading>;
}

/** A metric as the README shows it. */
export interface MetricRow {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly unit: string;
  readonly by: string;
  readonly help: string;
}

/** Unit by the name's last word, as Prometheus' naming wants it; everything else is a count. */
const UNITS: Record<string, string> = { seconds: 'seconds', bytes: 'bytes', ratio: '0–1' };
/** For a store. Prometheus waits for 10 s, and without an answer would miss everything else as well. */
const READ_WITHIN_MS = 2_000;
/** How often Node looks at the delay of the event loop. Each look wakes the process: of an idle one most of its CPU. */
const LOOP_LOOK_MS = 50;
const NAME = /^heliograph_[a-z][a-z0-9]*(_[a-z0-9]+)*$/;

export class Metrics {
  readonly registry = new Registry();
  private readonly rows: MetricRow[] = [];
  private readonly readWithinMs: number;
  private gaps = 0;

  /** `processToo`: also Node's own (memory, CPU, event loop delay, garbage collection, handles). */
  constructor(options: { readonly processToo?: boolean; readonly readWithinMs?: number } = {}) {
    this.readWithinMs = options.readWithinMs ?? READ_WITHIN_MS;
    if (!options.processToo) return;
    const eventLoopMonitoringPrecision = LOOP_LOOK_MS;
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision });
    this.counter('heliograph_scrape_gaps_total', {
      help: 'readings missing in a scrape because a store did not answer within 2 s',
      read: () => this.gaps,
    });
  }

  /** Only grows. The name ends in `_total`. */
  counter(name: string, reader: Reader): void {
    if (!name.endsWith('_total')) throw new Error(`counter ${name}: its name must end in _total`);
    this.list(name, 'counter', reader);
    const metric: Counter = new Counter({
      ...this.shape(name, reader),
      collect: async () => {
        const reading = await this.reading(reader);
        if (reading === undefined && !reader.by) return;
        metric.reset();
        each(reader, reading ?? {}, (labels, value) => metric.inc(labels, value));
      },
    });
  }

  gauge(name: string, reader: Reader): void {
    if (name.endsWith('_total')) throw new Error(`gauge ${name}: _total is for counters`);
    this.list(name, 'gauge', reader);
    const metric: Gauge = new Gauge({
      ...this.shape(name, reader),
      collect: async () => {
        const reading = await this.reading(reader);
        if (reading === undefined && !reader.by) return;
        metric.reset();
        each(reader, reading ?? {}, (labels, value) => metric.set(labels, value));
      },
    });
  }

  /** The caller keeps `buckets` and observes. */
  histogram(name: string, help: string, buckets: Buckets): void {
    this.list(name, 'histogram', { help });
    const metric = { name, get: () => Promise.resolve(histogramText(name, help, buckets)) };
    // The registry asks a metric for nothing but its name and its values.
    this.registry.registerMetric(metric as unknown as Metric);
  }

  /** All of ours, by name. */
  described(): readonly MetricRow[] {
    return this.rows.toSorted((a, b) => a.name.localeCompare(b.name));
  }

  /** The exposition text, and its content type. */
  async scrape(): Promise<{ readonly text: string; readonly contentType: string }> {
    return { text: await this.registry.metrics(), contentType: this.registry.contentType };
  }

  /** Undefined: a store is away. What else there is to see is needed most just then. */
  private async reading(reader: Reader): Promise<Reading | undefined> {
    const reading = reader.read();
    if (!(reading instanceof Promise)) return reading;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(resolve, this.readWithinMs, undefined);
    });
    const answer = await Promise.race([reading.catch(() => undefined), late]);
    clearTimeout(timer);
    if (answer === undefined) this.gaps++;
    return answer;
  }

  private shape(name: string, { help, by }: Reader) {
    return { name, help, labelNames: by ?? [], registers: [this.registry] };
  }

  private list(name: string, type: MetricRow['type'], about: Omit<Reader, 'read'>): void {
    if (!NAME.test(name)) throw new Error(`metric ${name}: its name must look like heliograph_x_y`);
    const unit =
      UNITS[
        name
          .replace(/_total$/, '')
          .split('_')
          .at(-1) ?? ''
      ] ?? 'count';
    this.rows.push({ name, type, unit, by: (about.by ?? []).join(', '), help: about.help });
  }
}

/** Calls `put` for each number of the reading, with its labels. */
function each(
  { by = [] }: Reader,
  reading: Reading,
  put: (labels: Record<string, string>, value: number) => void,
): void {
  const visit = (at: Reading, depth: number, labels: Record<string, string>): void => {
    if (typeof at === 'number') return put(labels, at);
    const name = by[depth] ?? 'kind';
    for (const [label, next] of Object.entries(at)) {
      visit(next, depth + 1, { ...labels, [name]: label });
    }
  };
  visit(reading, 0, {});
}

function histogramText(name: string, help: string, buckets: Buckets) {
  let total = 0;
  const values = [...buckets.counts].map((count, index) => {
    total += count;
    const le = buckets.bounds[index] ?? '+Inf';
    return { labels: { le }, value: total, metricName: `${name}_bucket` };
  });
  const sum = { labels: {}, value: buckets.sum, metricName: `${name}_sum` };
  const count = { labels: {}, value: total, metricName: `${name}_count` };
  return { name, help, type: 'histogram', values: [...values, sum, count], aggregator: 'sum' };
}
