/**
 * One POST to a push service, sealed and signed by `web-push` (design §1, step 6). `web-push` speaks TLS even
 * to an `http://` endpoint, so those get its request by fetch.
 */
import webpush, { type RequestOptions } from 'web-push';
import type { Subscriber } from './subscribers.js';
import type { VapidKeys } from './vapid-keys.js';

export interface PushMessage {
  /** Absent: a push without payload. */
  readonly payload?: string;
  readonly ttlSeconds: number;
  readonly urgency: 'normal' | 'high';
  /** A waiting message with the same topic is replaced. */
  readonly topic?: string;
}

/** What went over the wire, and what came back. */
export interface Exchange {
  readonly url: string;
  /** As sent; of the signature only what does not authorize anybody. */
  readonly headers: Readonly<Record<string, string>>;
  /** Absent: no answer came. */
  readonly answer?: Answer;
  /** Why none came. */
  readonly failure?: string;
  readonly tookMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const ANSWER_TIMEOUT_MS = 10_000;
const SHOWN_ANSWER_HEADERS = ['location', 'ttl', 'retry-after'];
const SUBJECT = 'https://meridian.example';

export class PushSender {
  constructor(private readonly keys: VapidKeys) {}

  async post({ subscription }: Subscriber, message: PushMessage): Promise<Exchange> {
    const { payload, ttlSeconds, urgency, topic } = message;
    const options: RequestOptions = {
      vapidDetails: { subject: SUBJECT, ...this.keys },
      timeout: ANSWER_TIMEOUT_MS,
      TTL: ttlSeconds,
      urgency,
      ...(topic !== undefined && { topic }),
    };
    const began = performance.now();
    const url = subscription.endpoint;
    const sent = url.startsWith('https:')
      ? await this.overTls(subscription, payload, options)
      : await this.plain(subscription, payload, options);
    return { url, tookMs: performance.now() - began, ...sent };
  }

  private async plain(
    subscription: Subscriber['subscription'],
    payload: string | undefined,
    options: RequestOptions,
  ): Promise<Pick<Exchange, 'headers' | 'answer' | 'failure'>> {
    const details = webpush.generateRequestDetails(subscription, payload, options);
    const headers = textOf(details.headers);
    try {
      const response = await fetch(details.endpoint, {
        method: details.method,
        headers,
        ...(payload !== undefined && { body: Uint8Array.from(details.body) }),
        // An endpoint was judged by its origin: it does not get to name another.
        redirect: 'error',
        signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
      });
      const body = await response.text();
      const answered = textOf(Object.fromEntries(response.headers));
      return { headers: withoutToken(headers), answer: answerOf(response.status, answered, body) };
    } catch (error) {
      return { headers: withoutToken(headers), failure: failureOf(error) };
    }
  }

  private async overTls(
    subscription: Subscriber['subscription'],
    payload: string | undefined,
    options: RequestOptions,
  ): Promise<Pick<Exchange, 'headers' | 'answer' | 'failure'>> {
    const { TTL, urgency, topic } = options;
    const headers = textOf({ TTL, Urgency: urgency, ...(topic !== undefined && { Topic: topic }) });
    try {
      const {
        statusCode,
        headers: answered,
        body,
      } = await webpush.sendNotification(subscription, payload, options);
      return { headers, answer: answerOf(statusCode, textOf(answered), body) };
    } catch (error) {
      if (!(error instanceof webpush.WebPushError)) return { headers, failure: failureOf(error) };
      const { statusCode, body } = error;
      return { headers, answer: answerOf(statusCode, textOf(error.headers), body) };
    }
  }
}

function answerOf(status: number, headers: Readonly<Record<string, string>>, body: string): Answer {
  const shown = Object.entries(headers).filter(([name]) => SHOWN_ANSWER_HEADERS.includes(name));
  return { status, headers: Object.fromEntries(shown), body: body.slice(0, 1_000) };
}

function textOf(headers: object): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
}

/** A token is good for a day: the page that shows it need not have it. */
function withoutToken(headers: Readonly<Record<string, string>>): Record<string, string> {
  const { Authorization: signed = '', ...others } = headers;
  return { ...others, Authorization: signed.replace(/t=[^,]+\.[^,]+/, 't=(ES256 token)') };
}

/** In a word that a person understands; the innermost cause says what happened. */
function failureOf(error: unknown): string {
  let innermost = error;
  while (innermost instanceof Error && innermost.cause) innermost = innermost.cause;
  const { code, message } = innermost as NodeJS.ErrnoException;
  const known: Record<string, string> = {
    ECONNREFUSED: 'connection refused',
    ECONNRESET: 'connection reset',
    UND_ERR_SOCKET: 'connection closed',
    ENOTFOUND: 'host not found',
  };
  return known[code ?? ''] ?? message;
}
