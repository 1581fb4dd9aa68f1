/**
 * One keep-alive connection of a sender, one POST at a time; a new one after an answer that says that it was the
 * last. An ingest that refuses the connection is passed over, as a load balancer does; a request that may have been
 * read is never sent again.
 */
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import { statusOf } from '../bench/raw-sender.js';
import type { Address } from './messages.js';

export interface Answer {
  /** 0: none came. */
  readonly status: number;
  readonly saysWhen: boolean;
}

const NONE: Answer = { status: 0, saysWhen: false };
const CONNECT_WITHIN_MS = 3_000;
/** As Node's `fetch`: an ingest ends what is idle for about 10 s, and a request that meets that has no answer. */
const IDLE_MS_MAX = 4_000;

export class Lane {
  private socket: Socket | undefined;
  private rest = '';
  private answered: ((answer: Answer) => void) | undefined;
  private askedMs = 0;
  private answeredMs = 0;

  constructor(
    private ingests: readonly Address[],
    private next: number,
  ) {}

  /** From the next connection on. */
  moveTo(ingests: readonly Address[]): void {
    this.ingests = ingests;
  }

  async post(request: Buffer): Promise<Answer> {
    if (performance.now() - this.answeredMs > IDLE_MS_MAX) this.leave();
    const socket = this.socket ?? (await this.open());
    if (socket === undefined) return NONE;
    return new Promise((resolve) => {
      this.answered = resolve;
      this.askedMs = performance.now();
      socket.write(request);
    });
  }

  /** Gives up what has had no answer for so long. */
  giveUpAfter(ms: number): void {
    if (this.answered && performance.now() - this.askedMs > ms) this.socket?.destroy();
  }

  end(): void {
    this.socket?.destroy();
  }

  private async open(): Promise<Socket | undefined> {
    for (let tries = 0; tries < this.ingests.length; tries++) {
      const { host, port } = this.ingests[this.next++ % this.ingests.length]!;
      const socket = connect({ host, port, noDelay: true });
      socket.setTimeout(CONNECT_WITHIN_MS, () => socket.destroy());
      const isOpen = await once(socket, 'connect').then(
        () => true,
        () => false,
      );
      if (!isOpen) {
        socket.destroy();
        continue;
      }
      socket.setTimeout(0);
      this.serve(socket);
      return socket;
    }
    return undefined;
  }

  private serve(socket: Socket): void {
    this.socket = socket;
    this.rest = '';
    socket.setEncoding('latin1');
    socket.on('data', (text) => this.read(String(text)));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.socket !== socket) return;
      this.socket = undefined;
      this.answer(NONE);
    });
  }

  private read(text: string): void {
    this.rest += text;
    const status = statusOf(this.rest);
    if (status === undefined) return;
    const saysWhen = /\r\nretry-after: \d+\r\n/i.test(this.rest);
    if (/\r\nconnection: close\r\n/i.test(this.rest)) this.leave();
    this.rest = '';
    this.answeredMs = performance.now();
    this.answer({ status, saysWhen });
  }

  /** The next POST goes over another. */
  private leave(): void {
    this.socket?.end();
    this.socket = undefined;
  }

  private answer(answer: Answer): void {
    const { answered } = this;
    this.answered = undefined;
    answered?.(answer);
  }
}
