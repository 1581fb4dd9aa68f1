/** W3C Trace Context: which doing of a sender's a POST is part of. */
export interface TraceContext {
  /** 32 hex digits, not all zero. */
  readonly traceId: string;
  /** 16 hex digits, not all zero. */
  readonly spanId: string;
  /** One octet; bit 0: sampled. */
  readonly flags: number;
}

const FIELDS = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/**
 * A `traceparent` field. Undefined for anything that its §3.2 calls invalid: such a field counts as not sent. Of a
 * later version the part that this one knows is read (§4.3).
 */
export function parseTraceparent(field: string): TraceContext | undefined {
  const [, version, traceId = '', spanId = '', flags = '', more] = FIELDS.exec(field) ?? [];
  if (version === undefined || version === 'ff') return undefined;
  if (version === '00' && more !== undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, flags: parseInt(flags, 16) };
}
