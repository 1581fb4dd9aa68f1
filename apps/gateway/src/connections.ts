/**
 * The connections of a gateway: by device (who gets a delivery) and in buckets (who is visited when). A newer
 * connection of a device takes the older one's place; a connection is removed only as itself.
 */
import type { DeviceId } from '#webpush';
import type { Session } from './session.js';

/** Rounds visit one bucket after the other, so what they do is spread; a power of two, see `number`. */
export const BUCKETS = 256;

const BOOT_BITS = 28;
const COUNTER_SIZE = 2 ** 25;

export class Connections {
  private readonly byDevice = new Map<DeviceId, Session>();
  private readonly buckets: Session[][] = Array.from({ length: BUCKETS }, () => []);
  private boot: number;
  private counter = 0;
  private open = 0;

  /** `dice`: 0 … 1. */
  constructor(private readonly dice: () => number = Math.random) {
    this.boot = this.throwBoot();
  }

  /**
   * The next connection's number: 28 random bits per boot, then a 25-bit counter (it fits a double). Never
   * reused: a claim, a release or a displacement can only mean this one connection.
   */
  number(): number {
    if (this.counter === COUNTER_SIZE) {
      this.counter = 0;
      this.boot = this.throwBoot();
    }
    return this.boot * COUNTER_SIZE + this.counter++;
  }

  get size(): number {
    return this.open;
  }

  /** Devices that were greeted. */
  get devices(): number {
    return this.byDevice.size;
  }

  add(session: Session): void {
    const bucket = this.bucketOf(session.connection);
    session.slot = bucket.length;
    bucket.push(session);
    this.open++;
  }

  /** Harmless when it is not there. */
  remove(session: Session): void {
    if (session.slot < 0) return;
    const bucket = this.bucketOf(session.connection);
    const last = bucket.pop() as Session;
    if (last !== session) {
      bucket[session.slot] = last;
      last.slot = session.slot;
    }
    session.slot = -1;
    this.open--;
    if (session.device !== undefined && this.byDevice.get(session.device) === session) {
      this.byDevice.delete(session.device);
    }
  }

  /** The session holds the device from now on. Returns the one that did, unless it is the same. */
  hold(device: DeviceId, session: Session): Session | undefined {
    const ghost = this.byDevice.get(device);
    this.byDevice.set(device, session);
    return ghost === session ? undefined : ghost;
  }

  of(device: DeviceId): Session | undefined {
    return this.byDevice.get(device);
  }

  /** Any connection that is open, greeted or not; a short search, for displacement. */
  find(connection: number): Session | undefined {
    return this.bucketOf(connection).find((session) => session.connection === connection);
  }

  /** The visitor may remove the session that it visits, and any other. */
  visit(bucket: number, visitor: (session: Session) => void): void {
    const sessions = this.buckets[bucket] ?? [];
    for (let at = sessions.length - 1; at >= 0; at--) {
      const session = sessions[at];
      if (session !== undefined) visitor(session);
    }
  }

  visitAll(visitor: (session: Session) => void): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.visit(bucket, visitor);
  }

  private bucketOf(connection: number): Session[] {
    return this.buckets[connection % BUCKETS] as Session[];
  }

  private throwBoot(): number {
    return Math.floor(this.dice() * 2 ** BOOT_BITS);
  }
}
