/**
 * A connection between a phone and a gateway, with both its ends: what is said travels, in order. One end may be
 * gone long before the other knows it (a ghost). A phone that reads slowly lets frames wait at the gateway.
 */
import { SENT, type Socket } from '../../apps/gateway/src/socket.js';
import type { Gateway } from '../../apps/gateway/src/gateway.js';
import type { Session } from '../../apps/gateway/src/session.js';
import type { DeviceId } from '#webpush';
import { CLOSE_CODES, type ClientMessage } from '#wire';
import type { Scene } from './scene.js';
import type { HelloSeen, Watched } from './oracle.js';
import type { SimProcess } from './world.js';

/** Frames under way beyond which a gateway is told that they wait. */
const TAKEN_MAX = 4;
/** The buffer for a phone that reads slowly may be full at any frame. */
const FULL = 0.02;

/** The gateway's end. */
export interface Door {
  readonly name: string;
  readonly isListening: boolean;
  readonly gateway: Gateway | undefined;
  readonly sockets: Set<SimSocket>;
}

/** The device's end. */
export interface Peer {
  readonly name: string;
  /** The connection that it believes to have. */
  readonly link: SimSocket | undefined;
  readonly isSlow: boolean;
  latencyMs(): number;
  hear(link: SimSocket, frame: string): void;
  /** The socket ended without the peer's doing. */
  lost(link: SimSocket, code: number | undefined): void;
}

export class SimSocket implements Socket, Watched {
  session: Session | undefined;
  device: DeviceId | undefined;
  lastOffset = -1;
  helloSeen: HelloSeen | undefined;
  helloOrder = -1;
  claimOrder = -1;
  isOpenHere = true;
  isOpenThere = true;
  private downAtMs = 0;
  private upAtMs = 0;
  private underWay = 0;
  private hasWaited = false;

  constructor(
    private readonly scene: Scene,
    private readonly host: Door,
    private readonly process: SimProcess,
    private readonly phone: Peer,
    readonly name: string,
  ) {
    host.sockets.add(this);
    this.up(() => {
      const { gateway, isListening } = this.host;
      if (!isListening || !gateway) return this.cutOff();
      this.session = gateway.sessions.onOpen(this);
      scene.oracle.opened(this, this.session.connection);
    });
  }

  get phoneName(): string {
    return this.phone.name;
  }

  get isCurrent(): boolean {
    return this.phone.link === this && this.isOpenHere;
  }

  private textOf(message: ClientMessage): string {
    const { trace } = this.scene.world;
    const about = message.messageType === 'ack' ? message.updates : [message];
    const names = about.map((one) => {
      const id = 'version' in one ? one.version : 'channelID' in one ? one.channelID : '';
      return trace?.nameOf(id) ?? id;
    });
    return `${message.messageType} ${names.join(' ')}`;
  }

  /** Nothing is under way in either direction. */
  get isSilent(): boolean {
    return Math.max(this.downAtMs, this.upAtMs) <= this.scene.world.now;
  }

  /** The phone says something. */
  say(message: ClientMessage): void {
    const text = JSON.stringify(message);
    this.up(() => {
      this.scene.world.say(this.phone.name, () => `${this.name} says ${this.textOf(message)}`);
      if (this.session) this.host.gateway?.sessions.onText(this.session, text);
    });
  }

  /** The phone goes away. A ghost: the gateway does not hear of it for a while. */
  leave(isGhost: boolean): void {
    if (!this.isOpenHere) return;
    this.isOpenHere = false;
    const { world } = this.scene;
    const heardMs = isGhost ? world.dice.between(5_000, 90_000) : world.dice.about(20);
    world.in(heardMs, this.process, () => this.goneThere());
  }

  /** The gateway's end times out, or its process is gone. */
  cutOff(): void {
    this.isOpenThere = false;
    this.down(() => this.goneHere(undefined));
  }

  goneThere(): void {
    if (!this.isOpenThere) return;
    this.isOpenThere = false;
    this.host.sockets.delete(this);
    if (this.session) this.host.gateway?.sessions.onGone(this.session);
  }

  send(frame: string): number {
    const { world } = this.scene;
    const { dice } = world;
    if (!this.isOpenThere) {
      world.violate('CRASH', `${this.name}: sent on a closed socket`);
      return SENT.dropped;
    }
    if (this.phone.isSlow && this.underWay > TAKEN_MAX && dice.chance(FULL)) return SENT.dropped;
    this.underWay++;
    this.down(
      () => this.phone.hear(this, frame),
      () => this.taken(),
    );
    if (this.underWay <= TAKEN_MAX) return SENT.written;
    this.hasWaited = true;
    return SENT.queued;
  }

  getBufferedAmount(): number {
    return Math.max(0, this.underWay - TAKEN_MAX);
  }

  ping(): number {
    return SENT.written;
  }

  cork(sends: () => void): void {
    sends();
  }

  end(code: number, reason: string): void {
    const { oracle, world } = this.scene;
    world.say(this.host.name, () => `closes ${this.name}: ${reason}`);
    if (reason === CLOSE_CODES.failed.reason) world.violate('CRASH', `${this.name} failed`);
    if (reason === CLOSE_CODES.displaced.reason) oracle.displaced(this);
    oracle.closed(reason);
    this.goneThere();
    this.down(() => this.goneHere(code));
  }

  close(): void {
    this.scene.oracle.closed('slow reader');
    this.goneThere();
    this.down(() => this.goneHere(undefined));
  }

  private goneHere(code: number | undefined): void {
    if (!this.isOpenHere) return;
    this.isOpenHere = false;
    this.phone.lost(this, code);
  }

  /** A frame has left the gateway's buffer. */
  private taken(): void {
    this.underWay--;
    if (this.underWay > 0 || !this.hasWaited) return;
    this.hasWaited = false;
    const { world } = this.scene;
    world.in(0, this.process, () => {
      if (this.session && this.isOpenThere) this.host.gateway?.sessions.onDrained(this.session);
    });
  }

  private down(arrive: () => void, always?: () => void): void {
    const { world } = this.scene;
    this.downAtMs = Math.max(this.downAtMs, world.now + this.phone.latencyMs());
    world.in(this.downAtMs - world.now, undefined, () => {
      always?.();
      if (this.isOpenHere) arrive();
    });
  }

  private up(arrive: () => void): void {
    const { world } = this.scene;
    this.upAtMs = Math.max(this.upAtMs, world.now + world.dice.about(5));
    world.in(this.upAtMs - world.now, this.process, () => {
      if (this.isOpenThere) arrive();
    });
  }
}
