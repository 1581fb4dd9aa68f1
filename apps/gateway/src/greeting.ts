/**
 * Hello (contract §1): whoever presents a `uaid` is the device. A known device keeps its name; an unknown one
 * gets a new one, but never because a store was down or a view incomplete (design §5, rule 9).
 */
import type { SubscriptionLookup } from '#view';
import { deviceIdOf, isDeviceSecret, partitionOf } from '#webpush';
import type { Log } from '#runtime';
import { helloFrame } from '#wire';
import type { Claims } from './claims.js';
import type { Connections } from './connections.js';
import type { GatewayCounts } from './counts.js';
import type { LastSeen } from './last-seen.js';
import type { Session } from './session.js';

export interface GreetingParts {
  readonly lookup: SubscriptionLookup;
  /** A new device's secret: 32 hex digits of 128 random bits. */
  readonly newSecret: () => string;
  readonly partitions: number;
  readonly claims: Claims;
  readonly connections: Connections;
  readonly lastSeen: LastSeen;
  readonly counts: GatewayCounts;
  readonly log: Log;
}

export class Greeting {
  constructor(private readonly parts: GreetingParts) {}

  /** Resolves with true when the hello is answered; otherwise the connection is closed. Never rejects. */
  async greet(session: Session, presented: string | undefined): Promise<boolean> {
    session.phase = 'greeting';
    try {
      const secret = await this.secretOf(session, presented);
      if (session.isClosed) return false;
      if (secret === undefined) {
        session.close('notReady');
        return false;
      }
      const device = deviceIdOf(secret);
      session.partition = partitionOf(device, this.parts.partitions);
      if (!(await this.parts.claims.hello(session, device))) return false;
      this.answer(session, secret);
      return !session.isClosed;
    } catch (error) {
      this.parts.log.sampled('hello', 'hello failed: the store does not answer', { error });
      session.close('notReady');
      return false;
    }
  }

  /** undefined: nobody can say yet whether the device is known. */
  private async secretOf(session: Session, presented: string | undefined) {
    if (!isDeviceSecret(presented)) return this.parts.newSecret();
    const found = await this.parts.lookup.findDevice(deviceIdOf(presented));
    if (found.isKnown) {
      session.isKnown = true;
      this.parts.lastSeen.note(session, found.seenAt);
      return presented;
    }
    return found.state === 'ready' ? this.parts.newSecret() : undefined;
  }

  private answer(session: Session, secret: string): void {
    const { device } = session;
    if (device === undefined) return;
    const other = this.parts.connections.of(device);
    // Its answer was overtaken by that of a later hello: then this connection is the ghost.
    if (other !== undefined && other.claimOrder > session.claimOrder) {
      return session.close('displaced');
    }
    session.phase = 'greeted';
    // After a loss of the store nobody was displaced there, and the ghost may still be here.
    this.parts.connections.hold(device, session)?.close('displaced');
    this.parts.counts.hellos++;
    if (!session.isKnown) this.parts.counts.fresh++;
    this.parts.counts.framesOut++;
    session.say(helloFrame(secret));
    session.fallBehind();
    this.parts.lastSeen.renew(session);
  }
}
