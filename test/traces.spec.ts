/** A `traceparent` on a POST goes through the log to the frame and the ack, in every process by its own spans. */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { Log } from '#runtime';
import { traceOf } from '#streams';
import { EmbeddedSubscriptionLookup } from '#view.embedded';
import { KeyRing } from '#webpush';
import { IngestCounts } from '../apps/ingest/src/ingest-counts.js';
import { Ingest } from '../apps/ingest/src/ingest.js';
import { Field, subscriptionId } from './support/field.js';
import { HandDrivenGateway, newDevice, settled } from './support/hand-driven-gateway.js';
import { HandDrivenRouter } from './support/hand-driven-router.js';
import { recordSpans, type RecordedSpan } from './support/recorded-spans.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const TRACEPARENT = `00-${TRACE}-${PARENT}-01`;
const { secret, device } = newDevice();
const subscription = subscriptionId();
let field: Field;
let ingest: Ingest;
let router: HandDrivenRouter;
let gateway: HandDrivenGateway;

beforeEach(async () => {
  field = await Field.open();
  await field.subscribed({ device, subscription });
  const lookup = new EmbeddedSubscriptionLookup(field.store);
  const options = {
    ...{ publicEndpointUrl: 'https://push.example', partitions: 1, payloadBytesMax: 4096 },
    ...{ ttlSecondsMax: 60, vapidTokensMax: 1, log: Log.into(() => undefined) },
    keyRing: KeyRing.parse(Buffer.alloc(32, 1).toString('base64url')),
  };
  ingest = new Ingest({ producer: field.producer, lookup }, options, new IngestCounts());
  router = new HandDrivenRouter(field);
  await router.own();
  gateway = await new HandDrivenGateway(field).begin();
});
afterEach(() => field.close());

const posted = (traceparent?: string, ttl = '60') =>
  ingest.accept({ device, subscription }, { ttl, traceparent }, Buffer.alloc(0));

test('without an SDK the trace of the sender goes on, for processes that have one', async () => {
  await posted(TRACEPARENT);
  const [record] = await field.records();
  expect(traceOf(record!.value!)).toEqual({ traceId: TRACE, spanId: PARENT, flags: 1 });
});

describe('with an SDK in the process', () => {
  let spans: RecordedSpan[];
  beforeAll(() => {
    spans = recordSpans();
  });
  afterEach(() => {
    spans.length = 0;
  });
  const steps = () => spans.map(({ name, how, isEnded }) => [name, how, isEnded]);

  test('a traced notification has a span for each of its steps, in the trace of its sender', async () => {
    const phone = await gateway.greeted(secret);
    await posted(TRACEPARENT);
    await router.readOn();
    await gateway.step();
    phone.ack(phone.notifications[0]!);
    await settled();
    expect(steps()).toEqual([
      ['accept', 'accepted', true],
      ['route', 'held', true],
      ['deliver', 'sent', true],
      ['ack', 'delivered', true],
    ]);
    expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([TRACE]));
    const [accept, route, deliver, ack] = spans as [
      RecordedSpan,
      RecordedSpan,
      RecordedSpan,
      RecordedSpan,
    ];
    expect(accept.parent).toBe(PARENT);
    expect([route.parent, deliver.parent]).toEqual([accept.spanId, accept.spanId]);
    expect(ack.parent).toBe(deliver.spanId);
  });

  test('one that waits in its mailbox is traced when it leaves', async () => {
    await posted(TRACEPARENT);
    await router.readOn();
    expect(steps()).toEqual([
      ['accept', 'accepted', true],
      ['route', 'stored', true],
    ]);
    const phone = await gateway.greeted(secret);
    phone.ack(phone.notifications[0]!);
    await settled();
    expect(steps().slice(2)).toEqual([
      ['deliver', 'sent', true],
      ['ack', 'delivered', true],
    ]);
  });

  test('one that is refused says why', async () => {
    await posted(TRACEPARENT, 'never');
    expect(steps()).toEqual([['accept', 'ttlInvalid', true]]);
  });

  test.each([undefined, 'x', `${TRACEPARENT}-more`])('%j traces nothing', async (traceparent) => {
    const phone = await gateway.greeted(secret);
    await posted(traceparent);
    await router.readOn();
    await gateway.step();
    phone.ack(phone.notifications[0]!);
    await settled();
    expect(spans).toEqual([]);
    expect((await field.records()).map(({ value }) => value && traceOf(value))).toEqual([
      undefined,
    ]);
  });
});
