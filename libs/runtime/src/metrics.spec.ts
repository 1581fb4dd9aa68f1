import { describe, expect, test } from 'vitest';
import { Buckets } from './buckets.js';
import { Metrics } from './metrics.js';

async function linesOf(metrics: Metrics): Promise<string[]> {
  const { text } = await metrics.scrape();
  return text.split('\n').filter((line) => line.startsWith('heliograph_'));
}

test('a counter reads a plain field at every scrape', async () => {
  const metrics = new Metrics();
  const ingest = { accepted: 2 };
  metrics.counter('heliograph_accepted_total', { help: 'Accepted.', read: () => ingest.accepted });
  expect(await linesOf(metrics)).toEqual(['heliograph_accepted_total 2']);
  ingest.accepted = 5;
  expect(await linesOf(metrics)).toEqual(['heliograph_accepted_total 5']);
});

test('a reading by label has one line per value, by two labels one per pair', async () => {
  const metrics = new Metrics();
  const counts = { 0: { delivered: 3, expired: 1 }, 1: { delivered: 4 } };
  metrics.gauge('heliograph_connections', {
    help: 'x',
    by: ['role'],
    read: () => ({ a: 1, b: 2 }),
  });
  metrics.counter('heliograph_outcomes_total', {
    help: 'x',
    by: ['partition', 'outcome'],
    read: () => Promise.resolve(counts),
  });
  expect(await linesOf(metrics)).toEqual([
    'heliograph_connections{role="a"} 1',
    'heliograph_connections{role="b"} 2',
    'heliograph_outcomes_total{partition="0",outcome="delivered"} 3',
    'heliograph_outcomes_total{partition="0",outcome="expired"} 1',
    'heliograph_outcomes_total{partition="1",outcome="delivered"} 4',
  ]);
});

test('a label value that is gone from the reading is gone from the scrape', async () => {
  const metrics = new Metrics();
  let lag: Record<string, number> = { 0: 1, 1: 2 };
  metrics.gauge('heliograph_lag', { help: 'x', by: ['partition'], read: () => lag });
  await metrics.scrape();
  lag = { 1: 7 };
  expect(await linesOf(metrics)).toEqual(['heliograph_lag{partition="1"} 7']);
});

test.each([
  ['does not answer', () => new Promise<never>(() => undefined)],
  ['is away', () => Promise.reject(new Error('ECONNREFUSED'))],
])('a store that %s leaves a gap, and everything else is shown', async (_, read) => {
  const metrics = new Metrics({ readWithinMs: 5, processToo: true });
  metrics.gauge('heliograph_lag', { help: 'x', by: ['partition'], read });
  metrics.gauge('heliograph_connections', { help: 'x', read: () => 3 });
  await metrics.scrape();
  expect(await linesOf(metrics)).toEqual([
    'heliograph_scrape_gaps_total 1',
    'heliograph_connections 3',
  ]);
});

test('a histogram is cumulative and a value at a bound belongs below it', async () => {
  const metrics = new Metrics();
  const buckets = new Buckets([0.5, 1]);
  metrics.histogram('heliograph_append_seconds', 'Time of an append.', buckets);
  for (const value of [0.25, 0.5, 1, 3]) buckets.observe(value);
  expect(await linesOf(metrics)).toEqual([
    'heliograph_append_seconds_bucket{le="0.5"} 2',
    'heliograph_append_seconds_bucket{le="1"} 3',
    'heliograph_append_seconds_bucket{le="+Inf"} 4',
    'heliograph_append_seconds_sum 4.75',
    'heliograph_append_seconds_count 4',
  ]);
  const { text } = await metrics.scrape();
  expect(text).toContain('# TYPE heliograph_append_seconds histogram');
});

describe('a name', () => {
  const reader = { help: 'x', read: () => 1 };
  test('is ours and in Prometheus spelling', () => {
    const metrics = new Metrics();
    expect(() => metrics.gauge('connections', reader)).toThrow('heliograph_x_y');
    expect(() => metrics.gauge('heliograph_Connections', reader)).toThrow('heliograph_x_y');
  });

  test('of a counter ends in _total, and only of a counter', () => {
    const metrics = new Metrics();
    expect(() => metrics.counter('heliograph_accepted', reader)).toThrow('_total');
    expect(() => metrics.gauge('heliograph_accepted_total', reader)).toThrow('_total');
  });

  test('is taken once', () => {
    const metrics = new Metrics();
    metrics.gauge('heliograph_connections', reader);
    expect(() => metrics.gauge('heliograph_connections', reader)).toThrow('heliograph_connections');
  });
});

test('ours are described with type, unit and labels, in order of their names', () => {
  const metrics = new Metrics();
  metrics.histogram('heliograph_b_seconds', 'b', new Buckets());
  metrics.counter('heliograph_a_bytes_total', { help: 'a', by: ['x', 'y'], read: () => ({}) });
  expect(metrics.described()).toEqual([
    { name: 'heliograph_a_bytes_total', type: 'counter', unit: 'bytes', by: 'x, y', help: 'a' },
    { name: 'heliograph_b_seconds', type: 'histogram', unit: 'seconds', by: '', help: 'b' },
  ]);
});

test("the process's own metrics are there when asked for", async () => {
  const { text } = await new Metrics({ processToo: true }).scrape();
  expect(text).toContain('process_resident_memory_bytes ');
  expect(text).toContain('nodejs_eventloop_lag_p99_seconds ');
});

test('Node looks at the event loop every 50 ms, which an idle one shows as its delay', async () => {
  const metrics = new Metrics({ processToo: true });
  await metrics.scrape();
  await new Promise((resolve) => setTimeout(resolve, 500));
  const { text } = await metrics.scrape();
  const seconds = Number(/^nodejs_eventloop_lag_min_seconds (\S+)$/m.exec(text)?.[1]);
  expect(seconds).toBeGreaterThan(0.04);
  expect(seconds).toBeLessThan(0.2);
});
