/** ingest: accepts notifications from application servers; accepted means that they are in the log. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { clusterConfig, serving } from '#cluster';
import { ClusterModule } from '#cluster.module';
import { EnvReader, Log, NestLog, exitOnFailure } from '#runtime';
import { IngestModule, ingestConfig } from './ingest.module.js';

exitOnFailure(async () => {
  const env = new EnvReader(process.env);
  const cluster = clusterConfig(env);
  const config = ingestConfig(env, cluster);
  env.finish(); // refuses a bad environment, all problems at once
  const log = Log.open({ level: cluster.process.logLevel, service: 'ingest' });
  const { appendDeadlineMs } = config;
  const member = { role: 'ingest', appendDeadlineMs } as const;
  const ports = await ClusterModule.join(cluster, member, log); // what it stands on; waits for it
  const module = IngestModule.forRoot(config, ports); // listens when this resolves
  const app = await NestFactory.createApplicationContext(module, {
    ...{ logger: new NestLog(log), abortOnError: false },
  });
  app.enableShutdownHooks(undefined, { useProcessExit: true }); // how it stops, with exit code 0
  await serving(app, cluster.process, { 'application servers': config.publicEndpointUrl });
});
