/** The devices of one process, and what they saw. */
import { FleetDevice, type Home } from './fleet-device.js';
import { Histogram } from './histogram.js';
import {
  monotonicMs,
  type Address,
  type ConnectOrder,
  type DeviceSecond,
  type Received,
} from './messages.js';
import { NumberSet } from './number-set.js';
import { readStamp } from './stamp.js';

const CONNECTS_AT_ONCE = 128;
const LOOK_MS = 250;
/** Complaints that are kept word by word. */
const KEPT_MAX = 1_000;

export class Fleet implements Home {
  gateways: readonly Address[] = [];
  sourceAddress: string | undefined;
  backAfterMs = 0;
  private devices: readonly FleetDevice[] = [];
  private zeroMs = Number.POSITIVE_INFINITY;
  private current = emptySecond(0);
  private readonly numbers = new NumberSet();
  /** By number: the serial of the connection that it came on last. */
  private lastOn = new Uint32Array(65_536);
  private readonly behind: number[] = [];
  private readonly twice: number[] = [];
  private readonly renamed: number[] = [];
  private misdirected = 0;
  private readonly returns: Record<string, number> = {};

  constructor(private readonly tell: (second: DeviceSecond) => void) {}

  async connect(order: ConnectOrder): Promise<readonly (readonly [number, string])[]> {
    this.gateways = order.gateways;
    this.sourceAddress = order.sourceAddress;
    this.backAfterMs = order.backAfterMs;
    this.devices = Array.from(
      { length: order.count },
      (_, i) => new FleetDevice(order.from + i, this),
    );
    let next = 0;
    const lanes = Array.from({ length: CONNECTS_AT_ONCE }, async () => {
      for (let one = this.devices[next++]; one; one = this.devices[next++]) await one.join();
    });
    await Promise.all(lanes);
    return this.devices.map(({ number, endpoint }) => [number, endpoint] as const);
  }

  begin(zeroMs: number): void {
    this.zeroMs = zeroMs;
    setInterval(() => this.turn(), LOOK_MS).unref();
  }

  received(): Received {
    const { behind, twice, renamed, misdirected, returns } = this;
    const numbers = this.numbers.toString();
    return { numbers, connected: this.connected, behind, twice, renamed, misdirected, returns };
  }

  leave(): void {
    for (const device of this.devices) device.leave();
  }

  onNotification(device: FleetDevice, frame: Buffer): void {
    const stamp = readStamp(frame);
    if (stamp === undefined) return;
    const { number, sentMs } = stamp;
    if (stamp.device !== device.number) this.misdirected++;
    if (number < device.highest) keep(this.behind, number);
    else device.highest = number;
    const before = this.seenOn(number, device.serial);
    if (before === device.serial) keep(this.twice, number);
    const second = this.turn();
    if (before !== 0) return void second.again++;
    this.numbers.add(number);
    second.received++;
    second.latencies.note(monotonicMs() - sentMs);
  }

  onClosed(code: number): void {
    const { closes } = this.turn();
    closes[code] = (closes[code] ?? 0) + 1;
  }

  onReturned(openedMs: number): void {
    const second = Math.floor((openedMs - this.zeroMs) / 1_000);
    this.returns[second] = (this.returns[second] ?? 0) + 1;
  }

  onFailedAttempt(why: string): void {
    const { failures } = this.turn();
    failures[why] = (failures[why] ?? 0) + 1;
  }

  onRenamed(device: FleetDevice): void {
    keep(this.renamed, device.number);
  }

  private get connected(): number {
    return this.devices.reduce((sum, { isConnected }) => sum + Number(isConnected), 0);
  }

  /** The connection that it came on last (0: none), which is now this one. */
  private seenOn(number: number, serial: number): number {
    if (number >= this.lastOn.length) {
      const grown = new Uint32Array(Math.max(number + 1, this.lastOn.length * 2));
      grown.set(this.lastOn);
      this.lastOn = grown;
    }
    const before = this.lastOn[number] ?? 0;
    this.lastOn[number] = serial;
    return before;
  }

  /** The second that it is now; tells the one before when it has ended. */
  private turn(): CountedSecond {
    const now = Math.max(0, Math.floor((monotonicMs() - this.zeroMs) / 1_000));
    const { current } = this;
    if (!Number.isFinite(this.zeroMs) || now === current.second) return current;
    const { latencies, ...counts } = current;
    this.tell({ ...counts, connected: this.connected, frameMs: latencies.sparse() });
    return (this.current = emptySecond(now));
  }
}

/** A second while it lasts. */
type CountedSecond = {
  -readonly [
    Name in keyof Omit<DeviceSecond, 'closes' | 'failures' | 'frameMs'>
  ]: DeviceSecond[Name];
} & {
  readonly closes: Record<string, number>;
  readonly failures: Record<string, number>;
  readonly latencies: Histogram;
};

function emptySecond(second: number): CountedSecond {
  const counts = { received: 0, again: 0, connected: 0, closes: {}, failures: {} };
  return { kind: 'devices', second, ...counts, latencies: new Histogram() };
}

function keep(list: number[], number: number): void {
  if (list.length < KEPT_MAX) list.push(number);
}
