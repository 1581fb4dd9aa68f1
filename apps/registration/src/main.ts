/** registration: the REST door for devices without a socket, and the keeper of the subscriptions view. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { clusterConfig, serving } from '#cluster';
import { ClusterModule } from '#cluster.module';
import { EnvReader, Log, NestLog, exitOnFailure, listenRefused } from '#runtime';
import { StreamConsumer, StreamTransport } from '#streams';
import { registrarSettings } from '#subscriptions';
import {
  RegistrationModule,
  registrationConfig,
  restAdapter,
  serveDocs,
} from './registration.module.js';

/** A client of the REST door that waits longer asks again. */
const REPLY_WITHIN_MS = 2_000;

exitOnFailure(async () => {
  const env = new EnvReader(process.env);
  const cluster = clusterConfig(env);
  const config = registrationConfig(env);
  const registrar = { ...registrarSettings(env), deadlineMs: REPLY_WITHIN_MS };
  env.finish(); // refuses a bad environment, all problems at once
  const log = Log.open({ level: cluster.process.logLevel, service: 'registration' });
  const member = { role: 'registration', registrar } as const;
  const ports = await ClusterModule.join(cluster, member, log); // what it stands on; waits for it
  const app = await NestFactory.create<NestFastifyApplication>(
    RegistrationModule.forRoot(config, ports),
    restAdapter(config),
    { logger: new NestLog(log), abortOnError: false, forceCloseConnections: true },
  );
  app.connectMicroservice({ strategy: new StreamTransport(app.get(StreamConsumer)) }); // what it reads
  app.enableShutdownHooks(undefined, { useProcessExit: true }); // how it stops, with exit code 0
  serveDocs(app);
  await app.startAllMicroservices();
  const { door, port } = config;
  try {
    await app.listen(port, door.host);
  } catch (cause) {
    throw listenRefused('the REST door (REGISTRATION_PORT)', { host: door.host, port }, cause);
  }
  await serving(app, cluster.process, { registration: await app.getUrl() });
});
