import { Announcer, GoneSweep } from '#outcomes';
import { SUBSCRIPTIONS } from '#streams';
import { KEEPERS } from '../../apps/registration/src/keeper.controller.js';
import { Keeper } from '../../apps/registration/src/keeper.js';
import { Registrations } from '../../apps/registration/src/registrations.js';
import { Host, type Running } from './host.js';
import { registrarOf } from './registrar-of.js';
import type { SimProcess } from './world.js';

/** Registration as its module makes it, its door without HTTP. */
export class RegistrationHost extends Host {
  keeper: Keeper | undefined;
  private door: Registrations | undefined;

  protected override async boot(process: SimProcess): Promise<Running> {
    const ports = this.scene.portsOf(process);
    const { view: notifications, subscriptions, producer, catalog, consumer, lookup, log } = ports;
    const announcer = new Announcer(producer, notifications);
    const goneSweep = new GoneSweep({ view: notifications, subscriptions, announcer });
    const stop = (reason: Error): void => {
      this.scene.oracle.stopped(this.name, reason);
      this.exit(process, `stops: ${reason.message}`);
    };
    const keeper = new Keeper(
      { subscriptions, notifications, catalog, announcer, goneSweep },
      { log, stop },
    );
    this.keeper = keeper;
    const registrar = registrarOf(this.scene, ports);
    this.door = new Registrations(
      { registrar, lookup },
      { registrationsPerAddressMax: 1_000, log },
    );
    const stopReading = await consumer.read({ stream: SUBSCRIPTIONS, group: KEEPERS }, keeper);
    return {
      stop: async () => {
        await stopReading();
        await announcer.drain();
      },
    };
  }

  /** DELETE /v1/device. The answer is for nobody: who does not hear it asks again. */
  forget(secret: string): void {
    const { process, door } = this;
    const { world } = this.scene;
    if (!this.isUp || !process || !door) return;
    world.in(world.dice.about(5), process, () => {
      door.forget(secret).then(
        ({ kind }) => world.say(this.name, () => `forget: ${kind}`),
        (error: unknown) => world.violate('CRASH', `forget threw ${String(error)}`),
      );
    });
  }
}
