import { encodeClientMessage, type Register, type ServerMessage, type Unregister } from '#wire';
import type { Clock } from './clock.js';

/** `pushEndpoint` in that to a register with status 200. */
export type Reply = Extract<ServerMessage, { readonly messageType: 'register' | 'unregister' }> & {
  readonly pushEndpoint?: string;
};
type Request = Register | Unregister;

interface Pending {
  readonly request: Request;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/**
 * What was asked and is not yet answered. A request whose connection is lost is said again on the next
 * one: the service answers the same channel the same way.
 */
export class Requests {
  private readonly pending = new Map<string, Pending>();

  constructor(
    private readonly options: { readonly timeoutMs: number; readonly clock: Clock },
    private readonly send: (text: string) => void,
  ) {}

  /** Rejects when no answer has come in time, connected or not. */
  ask(request: Request): Promise<Reply> {
    const { clock, timeoutMs } = this.options;
    const name = nameOf(request);
    const answered = new Promise<Reply>((resolve, reject) => {
      this.pending.set(name, { request, resolve, reject });
    });
    const cancel = clock.after(timeoutMs, () =>
      this.fail(
        name,
        `the push service gave no answer to ${request.messageType} in ${timeoutMs} ms`,
      ),
    );
    this.send(encodeClientMessage(request));
    return answered.finally(cancel);
  }

  sayAgain(): void {
    for (const { request } of this.pending.values()) this.send(encodeClientMessage(request));
  }

  isWaitingFor(asked: Request | Reply): boolean {
    return this.pending.has(nameOf(asked));
  }

  onReply(reply: Reply): void {
    const name = nameOf(reply);
    this.pending.get(name)?.resolve(reply);
    this.pending.delete(name);
  }

  failAll(why: string): void {
    for (const name of this.pending.keys()) this.fail(name, why);
  }

  private fail(name: string, why: string): void {
    this.pending.get(name)?.reject(new Error(why));
    this.pending.delete(name);
  }
}

function nameOf({ messageType, channelID }: Request | Reply): string {
  return `${messageType} ${channelID}`;
}
