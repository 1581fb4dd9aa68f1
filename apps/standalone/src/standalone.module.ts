/**
 * Every role in one process, each the module that runs in the cluster too. On disk is only the log; the views
 * are in memory and rebuilt from it at start. The only place that imports other apps' modules.
 */
import { Module } from '@nestjs/common';
import type { BeforeApplicationShutdown, DynamicModule } from '@nestjs/common';
import { Health, StartRefused, exitBecause } from '#runtime';
import { GatewayModule } from '../../gateway/src/gateway.module.js';
import { IngestModule } from '../../ingest/src/ingest.module.js';
import { RegistrationModule } from '../../registration/src/registration.module.js';
import { RouterModule } from '../../router/src/router.module.js';
import { StandaloneConfig } from './config.js';

/** What comes after the devices' closes: answers that are owed, acks, the log. */
const FAREWELL_SECONDS = 20;

@Module({})
export class StandaloneModule implements BeforeApplicationShutdown {
  constructor(
    private readonly config: StandaloneConfig,
    private readonly health: Health,
  ) {}

  /** `embedded`: the one EmbeddedModule that all of them share. */
  static forRoot(config: StandaloneConfig, embedded: DynamicModule): DynamicModule {
    return {
      module: StandaloneModule,
      imports: [
        embedded,
        // They stop in the opposite order: senders first, then devices, then what lies between.
        RouterModule.forRoot(config.router, embedded),
        GatewayModule.forRoot(config.gateway, embedded),
        IngestModule.forRoot(config.ingest, embedded),
        RegistrationModule.forRoot(config.registration, embedded),
      ],
      providers: [{ provide: StandaloneConfig, useValue: config }],
    };
  }

  /** The outermost module: this comes before any other ends. */
  async beforeApplicationShutdown(): Promise<void> {
    await this.health.draining(this.config.gateway.door.noticeSeconds);
    const seconds = this.config.gateway.times.drainSeconds + FAREWELL_SECONDS;
    const late = (): never =>
      exitBecause(
        new StartRefused(
          `Stopping took longer than ${seconds} s; what was accepted is in the log, and the next start goes on with it.`,
        ),
      );
    setTimeout(late, seconds * 1_000).unref();
  }
}
