/** Requests of one device that wait for their reply, in the order they came; the first is under way. */
import type { Ping, Register, Unregister } from '#wire';

export type Request = Register | Unregister | Ping;

export interface Waiting {
  readonly request: Request;
  /** When it came, ms. */
  readonly atMs: number;
  readonly bytes: number;
}

/** Requests of one device that wait for their reply; one more closes. */
export const WAITING_MAX = 2_000;
/** Their bytes. */
export const WAITING_BYTES_MAX = 1_048_576;

export class RequestQueue {
  private readonly waiting: Waiting[] = [];
  private bytes = 0;

  /** False: it is full, and this one is not taken. */
  push(one: Waiting): boolean {
    if (this.waiting.length >= WAITING_MAX || this.bytes + one.bytes > WAITING_BYTES_MAX) {
      return false;
    }
    this.waiting.push(one);
    this.bytes += one.bytes;
    return true;
  }

  get first(): Waiting | undefined {
    return this.waiting[0];
  }

  /** The first has its reply. */
  shift(): void {
    this.bytes -= this.waiting.shift()?.bytes ?? 0;
  }
}
