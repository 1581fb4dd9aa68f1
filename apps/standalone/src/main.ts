/** standalone: the whole service in one process, durable, with nothing to install but Node. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import {
  EnvReader,
  Health,
  Log,
  Metrics,
  NestLog,
  OpsServer,
  QuietHeap,
  exitOnFailure,
  listenRefused,
} from '#runtime';
import { StreamConsumer, StreamTransport } from '#streams';
import { restAdapter, serveDocs } from '../../registration/src/registration.module.js';
import { standaloneConfig } from './config.js';
import { openDataDir } from './data-dir.js';
import { EmbeddedModule } from './embedded.module.js';
import { addressesOf, untilReady } from './serving.js';
import { StandaloneModule } from './standalone.module.js';

exitOnFailure(async () => {
  const env = new EnvReader(process.env);
  const config = standaloneConfig(env);
  env.finish(); // refuses a bad environment, all problems at once
  const { logLevel, opsHost, opsPort } = config.process;
  const log = Log.open({ level: logLevel, service: 'standalone' });
  openDataDir(config.dataDir, config.storedKeys);
  const embedded = await EmbeddedModule.open(config, log);
  const module = StandaloneModule.forRoot(config, embedded);
  const app = await NestFactory.create<NestFastifyApplication>(
    module,
    restAdapter(config.registration),
    { logger: new NestLog(log), abortOnError: false, forceCloseConnections: true },
  );
  const health = app.get(Health);
  await new OpsServer(health, app.get(Metrics)).listen(opsHost, opsPort); // how it is watched
  app.connectMicroservice({ strategy: new StreamTransport(app.get(StreamConsumer)) }); // what it reads
  app.enableShutdownHooks(undefined, { useProcessExit: true }); // how it stops, with exit code 0
  serveDocs(app);
  await app.startAllMicroservices();
  await app.init(); // opens the doors of devices and of application servers
  const { door, port } = config.registration;
  try {
    await app.listen(port, door.host);
  } catch (cause) {
    throw listenRefused('the REST door (REGISTRATION_PORT)', { host: door.host, port }, cause);
  }
  health.serving();
  await untilReady(health);
  new QuietHeap().start();
  log.serving(addressesOf(config));
});
