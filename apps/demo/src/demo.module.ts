import { join } from 'node:path';
import {
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
} from '@nestjs/common';
import { Log } from '#runtime';
import { DemoConfig } from './config.js';
import { Courier } from './courier.js';
import { refusalOf } from './endpoint.js';
import { Market } from './market.js';
import { PageController } from './page.controller.js';
import { PageFiles } from './page-files.js';
import { PushSender } from './push-sender.js';
import { QuoteFeed } from './quote-feed.js';
import { Reports } from './reports.js';
import { SiteController } from './site.controller.js';
import { Subscribers } from './subscribers.js';
import { VapidKeys, vapidKeysIn } from './vapid-keys.js';

/** The stock-quotes site: its page, the endpoints it is given, and the quotes that it sends to them. */
@Module({})
export class DemoModule
  implements OnApplicationBootstrap, BeforeApplicationShutdown, OnApplicationShutdown
{
  constructor(
    private readonly config: DemoConfig,
    private readonly feed: QuoteFeed,
    private readonly courier: Courier,
    private readonly reports: Reports,
    private readonly subscribers: Subscribers,
  ) {}

  static forRoot(config: DemoConfig, log: Log): DynamicModule {
    const { dataDir, endpointOrigin, subscribersMax: max, pageDir } = config;
    const keys = vapidKeysIn(dataDir);
    const isOurs = (endpoint: string): boolean => !refusalOf(endpoint, endpointOrigin);
    const subscribers = Subscribers.open(join(dataDir, 'subscribers.json'), { max, isOurs });
    const reports = new Reports();
    const courier = new Courier({ sender: new PushSender(keys), subscribers, reports, log });
    const feed = new QuoteFeed({ market: new Market(), subscribers, courier, log });
    return {
      module: DemoModule,
      controllers: [SiteController, PageController],
      providers: [
        { provide: DemoConfig, useValue: config },
        { provide: VapidKeys, useValue: keys },
        { provide: Subscribers, useValue: subscribers },
        { provide: Reports, useValue: reports },
        { provide: Courier, useValue: courier },
        { provide: QuoteFeed, useValue: feed },
        { provide: PageFiles, useValue: new PageFiles(pageDir) },
      ],
    };
  }

  onApplicationBootstrap(): void {
    this.feed.start(this.config.quoteIntervalMs);
  }

  /** Open streams of reports would keep the site from closing. */
  beforeApplicationShutdown(): void {
    this.feed.stop();
    this.courier.close();
    this.reports.close();
  }

  /** Behind the last request that may add an endpoint. */
  async onApplicationShutdown(): Promise<void> {
    await this.subscribers.close();
  }
}
