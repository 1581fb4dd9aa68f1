/**
 * Removes the streams of gateways that nobody will start again: a fleet that shrinks or changes its names leaves one
 * behind each time. A stream goes when its gateway was found without a lease for a whole day, look after look; what
 * interrupts the looking begins the day anew, for an unknown lease is not a missing one.
 */
import type { Log } from '#runtime';
import type { DeliveryStreams } from '#streams';
import type { Leases } from '#view';

export const LOOK_MS = 600_000;
export const ORPHANED_AFTER_MS = 86_400_000;

export interface OrphanedStreamsPorts {
  readonly streams: DeliveryStreams;
  readonly leases: Pick<Leases, 'get'>;
}

export class OrphanedStreams {
  /** By gateway: when it was first found without a lease. */
  private readonly absentSince = new Map<string, number>();
  private lookedAt = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private round: Promise<void> | undefined;

  constructor(
    private readonly ports: OrphanedStreamsPorts,
    private readonly log: Log,
  ) {}

  start(): void {
    this.timer ??= setInterval(() => {
      this.round ??= this.look(performance.now()).finally(() => (this.round = undefined));
    }, LOOK_MS).unref();
  }

  /** No removal is under way when it resolves. */
  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.round;
  }

  /** Never rejects. `now`: ms, monotonic. */
  async look(now: number): Promise<void> {
    if (now - this.lookedAt > 2 * LOOK_MS) this.absentSince.clear();
    this.lookedAt = now;
    try {
      const gateways = await this.ports.streams.gateways();
      for (const known of this.absentSince.keys()) {
        if (!gateways.includes(known)) this.absentSince.delete(known);
      }
      for (const gateway of gateways) await this.lookAt(gateway, now);
    } catch (error) {
      this.absentSince.clear();
      this.log.sampled('orphans', 'streams without a gateway could not be looked for', { error });
    }
  }

  private async lookAt(gateway: string, now: number): Promise<void> {
    if ((await this.ports.leases.get(gateway)) !== undefined) {
      this.absentSince.delete(gateway);
      return;
    }
    const since = this.absentSince.get(gateway);
    if (since === undefined) this.absentSince.set(gateway, now);
    else if (now - since >= ORPHANED_AFTER_MS) {
      await this.ports.streams.remove(gateway);
      this.absentSince.delete(gateway);
      this.log.info('removed the stream of a gateway that has had no lease for a day', { gateway });
    }
  }
}
