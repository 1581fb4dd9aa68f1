import { Announcer, GoneSweep } from '#outcomes';
import { NOTIFICATIONS } from '#streams';
import { ROUTERS } from '../../apps/router/src/controller.js';
import { ExpirySweep } from '../../apps/router/src/expiry-sweep.js';
import { OutboxSweep } from '../../apps/router/src/outbox-sweep.js';
import { Router } from '../../apps/router/src/router.js';
import { Sweeps } from '../../apps/router/src/sweeps.js';
import { Host, type Running } from './host.js';
import type { SimProcess } from './world.js';

/** A router as its module makes it. */
export class RouterHost extends Host {
  router: Router | undefined;

  protected override async boot(process: SimProcess): Promise<Running> {
    const { view, subscriptions, producer, catalog, leases, consumer, log } =
      this.scene.portsOf(process);
    const announcer = new Announcer(producer, view);
    const stop = (reason: Error): void => {
      this.scene.oracle.stopped(this.name, reason);
      this.exit(process, `stops: ${reason.message}`);
    };
    const router = new Router({ view, producer, catalog, leases, announcer }, { log, stop });
    this.router = router;
    const gone = new GoneSweep({ view, subscriptions, announcer });
    const sweeps = new Sweeps(
      router.owned,
      [
        new ExpirySweep({ view, announcer }, router.counts),
        new OutboxSweep({ view, announcer }, router.counts),
        {
          name: 'gone',
          everyMs: 1_000,
          sweep: async (owned) => void (await gone.sweep(owned.partition, () => owned.isOwned)),
        },
      ],
      log,
    );
    sweeps.start();
    const stopReading = await consumer.read({ stream: NOTIFICATIONS, group: ROUTERS }, router);
    return {
      stop: async () => {
        await sweeps.stop();
        await stopReading();
        await announcer.drain();
      },
    };
  }
}
