/** The devices of the load process: they connect, greet, register, acknowledge what comes, and count it. */
import { randomUUID } from 'node:crypto';
import { RawDevice, ackOf } from './raw-device.js';

export class LoadDevices {
  readonly all: RawDevice[] = [];
  /** Frames of notifications; with {@link expect}, each number once. */
  delivered = 0;
  /** Milliseconds from the POST to the frame, of what was expected. */
  frameMs: number[] = [];
  /** They take what comes and acknowledge nothing. */
  isMute = false;
  private sentAt = new Float64Array(0);
  private hasSeen = new Uint8Array(0);

  /** From now on bodies bear the numbers 0 … count − 1. */
  expect(count: number): void {
    this.delivered = 0;
    this.frameMs = [];
    this.sentAt = new Float64Array(count);
    this.hasSeen = new Uint8Array(count);
  }

  /** From now on bodies bear no numbers. */
  expectAny(): void {
    this.expect(0);
  }

  noteSent(number: number, at: number): void {
    if (number < this.sentAt.length) this.sentAt[number] = at;
  }

  /** Seconds. The devices are dealt out to the gateways in turn. */
  async connect(ports: readonly number[], count: number): Promise<number> {
    const since = performance.now();
    await eachOf(count, 256, async (i) => {
      const device = await RawDevice.open(ports[i % ports.length]!);
      this.take(device);
      this.all.push(device);
      await device.hello();
    });
    return (performance.now() - since) / 1000;
  }

  async register(key?: string): Promise<number> {
    const since = performance.now();
    await eachOf(this.all.length, 64, (i) => this.all[i]!.register(randomUUID(), key));
    return (performance.now() - since) / 1000;
  }

  async cut(): Promise<void> {
    const closed = this.all.map(
      (device) => new Promise<void>((resolve) => (device.onClose = resolve)),
    );
    for (const device of this.all) device.cut();
    await Promise.all(closed);
  }

  /** The first `count` (default: all) come back at once. Resolves when all are greeted. */
  async reconnect(ports: readonly number[], count = this.all.length): Promise<void> {
    await eachOf(count, 1000, (i) => this.comeBack(i, ports[i % ports.length]!));
  }

  async comeBack(i: number, port: number): Promise<void> {
    const { uaid, endpoint, channelID } = this.all[i]!;
    const device = await RawDevice.open(port);
    this.take(device);
    device.endpoint = endpoint;
    device.channelID = channelID;
    await device.hello(uaid);
    if (device.uaid !== uaid) throw new Error('a known device was given another id');
    this.all[i] = device;
  }

  private take(device: RawDevice): void {
    device.onFrame = (frame) => {
      const ack = ackOf(frame);
      if (ack === undefined) return;
      if (this.sentAt.length === 0) this.delivered++;
      else this.note(frame);
      if (!this.isMute) device.send(ack);
    };
  }

  /** The first six bytes of a body are its number, the first eight characters of `data`. */
  private note(frame: Buffer): void {
    const at = frame.indexOf('"data":"') + 8;
    const number = Buffer.from(frame.toString('latin1', at, at + 8), 'base64url').readUIntBE(0, 6);
    if (number >= this.hasSeen.length || this.hasSeen[number] === 1) return;
    this.hasSeen[number] = 1;
    this.delivered++;
    this.frameMs.push(performance.now() - (this.sentAt[number] ?? 0));
  }
}

export async function eachOf(
  count: number,
  atOnce: number,
  act: (i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lanes = Array.from({ length: Math.min(atOnce, count) }, async () => {
    while (next < count) await act(next++);
  });
  await Promise.all(lanes);
}

/** Looks every millisecond, for at most two minutes. */
export async function until(isTrue: () => boolean, what: () => string): Promise<void> {
  const deadline = performance.now() + 120_000;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`waited 120 s for ${what()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
