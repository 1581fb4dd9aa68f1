import type { HttpResponse } from 'uWebSockets.js';
import type { Receiver } from '#webpush';
import type { RequestHead } from './request-head.uws.js';

/** A POST (or DELETE) between its head and its answer. */
export class Exchange {
  /** Answered or aborted: from now on any call on `res` throws. */
  isOver = false;
  /** The body is through, or cut off: what still comes of it is dropped. */
  isRead = false;
  /** When its answer became due work of ours, ms (monotonic). */
  begunAt = 0;
  private gathered: Buffer | undefined;
  private filled = 0;

  constructor(
    readonly res: HttpResponse,
    readonly head: RequestHead,
    readonly receiver: Receiver,
    /** What the body may take; counted as in flight until the answer. */
    readonly bytesMax: number,
  ) {}

  /** Copies, since uWebSockets.js reclaims the chunk. False: the body is longer than it may be. */
  add(chunk: ArrayBuffer): boolean {
    if (this.filled + chunk.byteLength > this.bytesMax) return false;
    this.gathered ??= Buffer.allocUnsafe(this.bytesMax);
    this.gathered.set(new Uint8Array(chunk), this.filled);
    this.filled += chunk.byteLength;
    return true;
  }

  /** The whole body with its last chunk; nothing is copied where it came in one piece. undefined: too long. */
  last(chunk: ArrayBuffer): Buffer | undefined {
    if (this.filled > 0) {
      return this.add(chunk) ? this.gathered?.subarray(0, this.filled) : undefined;
    }
    return chunk.byteLength > this.bytesMax ? undefined : Buffer.from(chunk);
  }
}
