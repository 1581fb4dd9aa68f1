/**
 * A push client: connects, says hello, registers its channels, takes what comes and acknowledges it when it likes.
 * It wants its connection back whenever it is lost.
 */
import { deviceIdOf, type DeviceId } from '#webpush';
import type { ServerFrame } from '../support/hand-driven-gateway.js';
import type { Scene } from './scene.js';
import type { GatewayHost } from './gateway-host.js';
import { SimSocket, type Peer } from './sim-socket.js';

/** Points on P-256: VAPID keys of two application servers. */
export const SERVER_KEYS = [
  'BK36iNSo8hbW-7ka0sSAupq3RlZh0MLB8GLKvmsO1LQkThZwvAHk7eKEKZkE0F3SAfezOAeacEoAq9MTIHnZSBM',
  'BPAAXo2-8mU74EIBBl0csiImEZoxMasKrHoDsUoGaCPvjnuUOLIOnj6DgoJ3Tjf9Qs9yj1ZhFjqgiE1vFX3ysk8',
] as const;

/** What a phone wants of a channel, and what it knows that it has. */
export class Channel {
  /** undefined: none. `''`: a subscription without key. */
  wanted: string | undefined;
  had: string | undefined;
  /** What the last request was for. */
  asked: string | undefined;
  endpoint: string | undefined;
  /** A request is under way on the connection that the phone has. */
  isAsking = false;

  constructor(
    readonly id: string,
    key: string,
  ) {
    this.wanted = key;
  }
}

const HELLO_PATIENCE_MS = 12_000;
const CHANNELS = 2;

/** Where it may connect, and who gets its endpoints. */
export interface Surroundings {
  readonly doors: readonly GatewayHost[];
  readonly onEndpoint: {
    given(phone: Phone, channel: Channel, endpoint: string): void;
  };
}

export class Phone implements Peer {
  secret: string | undefined;
  link: SimSocket | undefined;
  readonly channels: readonly Channel[];
  /** Off the net, until it feels like it. */
  isAway = false;
  isSlow = false;
  /** It was told of a registration: from then on its name is its name. */
  hasRegistered = false;
  /** When it said hello. */
  private knownSince: number | undefined;
  private isGreeted = false;
  private readonly ackMs: number;
  private connections = 0;
  private readonly unacked = new Map<SimSocket, ServerFrame[]>();
  private isConnecting = false;

  constructor(
    private readonly scene: Scene,
    readonly name: string,
    private readonly around: Surroundings,
  ) {
    const { dice } = scene.world;
    this.ackMs = dice.pick([2, 100, 2_000, 30_000]);
    this.channels = Array.from({ length: CHANNELS }, (_, i) => {
      const hex = dice.hex(32);
      const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
      for (const id of [hex, uuid]) scene.world.trace?.name(id, `${name}.${i}`);
      return new Channel(uuid, dice.pick(['', SERVER_KEYS[0]]));
    });
    this.comeBack();
  }

  get device(): DeviceId | undefined {
    return this.secret === undefined ? undefined : deviceIdOf(this.secret);
  }

  get isHappy(): boolean {
    return (
      this.isGreeted &&
      this.link?.isOpenHere === true &&
      this.link.isOpenThere &&
      this.link.isSilent &&
      this.channels.every(({ had, wanted, isAsking }) => had === wanted && !isAsking)
    );
  }

  latencyMs(): number {
    const { dice } = this.scene.world;
    return this.isSlow ? dice.about(2_000) : dice.about(5);
  }

  /** To some gateway; a connection that it has is left to itself. */
  connect(): void {
    const { world } = this.scene;
    const listening = this.around.doors.filter(({ isListening }) => isListening);
    const host = listening.length > 0 ? world.dice.pick(listening) : undefined;
    if (!host?.process) return this.comeBack();
    const name = `${this.name}#${this.connections++}`;
    const link = new SimSocket(this.scene, host, host.process, this, name);
    world.say(this.name, () => `connects to ${host.name} as ${name}`);
    this.link = link;
    this.isGreeted = false;
    for (const channel of this.channels) channel.isAsking = false;
    link.say({ messageType: 'hello', use_webpush: true, uaid: this.secret ?? '' });
    const { facts } = this.scene.oracle;
    this.knownSince = this.secret === undefined ? undefined : facts.knownSince(this.secret);
    world.in(HELLO_PATIENCE_MS, undefined, () => {
      if (this.link === link && !this.isGreeted) this.leave(false);
    });
  }

  leave(isGhost: boolean, awayMs = this.scene.world.dice.about(3_000)): void {
    const { link } = this;
    if (link) {
      this.scene.world.say(this.name, () => `leaves ${link.name}${isGhost ? ', a ghost' : ''}`);
      link.leave(isGhost);
      this.unacked.delete(link);
    }
    this.link = undefined;
    this.comeBack(awayMs);
  }

  /** The socket ended without the phone's doing. */
  lost(link: SimSocket, code: number | undefined): void {
    this.scene.world.say(this.name, () => `${link.name} is closed (${code ?? 'cut off'})`);
    this.unacked.delete(link);
    if (this.link !== link) return;
    this.link = undefined;
    this.comeBack();
  }

  comeBack(afterMs = this.scene.world.dice.about(this.scene.isQuiet ? 300 : 1_500)): void {
    if (this.isConnecting) return;
    this.isConnecting = true;
    this.scene.world.in(afterMs, undefined, () => {
      this.isConnecting = false;
      if (this.link === undefined && !this.isAway) this.connect();
      else if (this.link === undefined) this.comeBack(500);
    });
  }

  hear(link: SimSocket, text: string): void {
    const frame = JSON.parse(text) as ServerFrame;
    const { world } = this.scene;
    if (frame.messageType !== 'notification') {
      const { messageType = 'pong', channelID = '', status = '' } = frame;
      world.say(this.name, () => {
        return `${link.name} hears ${messageType} ${world.trace?.nameOf(channelID)} ${status}`;
      });
    }
    if (frame.messageType === 'notification') this.take(link, frame);
    else if (link !== this.link) return;
    else if (frame.messageType === 'hello') this.greeted(frame);
    else if (frame.messageType === 'register') this.registered(frame);
    else if (frame.messageType === 'unregister') this.unregistered(frame);
  }

  /** Asks for what it wants and does not have. */
  ask(): void {
    const { link } = this;
    if (!this.isGreeted || !link) return;
    for (const channel of this.channels) {
      if (channel.isAsking || channel.had === channel.wanted) continue;
      channel.isAsking = true;
      channel.asked = channel.wanted;
      const { id: channelID, wanted } = channel;
      if (wanted === undefined) link.say({ messageType: 'unregister', channelID });
      else link.say({ messageType: 'register', channelID, ...(wanted !== '' && { key: wanted }) });
    }
  }

  /** Its owner has removed it from the service: what it had counts no more. */
  forget(): void {
    this.hasRegistered = false;
    for (const channel of this.channels) channel.had = channel.endpoint = undefined;
    this.leave(false);
  }

  ackAll(): void {
    for (const link of this.unacked.keys()) this.ack(link, Infinity);
  }

  private greeted({ uaid }: ServerFrame): void {
    const { oracle, world } = this.scene;
    if (uaid !== this.secret) {
      const { secret = '', knownSince } = this;
      if (this.hasRegistered) oracle.facts.renamed(this.name, { secret, knownSince });
      this.hasRegistered = false;
      this.secret = uaid;
      world.trace?.name(deviceIdOf(uaid ?? ''), this.name);
      for (const channel of this.channels) channel.had = channel.endpoint = undefined;
    }
    this.isGreeted = true;
    this.ask();
  }

  private registered({ channelID, status, pushEndpoint }: ServerFrame): void {
    const channel = this.channels.find(({ id }) => id === channelID);
    if (!channel) return;
    channel.isAsking = false;
    if (status !== 200 || pushEndpoint === undefined) return this.askLater();
    this.hasRegistered = true;
    channel.had = channel.asked;
    channel.endpoint = pushEndpoint;
    this.around.onEndpoint.given(this, channel, pushEndpoint);
    this.ask();
  }

  private unregistered({ channelID, status }: ServerFrame): void {
    const channel = this.channels.find(({ id }) => id === channelID);
    if (!channel) return;
    channel.isAsking = false;
    if (status !== 200) return this.askLater();
    channel.had = channel.endpoint = undefined;
    this.ask();
  }

  private askLater(): void {
    const { world } = this.scene;
    world.in(world.dice.about(2_000), undefined, () => this.ask());
  }

  private take(link: SimSocket, frame: ServerFrame): void {
    const { world, oracle, isQuiet } = this.scene;
    oracle.received(link, frame.version ?? '');
    const frames = this.unacked.get(link) ?? [];
    this.unacked.set(link, frames);
    frames.push(frame);
    const { dice } = world;
    world.in(isQuiet ? dice.about(5) : dice.about(this.ackMs), undefined, () => {
      this.ack(link, 1 + dice.roll(3));
    });
  }

  private ack(link: SimSocket, countMax: number): void {
    const frames = this.unacked.get(link)?.splice(0, countMax) ?? [];
    if (frames.length === 0 || !link.isOpenHere) return;
    const { world, oracle } = this.scene;
    const updates = frames.map(({ channelID, version }) => {
      const code = world.dice.chance(0.9) ? 100 : world.dice.pick([101, 102] as const);
      oracle.acked(version ?? '', code);
      return { channelID: channelID ?? '', version: version ?? '', code } as const;
    });
    link.say({ messageType: 'ack', updates });
  }
}
