/**
 * One device of the load: stays connected, acknowledges what it gets, and comes back like Firefox when its connection
 * goes: after so many seconds without jitter, doubled while it fails. A gateway that refuses the connection is passed
 * over at once, as a load balancer does.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { RawDevice, ackOf } from '../bench/raw-device.js';
import { monotonicMs, type Address } from './messages.js';

const HELLO_WITHIN_MS = 20_000;
const AWAY_MS_MAX = 20_000;
const REGISTER_TRIES = 20;

/** What the devices of a process have in common. */
export interface Home {
  readonly sourceAddress: string | undefined;
  readonly backAfterMs: number;
  gateways: readonly Address[];
  /** Told of each frame of a notification. */
  onNotification(device: FleetDevice, frame: Buffer): void;
  onClosed(code: number): void;
  /** `openedMs`: when the attempt began that succeeded. */
  onReturned(openedMs: number): void;
  onFailedAttempt(why: string): void;
  onRenamed(device: FleetDevice): void;
}

export class FleetDevice {
  endpoint = '';
  /** Of the connection: unique in this process. */
  serial = 0;
  /** The highest number that came on this connection. */
  highest = -1;
  isConnected = false;
  private static lastSerial = 0;
  private uaid = '';
  private raw: RawDevice | undefined;
  private isLeaving = false;

  constructor(
    readonly number: number,
    private readonly home: Home,
  ) {}

  /** For the first time. A store that is slow at the start is asked again. */
  async join(): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        if (!this.isConnected) await this.connect();
        await this.raw!.register(randomUUID());
        this.endpoint = this.raw!.endpoint;
        return;
      } catch (error) {
        if (tries === REGISTER_TRIES) throw error;
        await pause(500);
      }
    }
  }

  leave(): void {
    this.isLeaving = true;
    this.raw?.cut();
  }

  private async connect(): Promise<void> {
    const raw = await this.open();
    let isGreeted = false;
    let isLate = false;
    const late = setTimeout(() => {
      isLate = true;
      raw.cut();
    }, HELLO_WITHIN_MS);
    raw.onClose = () => {
      clearTimeout(late);
      if (isGreeted) this.onClose(raw);
    };
    this.serial = ++FleetDevice.lastSerial;
    this.highest = -1;
    raw.onFrame = (frame) => this.onFrame(raw, frame);
    await raw
      .hello(this.uaid || undefined)
      .catch((error: unknown) => {
        if (isLate) throw new Error('no hello in time', { cause: error });
        const code = raw.closeCode || 'without a code';
        throw new Error(`closed ${code} before hello`, { cause: error });
      })
      .finally(() => clearTimeout(late));
    isGreeted = true;
    if (this.uaid !== '' && raw.uaid !== this.uaid) this.home.onRenamed(this);
    this.uaid = raw.uaid;
    this.raw = raw;
    this.isConnected = true;
    if (this.isLeaving) raw.cut();
  }

  /** At whichever gateway takes the connection. */
  private async open(): Promise<RawDevice> {
    const { gateways, sourceAddress } = this.home;
    const first = Math.floor(Math.random() * gateways.length);
    for (let i = 0; ; i++) {
      const { host, port } = gateways[(first + i) % gateways.length]!;
      try {
        return await RawDevice.open(port, host, sourceAddress);
      } catch (error) {
        if (i + 1 >= gateways.length) throw error;
      }
    }
  }

  private onFrame(raw: RawDevice, frame: Buffer): void {
    const ack = ackOf(frame);
    if (ack === undefined) return;
    this.home.onNotification(this, frame);
    raw.send(ack);
  }

  private onClose(raw: RawDevice): void {
    if (raw !== this.raw) return;
    this.isConnected = false;
    this.raw = undefined;
    this.home.onClosed(raw.closeCode);
    if (!this.isLeaving) void this.comeBack();
  }

  private async comeBack(): Promise<void> {
    for (let awayMs = this.home.backAfterMs; ; awayMs = Math.min(awayMs * 2, AWAY_MS_MAX)) {
      await pause(awayMs);
      if (this.isLeaving) return;
      const openedMs = monotonicMs();
      try {
        await this.connect();
        return this.home.onReturned(openedMs);
      } catch (error) {
        this.home.onFailedAttempt(reasonOf(error));
      }
    }
  }
}

/** Few enough to be counted by. */
function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return code ?? message?.slice(0, 60) ?? 'unknown';
}
