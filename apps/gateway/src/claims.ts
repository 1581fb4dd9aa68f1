/**
 * Who holds a device (design §5, rules 2, 3 and 7). A claim at hello always wins; a claim made again loses to a
 * newer hello, and then this connection is the ghost. Claimed first, read after: so a notification is seen by
 * the read, or delivered to this holder, or both. While a claim is under way the session is not level.
 */
import { deliveriesOf, encodeDelivery } from '#streams';
import type { StreamProducer } from '#streams';
import type { Holder, Leases, Presence } from '#view';
import type { DeviceId } from '#webpush';
import type { Connections } from './connections.js';
import type { GatewayCounts } from './counts.js';
import type { Identity } from './identity.js';
import type { Reading } from './reading.js';
import type { Session } from './session.js';

export interface ClaimParts {
  readonly presence: Presence;
  readonly producer: StreamProducer;
  readonly leases: Leases;
  readonly identity: Identity;
  readonly connections: Connections;
  readonly reading: Reading;
  readonly counts: GatewayCounts;
}

export class Claims {
  /** Releases and messages to displaced holders that are under way: a drain waits for them. */
  private readonly farewells = new Set<Promise<void>>();
  /** Claims of hellos, so far. */
  private issued = 0;

  constructor(private readonly parts: ClaimParts) {}

  /**
   * The claim of a hello. False: the connection was closed meanwhile. Rejects when the store does not answer;
   * the claim may stand all the same, and closing the connection releases it.
   */
  async hello(session: Session, device: DeviceId): Promise<boolean> {
    const { epoch } = this.parts.identity;
    session.device = device;
    session.claimOrder = ++this.issued;
    session.isClaiming = true;
    let displaced: Holder | undefined;
    try {
      const claimed = await this.parts.presence.hello(device, this.holder(session, epoch));
      session.since = claimed.since;
      displaced = claimed.displaced;
    } finally {
      session.isClaiming = false;
      this.conclude(session, device, displaced);
    }
    if (session.isClosed) return false;
    // The lease may have been lost and set anew while the claim was under way: then it names the old epoch.
    if (epoch !== this.parts.identity.epoch) session.claimsAgain = true;
    return true;
  }

  /**
   * Claims again, and reads on. With a claim under way that one is followed by another. Rejects when the store
   * does not answer: the session is not level then, and has to claim again.
   */
  async reclaim(session: Session): Promise<void> {
    const { device } = session;
    if (session.isClaiming) session.claimsAgain = true;
    if (session.isClaiming || session.phase !== 'greeted' || device === undefined) return;
    let epoch: number;
    do {
      session.claimsAgain = false;
      epoch = this.parts.identity.epoch;
      if (!(await this.win(session, device, epoch))) return;
    } while (session.claimsAgain || epoch !== this.parts.identity.epoch);
    this.parts.reading.on(session);
  }

  /** The connection is closed: the device is nobody's, unless another took it. */
  release(session: Session): void {
    // A claim under way might be executed after the release: its reply releases.
    if (session.claimOrder > 0 && !session.isClaiming) void this.farewell(this.letGo(session));
  }

  /** The claim for a connection that is gone, if it stands: it was executed after its release. Never rejects. */
  disown(device: DeviceId, connection: number): Promise<void> {
    const { presence, identity } = this.parts;
    return this.farewell(presence.release(device, { gateway: identity.id, connection }));
  }

  /** Resolves when every release and every message to a displaced holder is done or has failed. */
  async drain(): Promise<void> {
    while (this.farewells.size > 0) await Promise.all(this.farewells);
  }

  get pending(): number {
    return this.farewells.size;
  }

  /** One claim made again. False: the session is over. */
  private async win(session: Session, device: DeviceId, epoch: number): Promise<boolean> {
    session.isClaiming = true;
    session.fallBehind();
    this.parts.counts.reclaims++;
    let displaced: Holder | undefined;
    let won = true;
    try {
      const claim = this.holder(session, epoch);
      const answer = await this.parts.presence.reclaim(device, claim, session.since);
      won = answer.won;
      if (answer.won) displaced = answer.displaced;
    } finally {
      session.isClaiming = false;
      this.conclude(session, device, displaced);
    }
    if (!won) {
      this.parts.counts.reclaimsLost++;
      session.close('displaced');
    }
    // The read under way began before this reply: it cannot make the session level.
    session.fallBehind();
    return !session.isClosed;
  }

  /** A claim has its reply, or none will come. The displaced one is told even if the winner has closed meanwhile. */
  private conclude(session: Session, device: DeviceId, displaced: Holder | undefined): void {
    const told = displaced === undefined ? undefined : this.displace(device, displaced);
    if (session.isClosed) void this.farewell(this.letGo(session, told));
    else if (told !== undefined) void this.farewell(told);
  }

  private displace(device: DeviceId, displaced: Holder): Promise<void> | undefined {
    this.parts.counts.displaced++;
    if (displaced.gateway !== this.parts.identity.id) return this.tell(device, displaced);
    const ghost = this.parts.connections.find(displaced.connection);
    if (ghost?.device === device) ghost.close('displaced');
    return undefined;
  }

  /** Without a lease nobody reads that stream; a gateway that comes back to it claims again, and loses. */
  private async tell(device: DeviceId, { gateway, connection }: Holder): Promise<void> {
    const { leases, producer } = this.parts;
    const stands = await leases.get(gateway).catch(() => 'unknown' as const);
    if (stands === undefined) return;
    const record = encodeDelivery({ kind: 'displace', device, connection });
    await producer.appendUntilIn(deliveriesOf(gateway), 0, [record]);
  }

  private async letGo(session: Session, after?: Promise<void>): Promise<void> {
    await after;
    if (session.device === undefined) return;
    const { connection } = session;
    await this.parts.presence.release(session.device, {
      gateway: this.parts.identity.id,
      connection,
    });
  }

  /** What nobody waits for but a drain. A release that fails costs nothing: the claim ends with the lease. */
  private farewell(work: Promise<void>): Promise<void> {
    const done: Promise<void> = work
      .catch(() => void this.parts.counts.releaseFailures++)
      .finally(() => this.farewells.delete(done));
    this.farewells.add(done);
    return done;
  }

  private holder({ connection }: Session, epoch: number): Holder {
    return { gateway: this.parts.identity.id, epoch, connection };
  }
}
