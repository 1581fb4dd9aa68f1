/** router: decides for every notification whether it goes to a gateway, a mailbox, or nowhere. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { clusterConfig, serving } from '#cluster';
import { ClusterModule } from '#cluster.module';
import { EnvReader, Log, NestLog, exitOnFailure } from '#runtime';
import { StreamConsumer, StreamTransport } from '#streams';
import { RouterModule, routerConfig } from './router.module.js';

exitOnFailure(async () => {
  const env = new EnvReader(process.env);
  const cluster = clusterConfig(env);
  const config = routerConfig(env);
  env.finish(); // refuses a bad environment, all problems at once
  const log = Log.open({ level: cluster.process.logLevel, service: 'router' });
  const member = { role: 'router', ...config } as const;
  const ports = await ClusterModule.join(cluster, member, log); // what it stands on; waits for it
  const reads: AsyncMicroserviceOptions = {
    inject: [StreamConsumer],
    useFactory: (consumer: StreamConsumer) => ({ strategy: new StreamTransport(consumer) }),
  };
  const app = await NestFactory.createMicroservice(RouterModule.forRoot(config, ports), {
    ...{ ...reads, logger: new NestLog(log), abortOnError: false },
  });
  app.enableShutdownHooks(undefined, { useProcessExit: true }); // how it stops, with exit code 0
  await app.listen(); // a member of its group
  await serving(app, cluster.process);
});
