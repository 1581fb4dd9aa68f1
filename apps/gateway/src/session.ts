/**
 * One connection, from its opening to its end. It sends in log order and nothing twice (design §5, rule 3):
 * `lastSent`, the window of what is not acknowledged, and whether it is level with its mailbox. There are as
 * many of these as devices, nearly all idle: plain fields, no closures, no timers, lists only when needed.
 * What moves it lies beside: greeting, claims, reading, on-delivery, on-client-message, recheck.
 */
import { CLOSE_CODES, notificationFrame, uuidOf } from '#wire';
import type { CloseName } from '#wire';
import type { DeviceId, MessageId, Notification, TraceContext } from '#webpush';
import type { RequestQueue } from './request-queue.js';
import { SENT } from './socket.js';
import type { Socket } from './socket.js';

/** A notification that is sent and not acknowledged. */
export interface Unacked {
  readonly id: MessageId;
  readonly offset: number;
  readonly bytes: number;
  /** When it was appended to the log, ms; 0: not told. Only measured by. */
  readonly acceptedAtMs: number;
  /** Of its delivery, where its sender asked for it. */
  readonly trace: TraceContext | undefined;
}

/**
 * `arriving`: waits for hello. `greeting`: hello is being looked up and claimed. `greeted`: hello is answered.
 * `closed`: there is no socket any more; what is under way finds that out when its answer comes.
 */
export type Phase = 'arriving' | 'greeting' | 'greeted' | 'closed';

export interface WindowLimits {
  readonly windowMax: number;
  readonly windowBytesMax: number;
}

export class Session {
  phase: Phase = 'arriving';
  socket: Socket | undefined;
  /** Its place in its bucket of {@link Connections}. */
  slot = -1;

  /** From hello on. */
  device: DeviceId | undefined;
  partition = 0;
  /** The device has, or had, a subscription: only then is anything about it persisted. */
  isKnown = false;
  /** The day (since the epoch) of the last-seen record; 0: none that we know of. */
  seenDay = 0;
  /** The store's clock at the hello's claim; a re-claim competes with it. */
  since = 0;
  /** Which of this gateway's hello claims it issued, in their order; 0: none, so there is none to release. */
  claimOrder = 0;
  /** From the issue of a claim to its reply. */
  isClaiming = false;
  /** Something asked for a claim while one was under way. */
  claimsAgain = false;

  /** The highest offset that was sent on this connection. */
  lastSent = -1;
  /** Live deliveries go out as they come. */
  isLevel = false;
  wantsRead = false;
  isReading = false;
  /** Read from the mailbox since it was level last, or since hello. */
  backlog = 0;
  /** It is in the list of those that read at the end of this turn. */
  readsSoon = false;
  /** A delivery, a poke or a claim came since the read under way was issued: that read cannot make it level. */
  hasCome = false;
  /** In the order they were sent. */
  unacked: Unacked[] | undefined;
  unackedBytes = 0;
  /** Bytes wait in our buffer because the device reads slowly. */
  isChoked = false;

  /** Requests whose reply is not sent; notifications wait behind them. */
  requests: RequestQueue | undefined;
  /** State of the token bucket for frames, see Pace. */
  framesFullAtMs = 0;
  /** When the device pinged last; -1: never. */
  pingedAtMs = -1;
  /** Why we closed it; undefined: the device or its network did. */
  closedAs: CloseName | undefined;

  constructor(
    /** Never reused, see {@link Connections.number}. */
    readonly connection: number,
    socket: Socket,
  ) {
    this.socket = socket;
  }

  get isClosed(): boolean {
    return this.phase === 'closed';
  }

  /** Whether a notification may go out now, as far as window and order of the replies are concerned. */
  hasRoom({ windowMax, windowBytesMax }: WindowLimits): boolean {
    return (
      this.phase === 'greeted' &&
      this.requests === undefined &&
      (this.unacked === undefined ||
        (this.unacked.length < windowMax && this.unackedBytes < windowBytesMax))
    );
  }

  /** What came cannot go out as it comes: from now on the mailbox is read, until nothing is left there. */
  fallBehind(): void {
    this.isLevel = false;
    this.hasCome = true;
    this.wantsRead = true;
  }

  /** Sends a notification; it stands in the window until it is acknowledged. */
  notify(sent: Unacked, notification: Notification): void {
    this.lastSent = sent.offset;
    if (this.unacked === undefined) this.unacked = [sent];
    else this.unacked.push(sent);
    this.unackedBytes += sent.bytes;
    this.say(frameOf(notification));
  }

  /** Takes an acknowledged notification out of the window; undefined: no such version was sent here. */
  take(version: string): Unacked | undefined {
    const { unacked } = this;
    if (unacked === undefined) return undefined;
    for (let at = 0; at < unacked.length; at++) {
      const one = unacked[at] as Unacked;
      if (one.id !== version) continue;
      this.unackedBytes -= one.bytes;
      if (unacked.length === 1) this.unacked = undefined;
      else unacked.splice(at, 1);
      return one;
    }
    return undefined;
  }

  /** Puts a frame on the socket. A device whose buffer is full is closed; what it misses is in its mailbox. */
  say(frame: string): void {
    if (this.socket === undefined) return;
    const sent = this.socket.send(frame);
    if (sent === SENT.queued) this.isChoked = true;
    else if (sent === SENT.dropped) this.close('slowReader');
  }

  /** Ends the connection; {@link Sessions.onGone} has run when this returns. */
  close(as: CloseName): void {
    const { socket } = this;
    if (socket === undefined || this.closedAs !== undefined) return;
    this.closedAs = as;
    // A close frame would wait behind what the device does not read.
    if (as === 'slowReader') return socket.close();
    const { code, reason } = CLOSE_CODES[as];
    socket.end(code, reason);
  }
}

/** The payload goes from the record's bytes straight into the frame. */
function frameOf(n: Notification): string {
  return notificationFrame({
    channelID: uuidOf(n.subscription),
    version: n.id,
    data: n.payload.length === 0 ? undefined : n.payload.toString('base64url'),
    encoding: n.encoding,
    encryption: n.encryption,
    cryptoKey: n.cryptoKey,
  });
}
