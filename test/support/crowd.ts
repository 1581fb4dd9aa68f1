/**
 * Devices that live their lives while parts of a cluster are ended under them, and senders that write to them: every
 * device acknowledges what it gets and comes back when its connection goes; a third of them come and go at
 * random. What was accepted is numbered per device, so that loss, disorder and doubles can be told afterwards.
 *
 * ```ts
 * const crowd = await Crowd.gather(cluster, { devices: 60, seed: 1 });
 * const load = crowd.send({ perSecond: 100 });
 * await cluster.gateways[1].kill();
 * await load.stop();
 * await crowd.satisfied();                 // every accepted one has arrived
 * expect(crowd.complaints()).toEqual([]);  // in order, none twice on a connection, no device lost its name
 * ```
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import type { Cluster } from './cluster.js';
import type { Frame } from './device.js';

export interface CrowdOptions {
  readonly devices: number;
  readonly seed?: number;
  /** Whether a third of them come and go at random. */
  readonly isRestless?: boolean;
}

export interface Load {
  /** No POST is under way when it resolves. */
  stop(): Promise<void>;
}

const REPLY_MS = 10_000;
const POST_MS = 15_000;

export class Crowd {
  /** Answers of the senders, by status; 0: no answer. */
  readonly answers = new Map<number, number>();
  private readonly dice: () => number;
  private readonly restless = new Set<NodeJS.Timeout>();

  private constructor(
    private readonly cluster: Cluster,
    readonly members: readonly CrowdMember[],
    dice: () => number,
  ) {
    this.dice = dice;
  }

  /** All connected and registered, each at a gateway of its own choice. */
  static async gather(cluster: Cluster, options: CrowdOptions): Promise<Crowd> {
    const dice = diceOf(options.seed ?? 1);
    const urls = cluster.gateways.map((_, i) => cluster.gatewayUrl(i));
    const members = Array.from(
      { length: options.devices },
      (_, number) => new CrowdMember(number, urls, dice),
    );
    for (let i = 0; i < members.length; i += 50) {
      await Promise.all(members.slice(i, i + 50).map((member) => member.join()));
    }
    const crowd = new Crowd(cluster, members, dice);
    if (options.isRestless) crowd.stir();
    return crowd;
  }

  get accepted(): number {
    return this.members.reduce((sum, { accepted }) => sum + accepted.size, 0);
  }

  /** From now on, to random devices by random ingests; those to one device one after the other. */
  send({ perSecond, bytes = 20 }: { perSecond: number; bytes?: number }): Load {
    const underWay = new Set<Promise<void>>();
    const began = performance.now();
    let sent = 0;
    const timer = setInterval(() => {
      const due = Math.floor(((performance.now() - began) / 1_000) * perSecond);
      for (; sent < due; sent++) {
        const member = this.members[Math.floor(this.dice() * this.members.length)];
        const ingest = Math.floor(this.dice() * this.cluster.ingests.length);
        if (member === undefined || member.isBeingSentTo || underWay.size > 500) continue;
        const post = this.post(member, ingest, bytes);
        underWay.add(post);
        void post.then(() => underWay.delete(post));
      }
    }, 10);
    return {
      stop: async () => {
        clearInterval(timer);
        await Promise.all(underWay);
      },
    };
  }

  /** Resolves when every accepted notification has arrived; rejects with those that have not. */
  async satisfied(withinMs = 60_000): Promise<void> {
    const until = performance.now() + withinMs;
    while (this.members.some((member) => member.missing().length > 0)) {
      if (performance.now() > until) {
        const missing = this.members.flatMap((one) =>
          one.missing().map((number) => `${one.number}:${number}`),
        );
        throw new Error(
          `${missing.length} of ${this.accepted} are missing: ${missing.slice(0, 20)}`,
        );
      }
      await pause(50);
    }
  }

  complaints(): readonly string[] {
    return this.members.flatMap((member) => [...member.complaints, ...member.misdeliveries()]);
  }

  /** Nobody comes back any more. */
  async leave(): Promise<void> {
    for (const timer of this.restless) clearInterval(timer);
    await Promise.all(this.members.map((member) => member.leave()));
  }

  private stir(): void {
    for (const member of this.members) {
      if (member.number % 3 !== 0) continue;
      const every = 1_000 + this.dice() * 3_000;
      this.restless.add(setInterval(() => member.hangUp(), every));
    }
  }

  private async post(member: CrowdMember, ingest: number, bytes: number): Promise<void> {
    member.isBeingSentTo = true;
    const number = ++member.lastNumber;
    let status = 0;
    try {
      const answer = await fetch(this.cluster.at(ingest, member.endpoint), {
        method: 'POST',
        headers: { ttl: '3600', 'content-encoding': 'aes128gcm' },
        body: String(number).padEnd(bytes, ' '),
        signal: AbortSignal.timeout(POST_MS),
      });
      status = answer.status;
      await answer.arrayBuffer();
    } catch {
      // The ingest was ended; whether it is accepted nobody knows.
    }
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
    if (status === 201) member.accepted.add(number);
    else if (status !== 503 && status !== 0) member.complaints.push(`POST answered ${status}`);
    member.isBeingSentTo = false;
  }
}

export class CrowdMember {
  readonly complaints: string[] = [];
  /** Numbers of those that were answered 201. */
  readonly accepted = new Set<number>();
  readonly received = new Set<number>();
  /** What came on each connection, in order. */
  private readonly connections: number[][] = [];
  endpoint = '';
  lastNumber = 0;
  isBeingSentTo = false;
  private uaid = '';
  private socket: WebSocket | undefined;
  private isLeaving = false;
  private coming: Promise<void> | undefined;

  constructor(
    readonly number: number,
    private readonly urls: readonly string[],
    private readonly dice: () => number,
  ) {}

  async join(): Promise<void> {
    await this.connect();
    const channelID = randomUUID();
    const answer = this.next('register');
    this.send({ messageType: 'register', channelID });
    const { status, pushEndpoint } = await answer;
    if (status !== 200) throw new Error(`register was answered ${status}`);
    this.endpoint = String(pushEndpoint);
  }

  missing(): number[] {
    return [...this.accepted].filter((number) => !this.received.has(number));
  }

  /**
   * What came twice on one connection, and what was accepted and came behind a later one. (What was answered 503 may
   * still get into the log, behind what was accepted since.)
   */
  misdeliveries(): string[] {
    return this.connections.flatMap((numbers) => {
      const twice = numbers.filter((number, i) => numbers.indexOf(number) < i);
      const inOrder = numbers.filter((number) => this.accepted.has(number));
      const behind = inOrder.filter((number, i) => number < (inOrder[i - 1] ?? 0));
      return [
        ...twice.map((number) => `device ${this.number} got ${number} twice on one connection`),
        ...behind.map((number) => `device ${this.number} got ${number} behind a later one`),
      ];
    });
  }

  /** Ends the connection; it comes back by itself. */
  hangUp(): void {
    this.socket?.terminate();
  }

  async leave(): Promise<void> {
    this.isLeaving = true;
    this.socket?.terminate();
    await this.coming;
  }

  private async connect(): Promise<void> {
    const url = this.urls[Math.floor(this.dice() * this.urls.length)] ?? '';
    const socket = new WebSocket(url, 'push-notification', {
      perMessageDeflate: false,
      handshakeTimeout: REPLY_MS,
    });
    socket.on('error', () => undefined);
    socket.once('close', () => this.onClose(socket));
    this.socket = socket;
    const numbers: number[] = [];
    this.connections.push(numbers);
    socket.on('message', (text) => {
      const frame = JSON.parse(String(text)) as Frame;
      if (frame.messageType === 'notification') this.onNotification(socket, frame, numbers);
      else socket.emit(`frame:${frame.messageType}`, frame);
    });
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('close', () => reject(new Error('closed')));
    });
    const hello = this.next('hello');
    this.send({ messageType: 'hello', use_webpush: true, ...(this.uaid && { uaid: this.uaid }) });
    const { uaid } = await hello;
    if (this.uaid !== '' && uaid !== this.uaid) {
      this.complaints.push(`device ${this.number} has lost its name`);
    }
    this.uaid = String(uaid);
  }

  private onNotification(socket: WebSocket, frame: Frame, numbers: number[]): void {
    const number = Number(
      Buffer.from(frame.data ?? '', 'base64url')
        .toString()
        .trim(),
    );
    this.received.add(number);
    numbers.push(number);
    const { channelID, version } = frame;
    const ack = { messageType: 'ack', updates: [{ channelID, version, code: 100 }] };
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(ack));
  }

  private onClose(socket: WebSocket): void {
    if (this.socket !== socket || this.isLeaving || this.uaid === '') return;
    this.coming ??= this.comeBack().finally(() => (this.coming = undefined));
  }

  private async comeBack(): Promise<void> {
    for (;;) {
      await pause(100 + this.dice() * 300);
      if (this.isLeaving) return;
      try {
        await this.connect();
        if (this.socket?.readyState === WebSocket.OPEN) return;
      } catch {
        this.socket?.terminate();
      }
    }
  }

  private send(frame: object): void {
    this.socket?.send(JSON.stringify(frame));
  }

  private next(messageType: string): Promise<Frame> {
    const { socket } = this;
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error(`no ${messageType}`));
      const timer = setTimeout(fail, REPLY_MS);
      socket?.once('close', fail);
      socket?.once(`frame:${messageType}`, (frame: Frame) => {
        clearTimeout(timer);
        resolve(frame);
      });
    });
  }
}

/** mulberry32 */
export function diceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
