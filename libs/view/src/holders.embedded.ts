/** Who holds a device, on the device itself; the boots that claims name are kept once. */
import { Boot } from './device.embedded.js';
import type { Device } from './device.embedded.js';
import type { Holder } from './presence.js';

/** A connection id is 28 bits of its boot and a counter of 25 (see `Holder`). */
const SERIES = 2 ** 25;

export class Holders {
  /** Few: the gateways that live, and for a while those that died. */
  private readonly boots: Boot[] = [];

  constructor(
    /** Times of claims are kept relative to it. */
    private readonly startedAt: number,
    private readonly ttlMs: number,
  ) {}

  get size(): number {
    return this.boots.length;
  }

  /** The claim that stands; one that was not renewed for `ttlMs` does not. */
  of(device: Device | undefined, now: number): Holder | undefined {
    const boot = device?.boot;
    if (!device || !boot || this.hasLapsed(device, now)) return undefined;
    return {
      gateway: boot.gateway,
      epoch: boot.epoch,
      connection: boot.series * SERIES + device.connection,
    };
  }

  hasLapsed(device: Device, now: number): boolean {
    return now - this.startedAt - device.renewedAt >= this.ttlMs;
  }

  sinceOf(device: Device): number {
    return device.since + this.startedAt;
  }

  set(
    device: Device,
    holder: Holder,
    times: { readonly since: number; readonly now: number },
  ): void {
    // Taken before the old one is dropped: it may be the same.
    const boot = this.take(holder);
    this.clear(device);
    device.boot = boot;
    device.connection = small(holder.connection % SERIES);
    device.since = small(times.since - this.startedAt);
    device.renewedAt = small(times.now - this.startedAt);
  }

  clear(device: Device): void {
    const boot = device.boot;
    device.boot = undefined;
    if (boot && --boot.uses === 0) this.boots.splice(this.boots.indexOf(boot), 1);
  }

  private take({ gateway, epoch, connection }: Holder): Boot {
    const series = Math.floor(connection / SERIES);
    let boot = this.boots.find(
      (known) => known.epoch === epoch && known.series === series && known.gateway === gateway,
    );
    if (!boot) this.boots.push((boot = new Boot(gateway, epoch, series)));
    boot.uses++;
    return boot;
  }
}

/** The same number as V8's small integer where it is one: arithmetic leaves boxed doubles, 16 bytes each. */
function small(number: number): number {
  const integer = number | 0;
  return integer === number ? integer : number;
}
