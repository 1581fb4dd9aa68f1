/**
 * How a router comes to a partition (design §5, rules 5 and 6): it reads the mark, never a committed offset.
 * A view that is `ready` is read on from `routed`; what lies below `applied` is not applied again, but what
 * of it is still there is delivered again. A view that is `rebuilding`, or that is not there, is folded from
 * the log first, and then every live gateway is told.
 */
import { NOTIFICATIONS, deliveriesOf, encodeDelivery } from '#streams';
import type { Log } from '#runtime';
import type { Mark } from '#view';
import type { Fold } from './fold.js';
import type { OwnedPartition } from './owned-partition.js';
import type { RouterCounts } from './router-counts.js';
import type { RouterPorts } from './router-ports.js';

export class TakeOver {
  constructor(
    private readonly ports: RouterPorts,
    private readonly fold: Fold,
    private readonly counts: RouterCounts,
    private readonly log: Log,
  ) {}

  /**
   * Returns the offset to read on from. When it throws, the partition is not taken, and the next call begins
   * again: a batch that was fetched for the old place must never meet a belief about the new one.
   */
  async begin(owned: OwnedPartition): Promise<number> {
    owned.isTaken = false;
    this.counts.takeOvers++;
    while (owned.isOwned) {
      const mark = await this.readMark(owned);
      const from =
        mark.state === 'ready' ? await this.resume(owned, mark) : await this.refold(owned);
      if (from === undefined) continue;
      owned.isTaken = true;
      owned.position = from;
      return from;
    }
    return owned.applied;
  }

  /** The fold has come to its end: makes the view ready, tells the gateways, and reads on. */
  async finish(owned: OwnedPartition): Promise<number> {
    await this.fold.finish(owned);
    return this.begin(owned);
  }

  private async readMark(owned: OwnedPartition): Promise<Mark> {
    const { view } = this.ports;
    let mark: Mark | undefined;
    do {
      owned.leases.clear();
      mark = await view.mark(owned.partition);
      if (mark === undefined) await view.createMark(owned.partition);
    } while (mark === undefined);
    owned.believe(mark);
    return mark;
  }

  private async resume(owned: OwnedPartition, mark: Mark): Promise<number | undefined> {
    if (!mark.isTold && !(await this.tell(owned))) return undefined;
    return owned.routed;
  }

  /** The end is asked after the mark was read: what is appended later is read after the fold. */
  private async refold(owned: OwnedPartition): Promise<number | undefined> {
    const { partition } = owned;
    owned.foldEnd = await this.ports.catalog.end(NOTIFICATIONS, partition);
    const { applied, foldEnd } = owned;
    this.log.info('rebuilding the view from the log', { partition, from: applied, to: foldEnd });
    if (applied !== foldEnd) return applied;
    await this.fold.finish(owned);
    return undefined;
  }

  /** Told, a gateway claims again and drains every connection of the partition. False: fenced. */
  private async tell(owned: OwnedPartition): Promise<boolean> {
    const { leases, producer, view } = this.ports;
    const ready = encodeDelivery({ kind: 'ready', partition: owned.partition });
    const live = await leases.live();
    await Promise.all(
      live.map((gateway) => producer.appendUntilIn(deliveriesOf(gateway), 0, [ready])),
    );
    return view.setTold(owned.partition, owned);
  }
}
