/**
 * A WebSocket that comes back. It knows nothing of what is said but this: the client greets, and the
 * first frame after that is the answer. One timer at a time runs: for an answer, the next ping, or the
 * next attempt.
 */
import { CLOSE_CODES } from '#wire';
import type { Clock } from './clock.js';

/** closed: by us. waiting: for the next attempt. displaced: another connection of this device took over. */
export type LinkState = 'closed' | 'connecting' | 'open' | 'waiting' | 'displaced';

export interface LinkOptions {
  readonly url: string;
  /** A connection that has been silent for so long is asked whether it lives. */
  readonly pingIntervalMs: number;
  /** How long an answer to greeting or ping may take. */
  readonly answerTimeoutMs: number;
  readonly retryBaseMs: number;
  readonly retryMaxMs: number;
  readonly clock: Clock;
}

export interface LinkUser {
  /** The first frame of a connection. */
  greeting(): string;
  onFrame(text: string): void;
  /** `retryInMs` when waiting; `code` of the close that led there. */
  onLinkState(state: LinkState, why: { readonly retryInMs?: number; readonly code?: number }): void;
}

/** A connection that ended sooner counts as a failure: the service may refuse us after hello. */
const STABLE_MS = 10_000;
/** "Come back later" (1013) waits as after so many failures. */
const LATER_FAILURES = 3;
const LATER: number = CLOSE_CODES.overloaded.code;
const LOST = 1006;

export class Link {
  state: LinkState = 'closed';
  private socket: WebSocket | undefined;
  private cancelTimer = (): void => undefined;
  private openedAt = 0;
  private failures = 0;

  constructor(
    private readonly options: LinkOptions,
    private readonly user: LinkUser,
  ) {}

  /** Connects now, unless it is connected or on its way. Throws for a URL that is none. */
  start(): void {
    if (this.socket) return;
    const socket = new WebSocket(this.options.url, 'push-notification');
    this.socket = socket;
    socket.onopen = () => socket.send(this.user.greeting());
    socket.onmessage = ({ data }) => this.onMessage(socket, String(data));
    socket.onclose = ({ code }) => this.onLost(socket, code);
    // Node 22 tells of a refused connection by an error alone, without the close that should follow.
    socket.onerror = () => this.onLost(socket, LOST);
    this.expectAnswer(socket);
    this.become('connecting');
  }

  stop(): void {
    const socket = this.socket;
    this.socket = undefined;
    this.cancelTimer();
    socket?.close(1000);
    this.become('closed');
  }

  /** The greeting was answered. */
  opened(): void {
    this.openedAt = this.options.clock.now();
    this.become('open');
  }

  /** False: not open, the user says it again when it is. */
  send(text: string): boolean {
    if (this.state !== 'open' || !this.socket) return false;
    this.socket.send(text);
    return true;
  }

  private onMessage(socket: WebSocket, text: string): void {
    if (socket !== this.socket) return;
    this.schedule(this.options.pingIntervalMs, () => {
      socket.send('{}');
      this.expectAnswer(socket);
    });
    this.user.onFrame(text);
  }

  /** A peer that vanished answers nothing, not even a close frame: it is not waited for. */
  private expectAnswer(socket: WebSocket): void {
    this.schedule(this.options.answerTimeoutMs, () => {
      this.onLost(socket, LOST);
      socket.close();
    });
  }

  private onLost(socket: WebSocket, code: number): void {
    if (socket !== this.socket) return;
    this.socket = undefined;
    this.cancelTimer();
    if (code === CLOSE_CODES.displaced.code) return this.become('displaced', { code });
    const { retryBaseMs, retryMaxMs, clock } = this.options;
    const isStable = this.state === 'open' && clock.now() - this.openedAt >= STABLE_MS;
    this.failures = isStable ? 0 : this.failures + 1;
    if (code === LATER) this.failures = Math.max(this.failures, LATER_FAILURES);
    // Full jitter: what one restart closed together does not come back together.
    const retryInMs = clock.random() * Math.min(retryMaxMs, retryBaseMs * 2 ** this.failures);
    this.schedule(retryInMs, () => this.start());
    this.become('waiting', { retryInMs, code });
  }

  private schedule(delayMs: number, action: () => void): void {
    this.cancelTimer();
    this.cancelTimer = this.options.clock.after(delayMs, action);
  }

  private become(state: LinkState, why: { retryInMs?: number; code?: number } = {}): void {
    this.state = state;
    this.user.onLinkState(state, why);
  }
}
