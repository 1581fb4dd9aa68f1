/** gateway: holds the connections of devices and speaks their protocol. */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { clusterConfig, serving } from '#cluster';
import { ClusterModule } from '#cluster.module';
import { EnvReader, Log, NestLog, exitOnFailure } from '#runtime';
import { registrarSettings } from '#subscriptions';
import { GatewayModule, REPLY_WITHIN_MS, gatewayConfig } from './gateway.module.js';

/** A claim lapses when its connection has missed so many re-checks (design §5, rule 8). */
const RECHECKS_MISSED_MAX = 3;

exitOnFailure(async () => {
  const env = new EnvReader(process.env);
  const cluster = clusterConfig(env);
  const config = gatewayConfig(env, cluster);
  const registrar = registrarSettings(env);
  env.finish(); // refuses a bad environment, all problems at once
  const log = Log.open({ level: cluster.process.logLevel, service: 'gateway' });
  const member = {
    role: 'gateway',
    name: config.id,
    holderTtlMs: RECHECKS_MISSED_MAX * config.times.recheckIntervalMs,
    registrar: { ...registrar, deadlineMs: REPLY_WITHIN_MS },
  } as const;
  const ports = await ClusterModule.join(cluster, member, log); // what it stands on; waits for it
  const module = GatewayModule.forRoot(config, ports); // holds its lease and listens when this resolves
  const app = await NestFactory.createApplicationContext(module, {
    ...{ logger: new NestLog(log), abortOnError: false },
  });
  app.enableShutdownHooks(undefined, { useProcessExit: true }); // how it stops, with exit code 0
  await serving(app, cluster.process, { devices: config.publicUrl });
});
