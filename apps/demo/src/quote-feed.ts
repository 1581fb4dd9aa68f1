import type { Log } from '#runtime';
import type { Courier } from './courier.js';
import type { Market } from './market.js';
import type { Quote } from './quote.js';
import type { Subscribers } from './subscribers.js';

/** Nobody needs yesterday's price: it waits a minute, and the next one of the same symbol replaces it. */
const SCHEDULED_TTL_SECONDS = 60;
/** Who asked gets it, also after an outage. */
const ASKED_TTL_SECONDS = 3_600;
/** Messages on their way at a time. */
const PARALLEL = 20;

export interface FeedParts {
  readonly market: Market;
  readonly subscribers: Subscribers;
  readonly courier: Courier;
  readonly log: Log;
}

/** Sends a price to every subscriber every few seconds, and to one of them when asked. */
export class QuoteFeed {
  private number = 0;
  private timer: NodeJS.Timeout | undefined;
  private isSending = false;

  constructor(private readonly parts: FeedParts) {}

  start(intervalMs: number): void {
    this.timer = setInterval(() => {
      this.sendToAll().catch((error: unknown) => this.parts.log.error('a quote failed', { error }));
    }, intervalMs);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Answers the message's number at once; what became of it is told in the reports. */
  ask(subscriberId: string, { isEmpty }: { readonly isEmpty: boolean }): number {
    const push = { ttlSeconds: ASKED_TTL_SECONDS, urgency: 'high' } as const;
    const quote = this.nextQuote(true);
    const message = isEmpty
      ? { number: quote.number, push }
      : { number: quote.number, quote, push };
    this.parts.courier
      .send(subscriberId, message)
      .catch((error: unknown) =>
        this.parts.log.error('a quote that was asked for failed', { error }),
      );
    return quote.number;
  }

  /** A round that takes longer than the interval is not followed by a second one at its side. */
  async sendToAll(): Promise<void> {
    if (this.isSending || this.parts.subscribers.count === 0) return;
    this.isSending = true;
    try {
      const quote = this.nextQuote(false);
      const push = {
        ttlSeconds: SCHEDULED_TTL_SECONDS,
        urgency: 'normal',
        topic: quote.symbol,
      } as const;
      const message = { number: quote.number, quote, push };
      const left = [...this.parts.subscribers.all()];
      const sendSome = async (): Promise<void> => {
        for (let one = left.pop(); one; one = left.pop())
          await this.parts.courier.send(one.id, message);
      };
      await Promise.all(Array.from({ length: PARALLEL }, sendSome));
    } finally {
      this.isSending = false;
    }
  }

  private nextQuote(isAsked: boolean): Quote {
    return { ...this.parts.market.next(), number: ++this.number, sentAt: Date.now(), isAsked };
  }
}
