import {
  BadRequestException,
  Body,
  Controller,
  Get,
  HttpCode,
  HttpException,
  NotFoundException,
  Param,
  Post,
  ServiceUnavailableException,
  Sse,
  UnprocessableEntityException,
} from '@nestjs/common';
import { map, type Observable } from 'rxjs';
import { z } from 'zod';
import { Pace, PacePerKey } from '#runtime';
import { DemoConfig } from './config.js';
import { PUSH_SUBSCRIPTION, refusalOf } from './endpoint.js';
import { LISTINGS, type Listing } from './quote.js';
import { QuoteFeed } from './quote-feed.js';
import { Reports, type Report } from './reports.js';
import { Subscribers, type Subscriber } from './subscribers.js';
import { VapidKeys } from './vapid-keys.js';

/** What the page must know of its site (design §1, steps 1 and 2). */
interface Site {
  readonly name: string;
  readonly applicationServerKey: string;
  readonly gatewayUrl: string;
  readonly endpointOrigin: string;
  readonly quoteIntervalMs: number;
  readonly listings: readonly Listing[];
  /** The site's clock, so that a page can tell how long a quote took. */
  readonly now: number;
}

const ASK = z.object({ isEmpty: z.boolean().default(false) });
const TOO_MANY = 429;

@Controller('api')
export class SiteController {
  /** The button, per subscriber: two a second, ten at once. */
  private readonly asking = new PacePerKey(new Pace(2, 10));

  constructor(
    private readonly config: DemoConfig,
    private readonly keys: VapidKeys,
    private readonly subscribers: Subscribers,
    private readonly feed: QuoteFeed,
    private readonly reports: Reports,
  ) {}

  @Get('site')
  site(): Site {
    const { gatewayUrl, endpointOrigin, quoteIntervalMs } = this.config;
    const { publicKey: applicationServerKey } = this.keys;
    const site = { gatewayUrl, endpointOrigin, quoteIntervalMs, listings: LISTINGS };
    return { name: 'Meridian', applicationServerKey, ...site, now: Date.now() };
  }

  /** Step 5: the receiver identifier, as a PushSubscription serialises. */
  @Post('subscriptions')
  async subscribe(@Body() body: unknown): Promise<{ readonly id: string }> {
    const subscription = valid(PUSH_SUBSCRIPTION, body);
    const refusal = refusalOf(subscription.endpoint, this.config.endpointOrigin);
    if (refusal) throw new UnprocessableEntityException({ error: 'foreign endpoint', ...refusal });
    const subscriber = await this.subscribers.add(subscription);
    if (subscriber) return { id: subscriber.id };
    throw new ServiceUnavailableException('This site has as many subscribers as it can serve.');
  }

  /** Step 6, at the push of a button. */
  @Post('subscriptions/:id/quotes')
  @HttpCode(202)
  ask(@Param('id') id: string, @Body() body: unknown): { readonly number: number } {
    this.subscriber(id);
    const { isEmpty } = valid(ASK, body ?? {});
    if (this.asking.take(id, Date.now())) return { number: this.feed.ask(id, { isEmpty }) };
    throw new HttpException('That was too quick: two quotes a second.', TOO_MANY);
  }

  /** What became of what was sent to this subscriber, as it happens. */
  @Sse('subscriptions/:id/reports')
  reportsOf(@Param('id') id: string): Observable<{ readonly data: Report }> {
    this.subscriber(id);
    return this.reports.of(id).pipe(map((report) => ({ data: report })));
  }

  private subscriber(id: string): Subscriber {
    const subscriber = this.subscribers.get(id);
    if (subscriber) return subscriber;
    throw new NotFoundException('No such subscriber: its endpoint was gone, or was never given.');
  }
}

/** Throws a 400 that names each field that is wrong. */
function valid<T>(schema: z.ZodType<T>, body: unknown): T {
  const { data, error } = schema.safeParse(body);
  if (!error) return data;
  const said = error.issues.map(({ path, message }) => `${path.join('.') || 'body'}: ${message}`);
  throw new BadRequestException(said.join('; '));
}
