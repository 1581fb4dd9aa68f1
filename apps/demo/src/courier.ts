/**
 * Sees to it that a message reaches the push service, or that it is known why not: what the service cannot
 * take now (503, 429, no connection) is tried again while its TTL lasts; an endpoint that is gone for good
 * (404, 410) is forgotten. A try whose answer was lost may have been accepted, so a message may come twice.
 */
import type { Log } from '#runtime';
import { Outbox, type Waiting } from './outbox.js';
import type { Exchange, PushMessage, PushSender } from './push-sender.js';
import type { Quote } from './quote.js';
import type { Report, Reports } from './reports.js';
import type { Subscribers } from './subscribers.js';

export interface Message {
  readonly number: number;
  /** Absent: without payload. */
  readonly quote?: Quote;
  readonly push: PushMessage;
}

const RETRY_BASE_MS = 500;
const RETRY_MAX_MS = 4_000;
const RETRY_AFTER_MAX_MS = 60_000;
const GONE = new Set([404, 410]);
const PASSING = new Set([429, 500, 502, 503, 504]);

export interface CourierParts {
  readonly sender: PushSender;
  readonly subscribers: Subscribers;
  readonly reports: Reports;
  readonly log: Log;
}

type Verdict = Pick<Report, 'outcome' | 'retryInMs'>;

export class Courier {
  private readonly outbox = new Outbox();
  private timer: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(private readonly parts: CourierParts) {}

  /** How many wait to be tried again. */
  get waiting(): number {
    return this.outbox.size;
  }

  /** Tries once; the rest, if any, happens later. */
  async send(subscriberId: string, { number, quote, push }: Message): Promise<void> {
    const now = Date.now();
    const message = quote ? { ...push, payload: JSON.stringify(quote) } : push;
    await this.attempt({ subscriberId, number, message, madeAt: now, failures: 0, dueAt: now });
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.timer);
  }

  private async attempt(entry: Waiting): Promise<void> {
    const subscriber = this.parts.subscribers.get(entry.subscriberId);
    if (!subscriber || this.isClosed) return;
    const ttlSeconds = entry.message.ttlSeconds - Math.floor((Date.now() - entry.madeAt) / 1_000);
    if (ttlSeconds <= 0) return this.tell(entry, { outcome: 'dropped' });
    const exchange = await this.parts.sender.post(subscriber, { ...entry.message, ttlSeconds });
    const verdict = verdictOn(exchange, entry.failures);
    this.tell(entry, verdict, exchange);
    if (verdict.outcome === 'removed') await this.forget(entry.subscriberId);
    if (verdict.retryInMs !== undefined) this.keep(entry, verdict.retryInMs);
  }

  private keep(entry: Waiting, retryInMs: number): void {
    const dueAt = Date.now() + retryInMs;
    const droppedForIt = this.outbox.add({ ...entry, failures: entry.failures + 1, dueAt });
    for (const dropped of droppedForIt) this.tell(dropped, { outcome: 'dropped' });
    this.schedule();
  }

  private async forget(subscriberId: string): Promise<void> {
    this.outbox.forget(subscriberId);
    this.parts.log.info('an endpoint is gone, forgotten', { subscriber: subscriberId });
    await this.parts.subscribers.remove(subscriberId);
  }

  private schedule(): void {
    clearTimeout(this.timer);
    const dueAt = this.outbox.nextDueAt();
    if (dueAt === undefined || this.isClosed) return;
    this.timer = setTimeout(() => void this.retryDue(), Math.max(0, dueAt - Date.now()));
  }

  /** One after the other: a service that has just come back is not met by all of it at once. */
  private async retryDue(): Promise<void> {
    for (const entry of this.outbox.due(Date.now())) {
      await this.attempt(entry).catch((error: unknown) =>
        this.parts.log.error('a retry failed', { error }),
      );
    }
    this.schedule();
  }

  private tell(
    { subscriberId, number, message, failures }: Waiting,
    verdict: Verdict,
    exchange?: Exchange,
  ): void {
    const quote =
      message.payload === undefined ? undefined : (JSON.parse(message.payload) as Quote);
    this.parts.reports.tell(subscriberId, {
      number,
      ...(quote && { quote }),
      attempt: failures + 1,
      ...(exchange && { exchange }),
      ...verdict,
      at: Date.now(),
    });
    const status = exchange?.answer?.status ?? exchange?.failure;
    if (verdict.outcome === 'sent') return;
    this.parts.log.sampled(`push ${verdict.outcome}`, `push ${verdict.outcome}`, {
      number,
      status,
    });
  }
}

/** `failures`: tries that failed before this one. */
export function verdictOn({ answer }: Pick<Exchange, 'answer'>, failures: number): Verdict {
  if (answer && answer.status >= 200 && answer.status < 300) return { outcome: 'sent' };
  if (answer && GONE.has(answer.status)) return { outcome: 'removed' };
  if (answer && !PASSING.has(answer.status)) return { outcome: 'refused' };
  const backOffMs = Math.min(RETRY_MAX_MS, RETRY_BASE_MS * 2 ** failures);
  const askedMs = Math.min(RETRY_AFTER_MAX_MS, Number(answer?.headers['retry-after'] ?? 0) * 1_000);
  return { outcome: 'waiting', retryInMs: Math.max(backOffMs, askedMs || 0) };
}
