/** What an OpenTelemetry SDK would be told, remembered: registered as the SDK of this process. */
import { randomBytes } from 'node:crypto';
import {
  SpanKind,
  trace,
  type Context,
  type Span,
  type SpanOptions,
  type Tracer,
} from '@opentelemetry/api';

export interface RecordedSpan {
  readonly name: string;
  readonly kind: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent: string | undefined;
  how: unknown;
  isEnded: boolean;
}

/** From now on, for good, every span is added to the list: a tracer stays with the first SDK that it finds. */
export function recordSpans(onEnd: (span: RecordedSpan) => void = () => undefined): RecordedSpan[] {
  const spans: RecordedSpan[] = [];
  const startSpan = (name: string, { kind = 0 }: SpanOptions = {}, context?: Context): Span => {
    const parent = context && trace.getSpanContext(context);
    const recorded: RecordedSpan = {
      ...{ name, kind: SpanKind[kind], parent: parent?.spanId, how: undefined, isEnded: false },
      traceId: parent?.traceId ?? randomBytes(16).toString('hex'),
      spanId: randomBytes(8).toString('hex'),
    };
    spans.push(recorded);
    return spanOver(recorded, onEnd);
  };
  trace.setGlobalTracerProvider({ getTracer: () => ({ startSpan }) as unknown as Tracer });
  return spans;
}

function spanOver(recorded: RecordedSpan, onEnd: (span: RecordedSpan) => void): Span {
  const span = {
    spanContext: () => ({ traceId: recorded.traceId, spanId: recorded.spanId, traceFlags: 1 }),
    setAttribute: (_: string, value: unknown) => {
      recorded.how = value;
      return span;
    },
    end: () => {
      recorded.isEnded = true;
      onEnd(recorded);
    },
  };
  return span as unknown as Span;
}
