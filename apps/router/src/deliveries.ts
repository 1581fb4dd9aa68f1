/**
 * From the mailbox to the gateway (step 7 of the flow): what the applying script found with a holder goes
 * onto the stream of that holder's gateway, if the gateway's lease says that the claim still counts.
 */
import { Step } from '#runtime';
import { deliveriesOf, encodeDelivery, traceOf } from '#streams';
import type { StreamRecord } from '#streams';
import type { Command, Holder, Routable, Settlement } from '#view';
import type { OwnedPartition } from './owned-partition.js';
import type { RouterCounts } from './router-counts.js';
import type { RouterPorts } from './router-ports.js';

interface Traced {
  readonly step: Step;
  readonly isHeld: boolean;
}

export class Deliveries {
  constructor(
    private readonly ports: Pick<RouterPorts, 'producer' | 'leases'>,
    private readonly counts: RouterCounts,
  ) {}

  /**
   * Resolves when every delivery is on its stream, in log order. Returns what has to be dropped now: TTL 0
   * and nobody there. Anything else without a holder waits in its mailbox. `commands` of the slice tell when
   * the first delivery for each gateway was appended.
   */
  async deliver(
    owned: OwnedPartition,
    routables: readonly Routable[],
    commands: readonly Command[],
  ): Promise<readonly Settlement[]> {
    const dropped: Settlement[] = [];
    const perGateway = new Map<string, StreamRecord[]>();
    const looked = new Set<string>();
    let steps: Traced[] | undefined;
    for (const { holder, offset, record, device, ttlSeconds } of routables) {
      const trace = traceOf(record);
      if (trace !== undefined) {
        (steps ??= []).push({ step: new Step('route', trace), isHeld: holder !== undefined });
      }
      if (
        holder !== undefined &&
        (owned.leases.get(holder.gateway) === holder.epoch ||
          (await this.standsNow(owned, holder, looked)))
      ) {
        const { epoch, connection } = holder;
        const records = perGateway.get(holder.gateway);
        const delivery = encodeDelivery({
          kind: 'notification',
          epoch,
          connection,
          offset,
          record,
          at: records === undefined ? timeOf(commands, offset) : undefined,
        });
        if (records === undefined) perGateway.set(holder.gateway, [delivery]);
        else records.push(delivery);
      } else {
        this.counts.absent++;
        if (ttlSeconds === 0) dropped.push({ device, offset, outcome: 'dropped' });
      }
    }
    await this.append(perGateway);
    if (steps !== undefined) {
      for (const { step, isHeld } of steps) step.end(isHeld ? 'held' : 'stored');
    }
    return dropped;
  }

  /**
   * A holder is absent only after an uncached look (rule 7). One look per gateway serves a whole slice: the
   * script returned all of its holders before it.
   */
  private async standsNow(
    owned: OwnedPartition,
    { gateway, epoch }: Holder,
    looked: Set<string>,
  ): Promise<boolean> {
    if (looked.has(gateway)) return false;
    const lease = await this.ports.leases.get(gateway);
    looked.add(gateway);
    if (lease === undefined) owned.leases.delete(gateway);
    else owned.leases.set(gateway, lease.epoch);
    return lease?.epoch === epoch;
  }

  private async append(perGateway: ReadonlyMap<string, readonly StreamRecord[]>): Promise<void> {
    const { producer } = this.ports;
    const appends: Promise<void>[] = [];
    let count = 0;
    for (const [gateway, records] of perGateway) {
      appends.push(producer.appendUntilIn(deliveriesOf(gateway), 0, records));
      count += records.length;
    }
    if (appends.length === 1) await appends[0];
    else if (appends.length > 1) await Promise.all(appends);
    this.counts.delivered += count;
  }
}

/** Undefined for what was applied by an earlier slice: it is delivered again, and its time tells nothing. */
function timeOf(commands: readonly Command[], offset: number): number | undefined {
  for (const command of commands) {
    if (command.kind === 'put' && command.offset === offset) return command.at;
  }
  return undefined;
}
