/**
 * A device as the tests see it: a WebSocket that speaks the push protocol, keeps every frame in order and lets
 * a test wait for the next one of a kind. Nothing is answered or acknowledged by itself.
 */
import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';

export interface Frame {
  readonly messageType?: string;
  readonly uaid?: string;
  readonly status?: number;
  readonly channelID?: string;
  readonly pushEndpoint?: string;
  readonly version?: string;
  readonly data?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly [member: string]: unknown;
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

const PATIENCE_MS = 8000;

export class Device {
  /** Every frame that came, in order; a pong is `{}`. */
  readonly frames: Frame[] = [];
  readonly closed: Promise<Closed>;
  uaid = '';
  private taken = 0;
  private readonly waiting = new Set<() => void>();
  private closedWith?: Closed;

  private constructor(readonly socket: WebSocket) {
    socket.on('message', (text) => {
      this.frames.push(JSON.parse(String(text)) as Frame);
      this.wake();
    });
    this.closed = new Promise((resolve) =>
      socket.on('close', (code, reason) => {
        this.closedWith = { code, reason: String(reason) };
        resolve(this.closedWith);
        this.wake();
      }),
    );
    socket.on('error', () => undefined);
  }

  static async open(url: string, ca?: string): Promise<Device> {
    const socket = new WebSocket(url, 'push-notification', { perMessageDeflate: false, ca });
    const device = new Device(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    return device;
  }

  /** Connected and greeted; a `uaid` of before, or none. */
  static async greeted(url: string, uaid?: string, ca?: string): Promise<Device> {
    const device = await Device.open(url, ca);
    device.send({ messageType: 'hello', use_webpush: true, ...(uaid ? { uaid } : {}) });
    const hello = await device.next('hello');
    device.uaid = hello.uaid ?? '';
    return device;
  }

  send(frame: object): void {
    this.socket.send(JSON.stringify(frame));
  }

  async register(key?: string, channelID: string = randomUUID()): Promise<Registered> {
    this.send({ messageType: 'register', channelID, ...(key ? { key } : {}) });
    const answer = await this.next('register');
    return { channelID, status: answer.status ?? 0, endpoint: answer.pushEndpoint ?? '' };
  }

  async unregister(channelID: string): Promise<number> {
    this.send({ messageType: 'unregister', channelID, code: 200 });
    return (await this.next('unregister')).status ?? 0;
  }

  ack(frame: Frame, code = 100): void {
    const { channelID, version } = frame;
    this.send({ messageType: 'ack', updates: [{ channelID, version, code }] });
  }

  /** The next frame that was not taken yet and is of that type; those before it stay in `frames`. */
  async next(messageType: string, patienceMs = PATIENCE_MS): Promise<Frame> {
    const until = Date.now() + patienceMs;
    for (;;) {
      while (this.taken < this.frames.length) {
        const frame = this.frames[this.taken++]!;
        if (frame.messageType === messageType) return frame;
      }
      if (this.closedWith)
        throw new Error(`closed ${JSON.stringify(this.closedWith)} before ${messageType}`);
      const left = until - Date.now();
      if (left <= 0) throw new Error(`no ${messageType} within ${patienceMs} ms`);
      await this.change(left);
    }
  }

  async notifications(count: number): Promise<Frame[]> {
    const all: Frame[] = [];
    while (all.length < count) all.push(await this.next('notification'));
    return all;
  }

  /** What has come up to a later answer of the server: proves that nothing else was sent before it. */
  async notificationsUntilAnswer(): Promise<Frame[]> {
    const from = this.taken;
    await this.unregister(randomUUID());
    return this.frames.slice(from, this.taken).filter((one) => one.messageType === 'notification');
  }

  async leave(): Promise<void> {
    this.socket.close(1000);
    await this.closed;
  }

  private change(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.waiting.add(done);
    });
  }

  private wake(): void {
    for (const done of [...this.waiting]) done();
  }
}

export interface Registered {
  readonly channelID: string;
  readonly status: number;
  readonly endpoint: string;
}

/** The payload bytes of a notification frame. */
export function payloadOf(frame: Frame): string {
  return Buffer.from(frame.data ?? '', 'base64url').toString();
}
