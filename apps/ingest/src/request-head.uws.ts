import type { HttpRequest } from 'uWebSockets.js';
import type { PushFields } from './ingest.js';

/** The head of a request, copied: uWebSockets.js keeps it on the stack of the handler. undefined: not sent. */
export interface RequestHead extends PushFields {
  readonly method: string;
  readonly path: string;
  readonly forwardedFor: string | undefined;
  /** NaN: sent twice, with different readers of it in mind. */
  readonly contentLength: number | undefined;
  readonly isChunked: boolean;
}

type Draft = { -readonly [K in keyof RequestHead]: RequestHead[K] };

/** The head that `copyField` writes to: one request is read at a time, so no closure per request. */
let draft: Draft;

export function headOf(req: HttpRequest): RequestHead {
  draft = {
    method: req.getMethod(),
    path: req.getUrl(),
    authorization: undefined,
    cryptoKey: undefined,
    encryption: undefined,
    contentEncoding: undefined,
    ttl: undefined,
    topic: undefined,
    urgency: undefined,
    traceparent: undefined,
    forwardedFor: undefined,
    contentLength: undefined,
    isChunked: false,
  };
  // Field by field rather than getHeader, which does not tell an empty field from none.
  req.forEach(copyField);
  return draft;
}

function copyField(name: string, value: string): void {
  switch (name) {
    case 'authorization':
      draft.authorization ??= value;
      break;
    case 'crypto-key':
      draft.cryptoKey = joined(draft.cryptoKey, value);
      break;
    case 'encryption':
      draft.encryption = joined(draft.encryption, value);
      break;
    case 'content-encoding':
      draft.contentEncoding = joined(draft.contentEncoding, value);
      break;
    case 'ttl':
      draft.ttl ??= value;
      break;
    case 'topic':
      draft.topic ??= value;
      break;
    case 'urgency':
      draft.urgency ??= value;
      break;
    case 'traceparent':
      // Sent twice it is invalid, and counts as not sent.
      draft.traceparent = draft.traceparent === undefined ? value : '';
      break;
    case 'x-forwarded-for':
      draft.forwardedFor = joined(draft.forwardedFor, value);
      break;
    case 'content-length':
      draft.contentLength = draft.contentLength === undefined ? Number(value) : NaN;
      break;
    case 'transfer-encoding':
      draft.isChunked = true;
      break;
  }
}

/** Lines of one list-valued field are one field (RFC 9110 §5.3). */
function joined(before: string | undefined, value: string): string {
  return before === undefined ? value : `${before}, ${value}`;
}
