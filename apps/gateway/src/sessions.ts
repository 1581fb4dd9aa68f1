/**
 * Where sockets meet sessions: what opens, says something, has taken what waited for it, and ends. One place
 * begins a session and one place ends it, whoever asked for the end.
 */
import type { Settler } from '#outcomes';
import type { Log } from '#runtime';
import type { Claims } from './claims.js';
import type { Connections } from './connections.js';
import type { GatewayCounts } from './counts.js';
import type { HelloDeadline } from './hello-deadline.js';
import type { OnClientMessage } from './on-client-message.js';
import type { Reading } from './reading.js';
import { Session } from './session.js';
import type { Socket } from './socket.js';

export interface SessionParts {
  readonly connections: Connections;
  readonly helloDeadline: HelloDeadline;
  readonly messages: OnClientMessage;
  readonly reading: Reading;
  readonly claims: Claims;
  readonly settler: Pick<Settler, 'hurry'>;
  readonly counts: GatewayCounts;
  readonly log: Log;
}

export class Sessions {
  /** After it has been replaced, a gateway's claims are not its own to release. */
  isReplaced = false;

  constructor(private readonly parts: SessionParts) {}

  onOpen(socket: Socket): Session {
    const { connections, helloDeadline, counts } = this.parts;
    const session = new Session(connections.number(), socket);
    connections.add(session);
    helloDeadline.add(session);
    counts.opened++;
    return session;
  }

  /** One text frame. A mistake of ours costs this connection, never the process. */
  onText(session: Session, text: string): void {
    try {
      this.parts.messages.read(session, text);
    } catch (error) {
      this.parts.log.error('a frame failed', { error });
      session.close('failed');
    }
  }

  onBinary(session: Session): void {
    session.close('binary');
  }

  onTooLarge(session: Session): void {
    session.close('tooLarge');
  }

  /** Something of what waited in the socket's buffer has been taken; the backlog goes on when all of it has. */
  onDrained(session: Session): void {
    session.isChoked = (session.socket?.getBufferedAmount() ?? 0) > 0;
    this.parts.reading.soon(session);
  }

  /** The socket is gone, by us or by the device; called once per connection. */
  onGone(session: Session): void {
    if (session.isClosed) return;
    session.phase = 'closed';
    session.socket = undefined;
    session.requests = undefined;
    session.unacked = undefined;
    this.parts.connections.remove(session);
    this.parts.counts.closed(session.closedAs ?? 'device');
    if (session.device !== undefined) this.parts.settler.hurry(session.partition);
    if (!this.isReplaced) this.parts.claims.release(session);
  }
}
