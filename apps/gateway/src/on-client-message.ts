/**
 * What a device says (contract §1 "Client → server"). Requests are served one after the other, so that no
 * reply and no notification overtakes an earlier reply; acks are taken at once.
 */
import type { Settler } from '#outcomes';
import { Step, type Log, type Pace } from '#runtime';
import type { Registrar } from '#subscriptions';
import {
  ACK_OUTCOMES,
  PONG,
  parseClientMessage,
  registerFrame,
  subscriptionIdOf,
  unregisterFrame,
} from '#wire';
import type { Ack, ClientMessage, Hello, Register, Unregister } from '#wire';
import type { Outcome } from '#webpush';
import type { GatewayCounts } from './counts.js';
import type { Greeting } from './greeting.js';
import type { LastSeen } from './last-seen.js';
import type { Reading } from './reading.js';
import { RequestQueue } from './request-queue.js';
import type { Request, Waiting } from './request-queue.js';
import type { Session, Unacked } from './session.js';

/** A register is answered within 1 s (contract §1), also one that waits behind others. */
export const REPLY_WITHIN_MS = 900;

export interface ClientMessageParts {
  readonly registrar: Registrar;
  readonly settler: Settler;
  readonly greeting: Greeting;
  readonly reading: Reading;
  readonly lastSeen: LastSeen;
  /** Claims again, in its turn. */
  readonly claimAgain: (session: Session) => void;
  readonly pace: Pace;
  readonly clientPingMinMs: number;
  readonly counts: GatewayCounts;
  /** ms; only differences count. */
  readonly clock: () => number;
  /** ms since the epoch. */
  readonly date: () => number;
  readonly log: Log;
}

export class OnClientMessage {
  constructor(private readonly parts: ClientMessageParts) {}

  /** One text frame. */
  read(session: Session, text: string): void {
    if (session.isClosed || session.closedAs !== undefined) return;
    this.parts.counts.framesIn++;
    const message = parseClientMessage(text);
    // Acks come as fast as frames go out: what a notification has paid for is free.
    const isPaid = message?.messageType === 'ack' && this.onAck(session, message);
    if (!isPaid && !this.pay(session)) return session.close('tooFast');
    if (message === undefined) return session.close('unreadable');
    if ((message.messageType === 'hello') !== (session.phase === 'arriving')) {
      return session.close('helloMisplaced');
    }
    this.obey(session, message, text.length);
  }

  private obey(session: Session, message: ClientMessage, bytes: number): void {
    switch (message.messageType) {
      case 'hello':
        return void this.onHello(session, message);
      case 'ping':
        if (!this.mayPing(session)) return session.close('pingTooSoon');
        return this.onRequest(session, message, bytes);
      case 'register':
      case 'unregister':
        return this.onRequest(session, message, bytes);
      case 'nack':
        return this.parts.counts.nacked(message.code);
      case 'ack':
      case 'broadcast_subscribe': // tolerated: nothing is broadcast yet
    }
  }

  /** True: it acknowledged something that was sent here. Unknown versions are ignored. */
  private onAck(session: Session, { updates }: Ack): boolean {
    const { device, partition } = session;
    let isKnown = false;
    if (device === undefined) return isKnown;
    for (const { version, code } of updates) {
      const sent = session.take(version);
      if (sent === undefined) continue;
      isKnown = true;
      const { id, offset } = sent;
      const outcome = ACK_OUTCOMES[code];
      const settled = this.parts.settler.settle(partition, { device, offset, id, outcome });
      if (sent.acceptedAtMs > 0 || sent.trace) void this.follow(sent, outcome, settled);
    }
    if (isKnown) this.parts.reading.soon(session);
    return isKnown;
  }

  private async follow(
    { acceptedAtMs, trace }: Unacked,
    outcome: Outcome,
    settled: Promise<void>,
  ): Promise<void> {
    const step = trace && new Step('ack', trace);
    await settled;
    if (acceptedAtMs > 0) this.parts.counts.settledAfter(this.parts.date() - acceptedAtMs);
    step?.end(outcome);
  }

  private async onHello(session: Session, { uaid }: Hello): Promise<void> {
    if (!(await this.parts.greeting.greet(session, uaid))) return;
    if (session.claimsAgain) this.parts.claimAgain(session);
    if (session.requests !== undefined) await this.serve(session, session.requests);
    else this.parts.reading.on(session);
  }

  private onRequest(session: Session, request: Request, bytes: number): void {
    if (
      request.messageType === 'ping' &&
      session.requests === undefined &&
      session.phase === 'greeted'
    ) {
      return this.reply(session, PONG);
    }
    const isFirst = session.requests === undefined;
    const queue = (session.requests ??= new RequestQueue());
    if (!queue.push({ request, atMs: this.parts.clock(), bytes })) return session.close('tooFast');
    // During the greeting they wait for the reply to hello, which begins to serve them.
    if (isFirst && session.phase === 'greeted') void this.serve(session, queue);
  }

  private async serve(session: Session, queue: RequestQueue): Promise<void> {
    for (let next = queue.first; next !== undefined; next = queue.first) {
      const frame = await this.answer(session, next);
      if (session.isClosed) return;
      this.reply(session, frame);
      queue.shift();
    }
    session.requests = undefined;
    this.parts.reading.on(session);
  }

  private async answer(session: Session, waiting: Waiting): Promise<string> {
    const { request } = waiting;
    if (request.messageType === 'ping') return PONG;
    const { channelID } = request;
    try {
      return await this.inTime(waiting, () =>
        request.messageType === 'register'
          ? this.register(session, request)
          : this.unregister(session, request),
      );
    } catch (error) {
      this.parts.counts.failures++;
      session.isKnown = true; // it may have happened all the same
      const { messageType } = request;
      this.parts.log.sampled(messageType, `${messageType} failed`, { error });
      const reply = { channelID, status: 500 } as const;
      return messageType === 'register' ? registerFrame(reply) : unregisterFrame(reply);
    }
  }

  private async register(session: Session, { channelID, key }: Register): Promise<string> {
    const { device } = session;
    const subscription = subscriptionIdOf(channelID);
    if (subscription === undefined || device === undefined) {
      return registerFrame({ channelID, status: 400 });
    }
    const counterpart = key === undefined ? undefined : { key };
    const registration = await this.parts.registrar.register(device, subscription, counterpart);
    if (registration.kind === 'refused') return registerFrame({ channelID, status: 400 });
    this.parts.counts.registers++;
    session.isKnown = true;
    if (session.seenDay === 0) this.parts.lastSeen.noteNow(session);
    return registerFrame({ channelID, status: 200, pushEndpoint: registration.endpoint });
  }

  private async unregister(session: Session, { channelID }: Unregister): Promise<string> {
    const { device, isKnown } = session;
    const subscription = subscriptionIdOf(channelID);
    // Of a device that never registered nothing is persisted, a removal neither.
    if (subscription !== undefined && device !== undefined && isKnown) {
      await this.parts.registrar.unregister(device, subscription);
      this.parts.counts.unregisters++;
    }
    return unregisterFrame({ channelID, status: 200 });
  }

  /** The Registrar keeps its own deadline; one that had to wait has less time left. */
  private inTime(waiting: Waiting, work: () => Promise<string>): Promise<string> {
    const waitedMs = this.parts.clock() - waiting.atMs;
    if (waitedMs < REPLY_WITHIN_MS / 10) return work();
    return within(REPLY_WITHIN_MS - waitedMs, work);
  }

  private reply(session: Session, frame: string): void {
    this.parts.counts.framesOut++;
    session.say(frame);
  }

  private pay(session: Session): boolean {
    const next = this.parts.pace.take(session.framesFullAtMs, this.parts.clock());
    if (next < 0) return false;
    session.framesFullAtMs = next;
    return true;
  }

  private mayPing(session: Session): boolean {
    const nowMs = this.parts.clock();
    const { pingedAtMs } = session;
    if (pingedAtMs >= 0 && nowMs - pingedAtMs < this.parts.clientPingMinMs) return false;
    session.pingedAtMs = nowMs;
    return true;
  }
}

async function within(ms: number, work: () => Promise<string>): Promise<string> {
  if (ms <= 0) throw new Error('it waited too long behind other requests of the device');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${Math.round(ms)} ms`)), ms);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
