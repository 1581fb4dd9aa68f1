/**
 * The door of application servers: HTTP over uWebSockets.js. It copies each request before it dies, gathers
 * bodies within their limits, and writes the answers of {@link Ingest}. What the library does by itself: a
 * head beyond 4 KiB or 98 fields is 431, a body or an idle connection slower than its timeouts (about 10 s)
 * is closed, and so is a connection that pipelines a request while an answer is owed.
 */
import * as uWS from 'uWebSockets.js';
import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import { TrustedProxies, listenRefused, type Log } from '#runtime';
import { clientOf, createApp, opened } from '#runtime.uws';
import { REFUSALS, routeOf, type Receiver, type Refused } from '#webpush';
import {
  IDLE_SECONDS_MIN,
  writeAccepted,
  writeCanceled,
  writePreflight,
  writeRefusal,
  writeUnifiedPush,
} from './answer.uws.js';
import type { IngestConfig } from './config.js';
import { Exchange } from './exchange.uws.js';
import type { IngestCounts } from './ingest-counts.js';
import type { Address, Answer, Ingest } from './ingest.js';
import { headOf, type RequestHead } from './request-head.uws.js';

export type IngestServerConfig = Omit<
  IngestConfig,
  'partitions' | 'ttlSecondsMax' | 'vapidTokensMax'
>;

export interface IngestServerParts {
  readonly ingest: Ingest;
  readonly counts: IngestCounts;
  readonly log: Log;
}

/** Bytes of a request's head, in at most 98 fields, at the ports of devices and senders; beyond it 431. */
export const HEAD_BYTES_MAX = 4_096; // fixed by the library
/** A refused body up to this size is read and dropped, so that the connection can go on. */
const DROPPED_BYTES_MAX = 1_048_576;
const DEADLINE_LOOK_MS = 100;
/** How long a stopping server waits for the answers that it owes. */
const CLOSE_WAIT_MS = 10_000;
/** Who gives no notice stands alone: its senders cannot go elsewhere, and have this long to use an idle connection. */
const LAST_REQUESTS_ALONE_MS = 1_000;
const EMPTY = Buffer.alloc(0);
const NOBODY: Receiver = { device: '', subscription: '' } as unknown as Receiver;
const UNAVAILABLE: Refused = { kind: 'refused', refusal: 'unavailable' };
const UNKNOWN: Refused = { kind: 'refused', refusal: 'unknown' };
/** Sender's words that are long enough to be a token or a receiver id do not go into the log. */
const TOKENS = /[\w-]{24,}/g;

export class IngestServer {
  private readonly proxies: TrustedProxies;
  private readonly locationPrefix: string;
  /** Exchanges whose answer is ours to give, oldest first. */
  private readonly owed = new Set<Exchange>();
  private app: TemplatedApp | undefined;
  private isClosing = false;
  private listening: us_listen_socket | undefined;
  private deadlines: NodeJS.Timeout | undefined;

  constructor(
    private readonly parts: IngestServerParts,
    private readonly config: IngestServerConfig,
    private readonly lastRequestsMs = lastRequestsMsOf(config),
  ) {
    this.proxies = new TrustedProxies(config.trustedProxies);
    this.locationPrefix = `${config.publicEndpointUrl}/m/`;
  }

  /** Resolves with the port (0 in the configuration: any). Rejects with a sentence. */
  async listen(): Promise<number> {
    const { host, port } = this.config;
    this.app = createApp(this.config.tls)
      .filter((res, change) => this.onSocket(res, change))
      .any('/*', (res, req) => this.onRequest(res, req));
    this.listening = await opened(this.app, host, port);
    if (!this.listening) throw listenRefused('application servers (INGEST_PORT)', { host, port });
    this.deadlines = setInterval(() => this.answerLate(), DEADLINE_LOOK_MS).unref();
    return uWS.us_socket_local_port(this.listening);
  }

  /**
   * Takes no new connection, and ends each with its next answer: a request that a sender has on its way is
   * answered. Then waits for the answers that it owes, and closes all.
   */
  async close(): Promise<void> {
    if (this.listening) uWS.us_listen_socket_close(this.listening);
    this.listening = undefined;
    this.isClosing = true;
    const begun = performance.now();
    const isWaitedFor = (): boolean => {
      const passedMs = performance.now() - begun;
      return passedMs < this.lastRequestsMs
        ? this.parts.counts.connections > 0
        : this.owed.size > 0 && passedMs < CLOSE_WAIT_MS;
    };
    while (isWaitedFor()) await new Promise((resolve) => setTimeout(resolve, 10));
    clearInterval(this.deadlines);
    this.app?.close();
    this.app = undefined;
  }

  private onSocket(res: HttpResponse, change: number): void {
    const { counts } = this.parts;
    counts.connections += change;
    if (change < 0 || counts.connections <= this.config.connectionsMax) return;
    counts.refusedConnections++;
    res.close();
  }

  /** Nothing may be thrown into the library. */
  private onRequest(res: HttpResponse, req: HttpRequest): void {
    const head = headOf(req);
    try {
      this.dispatch(res, head);
    } catch (error) {
      this.parts.log.error('a request failed', { error });
      this.refuse(res, head, UNKNOWN);
    }
  }

  private dispatch(res: HttpResponse, head: RequestHead): void {
    // Two readers of one connection that disagree about a length see two different requests.
    if (Number.isNaN(head.contentLength)) return closeUnanswered(res);
    const route = routeOf(head.method, head.path);
    switch (route.kind) {
      case 'push':
        return this.onPush(res, head, route);
      case 'cancel':
        return this.onCancel(res, head, route.message);
      case 'unifiedpush':
        return writeUnifiedPush(res);
      case 'preflight':
        return writePreflight(res);
      case 'not found':
        return this.refuse(res, head, { kind: 'refused', refusal: 'pathUnknown' });
      case 'method not allowed': {
        const refused: Refused = { kind: 'refused', refusal: 'methodUnknown' };
        return this.refuse(res, head, refused, route.allow);
      }
    }
  }

  private onPush(res: HttpResponse, head: RequestHead, address: Address): void {
    const receiver = this.parts.ingest.open(address, head);
    if (receiver.kind === 'refused') return this.refuse(res, head, receiver);
    const { payloadBytesMax, bodyBytesInFlightMax } = this.config;
    const { counts } = this.parts;
    const bytes = head.isChunked ? payloadBytesMax : (head.contentLength ?? 0);
    const isTooLong = bytes > payloadBytesMax;
    const exchange = new Exchange(res, head, receiver, isTooLong ? 0 : bytes);
    if (counts.bodyBytes + exchange.bytesMax > bodyBytesInFlightMax) {
      return this.refuse(res, head, UNAVAILABLE);
    }
    this.begin(exchange);
    // Cut off before a byte of it is kept; whether it is 410 or 413 is found out all the same.
    if (isTooLong) return this.accept(exchange, undefined);
    // The library says nothing about no bytes when the head came in pieces, as it does behind a proxy.
    if (bytes === 0) return this.accept(exchange, EMPTY);
    res.onData((chunk, isLast) => this.onBody(exchange, chunk, isLast));
  }

  private onBody(exchange: Exchange, chunk: ArrayBuffer, isLast: boolean): void {
    if (exchange.isRead || exchange.isOver) return;
    if (isLast) this.accept(exchange, exchange.last(chunk));
    else if (!exchange.add(chunk)) this.accept(exchange, undefined);
  }

  private accept(exchange: Exchange, payload: Buffer | undefined): void {
    exchange.isRead = true;
    this.owe(exchange);
    const { receiver, head } = exchange;
    this.settle(exchange, this.parts.ingest.accept(receiver, head, payload));
  }

  private onCancel(res: HttpResponse, head: RequestHead, message: string): void {
    const exchange = new Exchange(res, head, NOBODY, 0);
    exchange.isRead = true;
    this.begin(exchange);
    this.owe(exchange);
    this.settle(exchange, this.parts.ingest.cancel(message));
  }

  private begin(exchange: Exchange): void {
    const { counts } = this.parts;
    counts.inFlight++;
    counts.bodyBytes += exchange.bytesMax;
    exchange.res.onAborted(() => this.onAborted(exchange));
  }

  /** An append that is under way goes on: the record may be in the log, and its sender asks again. */
  private onAborted(exchange: Exchange): void {
    if (exchange.isOver) return;
    exchange.isOver = true;
    this.parts.counts.aborted++;
    if (!exchange.isRead) this.release(exchange);
  }

  private owe(exchange: Exchange): void {
    exchange.begunAt = performance.now();
    this.owed.add(exchange);
  }

  private settle(exchange: Exchange, answer: Promise<Answer>): void {
    answer.then(
      (found) => this.finish(exchange, found),
      (error: unknown) => {
        this.parts.log.error('a request failed', { error });
        this.finish(exchange, UNKNOWN);
      },
    );
  }

  private finish(exchange: Exchange, answer: Answer): void {
    this.owed.delete(exchange);
    this.release(exchange);
    if (!exchange.isOver) this.write(exchange, answer);
  }

  private write(exchange: Exchange, answer: Answer): void {
    exchange.isOver = true;
    const { res } = exchange;
    if (answer.kind === 'accepted') {
      const location = this.locationPrefix + answer.id;
      writeAccepted(res, location, answer.ttlSeconds, this.isClosing);
    } else if (answer.kind === 'canceled') writeCanceled(res, this.isClosing);
    else this.refuse(res, exchange.head, answer);
  }

  private release(exchange: Exchange): void {
    this.parts.counts.inFlight--;
    this.parts.counts.bodyBytes -= exchange.bytesMax;
  }

  /** All have the same deadline, so those that came first are due first. */
  private answerLate(): void {
    const due = performance.now() - this.config.appendDeadlineMs;
    for (const exchange of this.owed) {
      if (exchange.begunAt > due) return;
      this.owed.delete(exchange);
      if (exchange.isOver) continue;
      this.parts.counts.late++;
      this.write(exchange, UNAVAILABLE);
    }
  }

  private refuse(res: HttpResponse, head: RequestHead, refused: Refused, allow?: string): void {
    const { counts, log } = this.parts;
    const { label } = REFUSALS[refused.refusal];
    counts.refused[refused.refusal]++;
    log.sampled(label, 'refused', {
      refusal: label,
      ...(refused.reason !== undefined && { reason: refused.reason.replace(TOKENS, '…') }),
      client: clientOf(res, this.proxies, () => head.forwardedFor),
    });
    const isLong = head.isChunked || (head.contentLength ?? 0) > DROPPED_BYTES_MAX;
    const mustClose = this.isClosing || isLong;
    writeRefusal(res, refused, { isHead: head.method === 'head', mustClose }, allow);
  }
}

/** An idle connection stays for as long as its last answer promised. */
function lastRequestsMsOf({ noticeSeconds }: IngestServerConfig): number {
  return noticeSeconds > 0 ? IDLE_SECONDS_MIN * 1_000 : LAST_REQUESTS_ALONE_MS;
}

/** The library ends the process when a handler returns without an answer and without an abort handler. */
function closeUnanswered(res: HttpResponse): void {
  res.onAborted(() => undefined).close();
}
