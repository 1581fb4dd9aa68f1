import { afterEach, beforeEach, expect, test } from 'vitest';
import { Metrics } from '#runtime';
import { OUTCOMES, type Outcome } from '#webpush';
import { Field, deviceId, intercepted, subscriptionId } from '../../../test/support/field.js';
import { HandDrivenRouter } from '../../../test/support/hand-driven-router.js';
import { unaccounted, watchRouter } from './router-metrics.js';

const device = deviceId();
const subscription = subscriptionId();
let field: Field;
let owner: HandDrivenRouter;

beforeEach(async () => {
  field = await Field.open();
  await field.subscribed({ device, subscription });
  owner = new HandDrivenRouter(field);
  await owner.own();
});
afterEach(() => field.close());

async function scraped(ports: Partial<Pick<Field, 'view' | 'catalog'>> = {}) {
  const metrics = new Metrics();
  watchRouter(metrics, owner.router, { view: field.view, catalog: field.catalog, ...ports });
  const { text } = await metrics.scrape();
  return (sample: string): number | undefined => {
    const line = text.split('\n').find((one) => one.startsWith(`${sample} `));
    return line === undefined ? undefined : Number(line.slice(sample.length + 1));
  };
}

test('a scrape shows the accounts of each partition, and that they add up', async () => {
  for (let i = 0; i < 3; i++) await field.put({ device, subscription });
  await field.put({ device, subscription, ttlSeconds: 0 });
  await owner.readOn();
  await field.view.settle(0, [{ device, offset: 0, outcome: 'delivered' }]);
  const sample = await scraped();
  expect(sample('heliograph_accepted_total{partition="0"}')).toBe(4);
  expect(sample('heliograph_pending{partition="0"}')).toBe(2);
  expect(sample('heliograph_outcomes_total{partition="0",outcome="delivered"}')).toBe(1);
  expect(sample('heliograph_outcomes_total{partition="0",outcome="dropped"}')).toBe(1);
  expect(sample('heliograph_unaccounted{partition="0"}')).toBe(0);
});

test('a scrape reads the accounts once, so that its sums are of one moment', async () => {
  let reads = 0;
  const view = intercepted(field.view, (method, call) => {
    if (method === 'accounts') reads++;
    return call();
  });
  await scraped({ view });
  expect(reads).toBe(1);
  await scraped({ view });
  expect(reads).toBe(2);
});

test('the lag is what is left to apply, and nothing when there is nothing to read', async () => {
  await field.put({ device, subscription });
  await owner.step();
  await field.put({ device, subscription });
  await field.put({ device, subscription });
  expect((await scraped())('heliograph_router_lag{partition="0"}')).toBe(2);
  await owner.readOn();
  expect((await scraped())('heliograph_router_lag{partition="0"}')).toBe(0);
});

test('partitions are shown by the state of their view', async () => {
  expect((await scraped())('heliograph_router_partitions{state="ready"}')).toBe(1);
  field.store.lose();
  await field.put({ device, subscription });
  await owner.assign();
  const sample = await scraped();
  expect(sample('heliograph_router_partitions{state="ready"}')).toBe(0);
  expect(sample('heliograph_router_partitions{state="rebuilding"}')).toBe(1);
});

test('the latency is measured by the log’s append time, once per slice', async () => {
  await field.held(device, { gateway: 'g1', epoch: 7, connection: 70 });
  await field.put({ device, subscription });
  field.now += 3;
  await owner.readOn();
  const sample = await scraped();
  expect(sample('heliograph_router_latency_seconds_count')).toBe(1);
  expect(sample('heliograph_router_latency_seconds_sum')).toBeCloseTo(0.003, 6);
});

test('what is missing from the accounts has a sign', () => {
  const outcomes = Object.fromEntries(OUTCOMES.map((name) => [name, 0])) as Record<Outcome, number>;
  expect(unaccounted({ accepted: 3, pending: 1, outcomes })).toBe(2);
  expect(unaccounted({ accepted: 3, pending: 2, outcomes: { ...outcomes, gone: 2 } })).toBe(-1);
});
