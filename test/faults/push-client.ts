/**
 * A device that lives while parts of the cluster are ended under it. It acknowledges what it gets, some of it late,
 * some with 101 and 102, always the same for the same notification; and it comes back whenever its connection
 * goes. By its character it also hangs up at random, sleeps for seconds, or moves: gives a subscription up and
 * takes a new one.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Frame } from '../support/device.js';
import type { Endpoint } from './ledger.js';

export type Character = 'steady' | 'restless' | 'sleeper' | 'mover';

export interface Surroundings {
  readonly gatewayUrls: readonly string[];
  readonly dice: () => number;
  /** The application server's key, for subscriptions that are kept to it. */
  readonly key: string;
}

export interface Arrival {
  readonly id: string;
  readonly number: number;
  readonly bytes: number;
  readonly at: number;
}

const REPLY_MS = 10_000;
/** A late ack comes with the first notification after that. */
const LATE_ACK_MS = 3_000;
const PATIENCE_MS = 240_000;

export class PushClient {
  readonly complaints: string[] = [];
  lostIds = 0;
  /** What came on each connection, in order. */
  connections: Arrival[][] = [];
  /** The code of each ack that was sent, by message id. */
  readonly acks = new Map<string, number>();
  /** The first never moves. */
  readonly endpoints: Endpoint[] = [];
  isAsleep = false;
  private uaid = '';
  private socket: WebSocket | undefined;
  private readonly open = new Set<WebSocket>();
  private unacked = new Map<string, { readonly frame: Frame; readonly at: number }>();
  private coming: Promise<void> | undefined;
  private moving: Promise<void> | undefined;
  private isLeaving = false;
  private nextAt = Infinity;
  private isCalm = true;

  constructor(
    readonly number: number,
    readonly character: Character,
    private readonly around: Surroundings,
  ) {}

  async join(): Promise<void> {
    await this.connect();
    await this.register(this.number % 4 === 0);
    if (this.character === 'mover') await this.register(this.number % 8 === 0);
  }

  /** From now on it is what its character says. */
  stir(now: number): void {
    this.isCalm = false;
    const current = this.connections.at(-1) ?? [];
    current.length = 0;
    this.connections = [current];
    this.acks.clear();
    this.complaints.length = 0;
    this.lostIds = 0;
    this.nextAt = this.character === 'steady' ? Infinity : now + this.between(0, 4_000);
  }

  /** Called every now and then. */
  live(now: number): void {
    if (now < this.nextAt || this.isLeaving) return;
    if (this.character === 'restless') {
      this.nextAt = now + this.between(1_000, 4_000);
      // Some reconnect before the server knows that their old connection is dead.
      if (this.around.dice() < 0.75) this.socket?.terminate();
      else if (this.coming === undefined) this.comeBack();
    } else if (this.character === 'sleeper') {
      this.isAsleep = !this.isAsleep;
      this.nextAt = now + (this.isAsleep ? this.between(4_000, 8_000) : this.between(1_500, 3_000));
      if (this.isAsleep) this.socket?.terminate();
      else this.comeBack();
    } else {
      this.nextAt = now + this.between(4_000, 8_000);
      this.moving ??= this.move()
        .catch(() => undefined)
        .finally(() => (this.moving = undefined));
    }
  }

  /** It stays, awake, and acknowledges everything. Resolves when it is connected and has finished its move. */
  async calm(): Promise<void> {
    this.isCalm = true;
    this.nextAt = Infinity;
    this.isAsleep = false;
    if (this.socket?.readyState !== WebSocket.OPEN) this.comeBack();
    await this.coming;
    await this.moving;
    this.acknowledgeLate(Infinity);
  }

  /** How many connections of it are open: one, when it is calm. */
  get openCount(): number {
    return this.open.size;
  }

  async leave(): Promise<void> {
    this.isLeaving = true;
    for (const socket of this.open) socket.terminate();
    await this.coming;
    await this.moving;
  }

  private between(least: number, most: number): number {
    return least + this.around.dice() * (most - least);
  }

  private async connect(): Promise<void> {
    const { gatewayUrls, dice } = this.around;
    const url = gatewayUrls[Math.floor(dice() * gatewayUrls.length)] ?? '';
    const socket = new WebSocket(url, 'push-notification', {
      perMessageDeflate: false,
      handshakeTimeout: REPLY_MS,
    });
    socket.on('error', () => undefined);
    this.open.add(socket);
    const arrivals: Arrival[] = [];
    socket.on('message', (text) => {
      const frame = JSON.parse(String(text)) as Frame;
      if (frame.messageType === 'notification') this.onNotification(socket, frame, arrivals);
      else socket.emit(`frame:${frame.messageType}`, frame);
    });
    const opened = new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('close', () => reject(new Error('closed')));
    });
    socket.once('close', () => {
      this.open.delete(socket);
      if (this.socket === socket && !this.isAsleep) this.comeBack();
    });
    await opened;
    const hello = {
      messageType: 'hello',
      use_webpush: true,
      ...(this.uaid && { uaid: this.uaid }),
    };
    const { uaid } = await this.ask(hello, socket);
    if (this.uaid !== '' && uaid !== this.uaid) this.lostIds++;
    this.uaid = String(uaid);
    this.connections.push(arrivals);
    this.unacked = new Map();
    this.socket = socket;
    if (this.isAsleep) socket.terminate();
  }

  private onNotification(socket: WebSocket, frame: Frame, arrivals: Arrival[]): void {
    const payload = Buffer.from(frame.data ?? '', 'base64url');
    const number = Number.parseInt(payload.subarray(0, 16).toString(), 10);
    const at = performance.now();
    const id = String(frame.version);
    const isFirst = !this.acks.has(id) && !this.unacked.has(id);
    arrivals.push({ id, number, bytes: payload.length, at });
    const isLate = !this.isCalm && isFirst && number % 10 === 3 && socket === this.socket;
    if (isLate) this.unacked.set(id, { frame, at });
    else this.acknowledge(socket, frame, codeOf(number));
    this.acknowledgeLate(at - LATE_ACK_MS);
  }

  /** Those that came before. */
  private acknowledgeLate(before: number): void {
    for (const [id, { frame, at }] of this.unacked) {
      if (at > before) break;
      this.unacked.delete(id);
      if (this.socket) this.acknowledge(this.socket, frame, 100);
    }
  }

  private acknowledge(socket: WebSocket, { channelID, version }: Frame, code: number): void {
    if (socket.readyState !== WebSocket.OPEN) return;
    this.acks.set(String(version), code);
    socket.send(JSON.stringify({ messageType: 'ack', updates: [{ channelID, version, code }] }));
  }

  private comeBack(): void {
    this.coming ??= this.untilConnected().finally(() => (this.coming = undefined));
  }

  private async untilConnected(): Promise<void> {
    do {
      await pause(this.between(100, 400));
      if (this.isLeaving || this.isAsleep) return;
      await this.connect().catch(() => undefined);
    } while (this.socket?.readyState !== WebSocket.OPEN);
  }

  /** Gives its last subscription up and takes a new one. */
  private async move(): Promise<void> {
    const old = this.endpoints.at(-1);
    if (!old || old.state !== 'live') return;
    old.state = 'leaving';
    const { channelID } = old;
    await this.insist({ messageType: 'unregister', channelID, code: 200 });
    old.goneAt = performance.now();
    old.state = 'gone';
    await this.register(old.isKeyed);
  }

  private async register(isKeyed: boolean): Promise<void> {
    const channelID = randomUUID();
    const client = this.number;
    const endpoint: Endpoint = { client, channelID, isKeyed, url: '', state: 'registering' };
    const key = isKeyed ? { key: this.around.key } : {};
    const { pushEndpoint } = await this.insist({ messageType: 'register', channelID, ...key });
    endpoint.url = String(pushEndpoint);
    endpoint.state = 'live';
    this.endpoints.push(endpoint);
  }

  /** Asks on one connection after the other until the answer is 200. */
  private async insist(request: Frame): Promise<Frame> {
    const until = performance.now() + PATIENCE_MS;
    while (!this.isLeaving) {
      const answer = await this.ask(request, this.socket).catch(() => undefined);
      if (answer?.status === 200) return answer;
      if (performance.now() > until) {
        this.complaints.push(`device ${this.number}: ${request.messageType} was not answered 200`);
        break;
      }
      await pause(this.between(200, 400));
    }
    throw new Error(`${request.messageType} was given up`);
  }

  private ask(request: Frame, socket: WebSocket | undefined): Promise<Frame> {
    return new Promise((resolve, reject) => {
      if (socket?.readyState !== WebSocket.OPEN) return reject(new Error('not connected'));
      const fail = (): void => {
        settle();
        socket.terminate();
        reject(new Error(`no answer to ${request.messageType}`));
      };
      const answer = (frame: Frame): void => {
        settle();
        resolve(frame);
      };
      const settle = (): void => {
        clearTimeout(timer);
        socket.off('close', fail).off(`frame:${request.messageType}`, answer);
      };
      const timer = setTimeout(fail, REPLY_MS);
      socket.once('close', fail).once(`frame:${request.messageType}`, answer);
      socket.send(JSON.stringify(request));
    });
  }
}

/** Of each notification always the same one: a few say that they cannot decrypt it, a few that it did not arrive. */
export function codeOf(number: number): number {
  if (number % 50 === 7) return 101;
  return number % 50 === 11 ? 102 : 100;
}
