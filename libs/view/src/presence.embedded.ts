import type { DeviceId } from '#webpush';
import type { Device } from './device.embedded.js';
import { Presence } from './presence.js';
import type { Claimed, Holder, Reclaimed } from './presence.js';
import type { EmbeddedStore } from './store.embedded.js';

type Connection = Pick<Holder, 'gateway' | 'connection'>;

export class EmbeddedPresence extends Presence {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override hello(id: DeviceId, holder: Holder): Promise<Claimed> {
    const { store } = this;
    const now = store.now();
    const device = store.partitionOf(id).deviceOf(id);
    const held = store.holders.of(device, now);
    // Later than the one it displaces, even within one ms or after the clock was set back.
    const since = held ? Math.max(now, store.holders.sinceOf(device) + 1) : now;
    store.holders.set(device, holder, { since, now });
    return Promise.resolve(isOther(held, holder) ? { since, displaced: held } : { since });
  }

  override reclaim(id: DeviceId, holder: Holder, since: number): Promise<Reclaimed> {
    const { store } = this;
    const now = store.now();
    const device = store.partitionOf(id).deviceOf(id);
    const held = store.holders.of(device, now);
    const other = isOther(held, holder) ? held : undefined;
    if (other && store.holders.sinceOf(device) >= since) {
      return Promise.resolve({ won: false, by: other });
    }
    store.holders.set(device, holder, { since, now });
    return Promise.resolve(other ? { won: true, displaced: other } : { won: true });
  }

  override release(id: DeviceId, connection: Connection): Promise<void> {
    const partition = this.store.partitionOf(id);
    const device: Device | undefined = partition.devices.get(id);
    if (!device || partition.mark?.state !== 'ready') return Promise.resolve();
    const held = this.store.holders.of(device, this.store.now());
    if (!held || isOther(held, connection)) return Promise.resolve();
    this.store.holders.clear(device);
    partition.dropIfIdle(id, device);
    return Promise.resolve();
  }
}

function isOther(held: Holder | undefined, connection: Connection): held is Holder {
  return (
    held !== undefined &&
    (held.gateway !== connection.gateway || held.connection !== connection.connection)
  );
}
