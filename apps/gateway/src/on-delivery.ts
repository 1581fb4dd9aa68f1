/**
 * Step 7 of the flow (design §1), its last hop: the gateway's own stream. A delivery names epoch and connection
 * of the holder that the router's script returned; every other connection drops it (rule 3). What cannot go out
 * as it comes is read from the mailbox later.
 */
import type { Log } from '#runtime';
import { UndecodableRecord, decodeDelivery } from '#streams';
import type { Delivery, LogRecord, PartitionReader, RecordBatch } from '#streams';
import { deviceOf } from '#streams';
import type { DeviceId } from '#webpush';
import type { Connections } from './connections.js';
import type { ConnectionLimits } from './config.js';
import type { GatewayCounts } from './counts.js';
import type { Identity } from './identity.js';
import type { Reading } from './reading.js';
import type { Session } from './session.js';

export interface DeliveryParts {
  readonly identity: Identity;
  readonly connections: Connections;
  readonly reading: Reading;
  /** Claims again, in its turn. */
  readonly claimAgain: (session: Session) => void;
  /** Takes back a claim for a connection that is gone. Never rejects. */
  readonly disown: (device: DeviceId, connection: number) => Promise<void>;
  readonly limits: Pick<ConnectionLimits, 'windowMax' | 'windowBytesMax'>;
  readonly counts: GatewayCounts;
  readonly log: Log;
  /** ms since the epoch. */
  readonly clock: () => number;
}

type Notified = Extract<Delivery, { readonly kind: 'notification' }>;

export class OnDelivery implements PartitionReader {
  private position = 0;

  constructor(private readonly parts: DeliveryParts) {}

  /** From here on: the end of the stream, resolved before the first lease was set (rule 7). */
  from(position: number): void {
    this.position = position;
  }

  onAssigned(): Promise<number> {
    return Promise.resolve(this.position);
  }

  /** Sends in the same turn; nothing here waits for anything. */
  onBatch({ records, next }: RecordBatch): Promise<number> {
    const deliveries: Delivery[] = [];
    for (const record of records) this.decode(record, deliveries);
    for (let at = 0; at < deliveries.length;) at = this.dispatch(deliveries, at);
    const first = records[0];
    if (first !== undefined) {
      this.parts.counts.latency.observe((this.parts.clock() - first.at) / 1_000);
    }
    this.position = next;
    return Promise.resolve(next);
  }

  onIdle(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  onRevoked(): void {
    // One partition, one reader: nobody takes it over.
  }

  private decode(record: LogRecord, deliveries: Delivery[]): void {
    try {
      deliveries.push(decodeDelivery(record));
    } catch (error) {
      if (!(error instanceof UndecodableRecord)) throw error;
      this.parts.counts.undecodable++;
      const where = { stream: 'deliveries', offset: record.offset, error };
      this.parts.log.sampled('delivery', 'skipped a delivery that cannot be decoded', where);
    }
  }

  /** Returns where to go on: a run of deliveries for one connection is packed into few writes. */
  private dispatch(deliveries: readonly Delivery[], at: number): number {
    const delivery = deliveries[at] as Delivery;
    if (delivery.kind !== 'notification') {
      if (delivery.kind === 'displace') this.displace(delivery.connection, delivery.device);
      else this.viewReady(delivery.partition);
      return at + 1;
    }
    const end = endOfRun(deliveries, at, delivery);
    this.parts.counts.deliveries += end - at;
    const session = this.sessionOf(delivery);
    if (session === undefined) this.misaddressed(delivery, end - at);
    else if (end === at + 1) this.deliver(session, delivery);
    else {
      session.socket?.cork(() => {
        for (let i = at; i < end; i++) this.deliver(session, deliveries[i] as Notified);
      });
    }
    return end;
  }

  private sessionOf({ record, connection, epoch }: Notified): Session | undefined {
    if (epoch !== this.parts.identity.epoch) return undefined;
    const session = this.parts.connections.of(deviceOf(record));
    return session?.connection === connection ? session : undefined;
  }

  /**
   * If a connection that is gone holds the device (its claim was executed when nobody waited for it any more), what
   * comes would wait for a re-check: the claim is taken back, and whoever is here claims again.
   */
  private misaddressed({ record, connection, epoch }: Notified, count: number): void {
    const { counts, connections, identity, disown, claimAgain } = this.parts;
    counts.misaddressed += count;
    if (epoch !== identity.epoch || connections.find(connection) !== undefined) return;
    const device = deviceOf(record);
    void disown(device, connection).then(() => {
      const here = connections.of(device);
      if (here !== undefined) claimAgain(here);
    });
  }

  /** Rule 3. */
  private deliver(session: Session, { offset, record, at }: Notified): void {
    if (offset <= session.lastSent || session.isClosed) return;
    if (session.isLevel && session.hasRoom(this.parts.limits)) {
      this.parts.reading.send(session, { offset, record }, at);
      return at === undefined ? undefined : this.parts.counts.sentAfter(this.parts.clock() - at);
    }
    this.parts.counts.postponed++;
    session.fallBehind();
    this.parts.reading.soon(session);
  }

  /** Another connection holds the device, here or elsewhere; the record names the one that lost it. */
  private displace(connection: number, device: string): void {
    const ghost = this.parts.connections.find(connection);
    if (ghost?.device === device) ghost.close('displaced');
  }

  /** Rule 6: whoever holds a device of that partition claims again and drains. */
  private viewReady(partition: number): void {
    this.parts.connections.visitAll((session) => {
      if (session.device !== undefined && session.partition === partition) {
        this.parts.claimAgain(session);
      }
    });
  }
}

/** Of those with one address: what one of them names another epoch for is not for its neighbours to decide. */
function endOfRun(
  deliveries: readonly Delivery[],
  at: number,
  { connection, epoch }: Notified,
): number {
  let end = at + 1;
  for (let next = deliveries[end]; next?.kind === 'notification'; next = deliveries[end]) {
    if (next.connection !== connection || next.epoch !== epoch) break;
    end++;
  }
  return end;
}
