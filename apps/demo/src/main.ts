/** demo: the stock-quotes site, an application server with its page, beside any push service of ours. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { EnvReader, exitOnFailure, listenRefused, Log, LOG_LEVELS, NestLog } from '#runtime';
import { demoConfig } from './config.js';
import { DemoModule } from './demo.module.js';

/** A PushSubscription is half a kilobyte. */
const BODY_BYTES_MAX = 16_384;
/** For a whole request to come. Fastify sets the one, Node the other, and looks every 30 s unless it is told. */
const REQUEST_MS = 10_000;
const SERVER = { headersTimeout: REQUEST_MS, connectionsCheckingInterval: 1_000 } as const;

exitOnFailure(async () => {
  const env = new EnvReader(process.env);
  const config = demoConfig(env);
  const level = env.choice('LOG_LEVEL', { default: 'info', of: LOG_LEVELS, doc: 'what is logged' });
  env.finish();
  const log = Log.open({ level, service: 'demo' });
  const { host, port } = config;
  const module = DemoModule.forRoot(config, log);
  const app = await NestFactory.create<NestFastifyApplication>(
    module,
    new FastifyAdapter({ bodyLimit: BODY_BYTES_MAX, requestTimeout: REQUEST_MS, http: SERVER }),
    {
      logger: new NestLog(log),
      // A page that is open must not keep the site from stopping.
      forceCloseConnections: true,
    },
  );
  app.enableShutdownHooks(undefined, { useProcessExit: true });
  try {
    await app.listen(port, host);
  } catch (cause) {
    throw listenRefused('the stock-quotes site (DEMO_PORT)', { host, port }, cause);
  }
  log.info('the stock-quotes site', { what: 'stock quotes', address: await app.getUrl() });
  log.info('ready', { ready: true });
});
