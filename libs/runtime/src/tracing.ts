/**
 * Spans of the notifications whose POST bore a `traceparent`, by the OpenTelemetry API: accept → route → deliver →
 * ack. Without an SDK in the process (it is loaded from outside, by `NODE_OPTIONS=--import …`) the API does nothing,
 * and the context of the sender goes on as it came. An SDK is not seen, without a word, by an API that is newer than
 * its own: hence the version in package.json is the last that those of today take.
 */
import { ROOT_CONTEXT, SpanKind, trace, type Span } from '@opentelemetry/api';
import type { TraceContext } from '#webpush';

const KINDS = {
  accept: SpanKind.PRODUCER,
  route: SpanKind.CONSUMER,
  deliver: SpanKind.PRODUCER,
  ack: SpanKind.CONSUMER,
} as const;

/** Asks for the SDK at each span: it may be registered later than this is loaded. */
const tracer = trace.getTracer('heliograph');

/** One of the steps of a notification, under way. */
export class Step {
  private readonly span: Span;

  constructor(name: keyof typeof KINDS, { traceId, spanId, flags }: TraceContext) {
    const parent = { traceId, spanId, traceFlags: flags, isRemote: true };
    const context = trace.setSpanContext(ROOT_CONTEXT, parent);
    this.span = tracer.startSpan(name, { kind: KINDS[name] }, context);
  }

  /** Of what follows from it. */
  get context(): TraceContext {
    const { traceId, spanId, traceFlags } = this.span.spanContext();
    return { traceId, spanId, flags: traceFlags };
  }

  /** `how`: `accepted` or a refusal, `held` or `stored`, `sent`, an outcome. Never an id: it would be a capability. */
  end(how: string): void {
    this.span.setAttribute('heliograph.how', how).end();
  }
}
