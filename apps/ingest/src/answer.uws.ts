/** How an answer stands on the wire. Status lines and headers of refusals are made once, from the one table. */
import type { HttpResponse } from 'uWebSockets.js';
import {
  CORS_HEADERS,
  PREFLIGHT_HEADERS,
  REASON_PHRASES,
  REFUSALS,
  UNIFIEDPUSH_BODY,
  refusalBody,
  type RefusalName,
  type RefusalRow,
  type Refused,
} from '#webpush';

type HeaderLines = readonly (readonly [name: string, value: string])[];

/** Every answer carries these: refusals too, or a page could not tell a 404 from a broken network. */
const CORS: HeaderLines = Object.entries(CORS_HEADERS);
const PREFLIGHT: HeaderLines = [...CORS, ...Object.entries(PREFLIGHT_HEADERS)];
const JSON_TYPE: HeaderLines = [...CORS, ['Content-Type', 'application/json']];

/**
 * uWebSockets.js ends a connection that is idle for 10 s, by a clock that ticks every 4. A sender that keeps
 * connections for longer would write on one that is just being closed, and have no answer.
 */
export const IDLE_SECONDS_MIN = 8;
const KEEP_ALIVE = `timeout=${IDLE_SECONDS_MIN}`;

const REFUSAL_HEADERS = Object.fromEntries(
  Object.entries(REFUSALS).map(([name, row]) => [name, headersOf(row)]),
) as unknown as Readonly<Record<RefusalName, HeaderLines>>;

function headersOf(row: RefusalRow): HeaderLines {
  const lines: [string, string][] = [];
  if (row.retryAfterSeconds !== undefined) {
    lines.push(['Retry-After', String(row.retryAfterSeconds)]);
  }
  if (row.cacheControl !== undefined) lines.push(['Cache-Control', row.cacheControl]);
  if (row.challenge !== undefined) lines.push(['WWW-Authenticate', row.challenge]);
  return [...JSON_TYPE, ...lines];
}

/** What the answer needs to know of its request. */
export interface Asked {
  /** The answer to HEAD has no body. */
  readonly isHead: boolean;
  /** The connection ends with this answer: what is left of the body is not worth reading. */
  readonly mustClose: boolean;
}

const PLAIN: Asked = { isHead: false, mustClose: false };

export function writeAccepted(
  res: HttpResponse,
  location: string,
  ttlSeconds: number,
  mustClose: boolean,
): void {
  res.cork(() => {
    res.writeStatus('201 Created').writeHeader('Location', location);
    res.writeHeader('TTL', String(ttlSeconds));
    writeLines(res, CORS);
    endWith(res, undefined, mustClose);
  });
}

export function writeCanceled(res: HttpResponse, mustClose: boolean): void {
  res.cork(() => {
    writeLines(res.writeStatus('204 No Content'), CORS);
    // Given no length but the word that it must close, the library reports one of 2^63, and waits for as much.
    if (mustClose) res.endWithoutBody(0, true);
    else res.writeHeader('Keep-Alive', KEEP_ALIVE).endWithoutBody();
  });
}

export function writePreflight(res: HttpResponse): void {
  res.cork(() => writeLines(res.writeStatus('204 No Content'), PREFLIGHT).endWithoutBody());
}

export function writeUnifiedPush(res: HttpResponse): void {
  res.cork(() => writeLines(res, JSON_TYPE).end(UNIFIEDPUSH_BODY));
}

export function writeRefusal(
  res: HttpResponse,
  { refusal, reason }: Refused,
  { isHead, mustClose }: Asked = PLAIN,
  allow?: string,
): void {
  const { status } = REFUSALS[refusal];
  const body = refusalBody(refusal, reason);
  res.cork(() => {
    writeLines(res.writeStatus(`${status} ${REASON_PHRASES[status]}`), REFUSAL_HEADERS[refusal]);
    if (allow !== undefined) res.writeHeader('Allow', allow);
    endWith(res, isHead ? '' : body, mustClose);
  });
}

function endWith(res: HttpResponse, body: string | undefined, mustClose: boolean): void {
  if (!mustClose) res.writeHeader('Keep-Alive', KEEP_ALIVE);
  res.end(body, mustClose);
}

function writeLines(res: HttpResponse, lines: HeaderLines): HttpResponse {
  for (const [name, value] of lines) res.writeHeader(name, value);
  return res;
}
