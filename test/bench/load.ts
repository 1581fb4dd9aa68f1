/**
 * The load process: told by its parent what to do, one command at a time, over IPC. All traffic goes to
 * loopback; every command is bounded in count and time.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { token, vapidKeys } from '../support/sender.js';
import { RawDevice, ackOf } from './raw-device.js';
import { RawSender, requestOf } from './raw-sender.js';

export interface Addresses {
  readonly gatewayPort: number;
  readonly ingestPort: number;
}
export interface SendPlan {
  readonly count: number;
  readonly connections: number;
  readonly bytes: number;
  /** none; one token per endpoint; a new token for each POST. */
  readonly vapid?: 'one' | 'each';
  /** Per second; absent: as fast as answers come. */
  readonly rate?: number;
  /** Wait until each is delivered and acknowledged too. */
  readonly isDelivered: boolean;
}
export interface Latencies {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}
export interface SendResult {
  readonly seconds: number;
  readonly accepted: number;
  readonly delivered: number;
  readonly answerMs: Latencies;
  readonly frameMs: Latencies;
}

const devices: RawDevice[] = [];
const keys = vapidKeys();
let delivered = 0;
let sentAt: Float64Array = new Float64Array(0);
let frameMs: number[] = [];

function take(device: RawDevice): void {
  device.onFrame = (frame) => {
    const ack = ackOf(frame);
    if (ack === undefined) return;
    delivered++;
    if (sentAt.length > 0) noteLatency(frame);
    device.send(ack);
  };
}

/** The first six bytes of a body are its number, the first eight characters of `data`. */
function noteLatency(frame: Buffer): void {
  const at = frame.indexOf('"data":"') + 8;
  const number = Buffer.from(frame.toString('latin1', at, at + 8), 'base64url').readUIntBE(0, 6);
  frameMs.push(performance.now() - (sentAt[number] ?? 0));
}

async function eachOf(
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

const commands = {
  /** Connects and greets `count` new devices; seconds. */
  async connect(at: Addresses, { count }: { count: number }): Promise<number> {
    const since = performance.now();
    await eachOf(count, 256, async () => {
      const device = await RawDevice.open(at.gatewayPort);
      take(device);
      devices.push(device);
      await device.hello();
    });
    return (performance.now() - since) / 1000;
  },

  async register(_: Addresses, { isKeyed }: { isKeyed: boolean }): Promise<number> {
    const since = performance.now();
    await eachOf(devices.length, 256, (i) =>
      devices[i]!.register(randomUUID(), isKeyed ? keys.publicKey : undefined),
    );
    return (performance.now() - since) / 1000;
  },

  async cut(): Promise<void> {
    const closed = devices.map(
      (device) => new Promise<void>((resolve) => (device.onClose = resolve)),
    );
    for (const device of devices) device.cut();
    await Promise.all(closed);
  },

  /** All devices come back at once; until each is greeted and `expected` notifications are acknowledged. */
  async reconnect(at: Addresses, { expected }: { expected: number }): Promise<number> {
    delivered = 0;
    const since = performance.now();
    await eachOf(devices.length, 1000, async (i) => {
      const { uaid, endpoint } = devices[i]!;
      const device = await RawDevice.open(at.gatewayPort);
      take(device);
      device.endpoint = endpoint;
      await device.hello(uaid);
      if (device.uaid !== uaid) throw new Error('a known device was given another id');
      devices[i] = device;
    });
    await until(() => delivered >= expected, `${expected} notifications after the reconnect`);
    return (performance.now() - since) / 1000;
  },

  async send(at: Addresses, plan: SendPlan): Promise<SendResult> {
    const requests = prepare(plan);
    const senders = await Promise.all(
      Array.from({ length: plan.connections }, () => RawSender.open(at.ingestPort)),
    );
    delivered = 0;
    frameMs = [];
    sentAt = plan.isDelivered ? new Float64Array(plan.count) : new Float64Array(0);
    const answerMs: number[] = [];
    let accepted = 0;
    const since = performance.now();
    const sendOne = async (sender: RawSender, i: number): Promise<void> => {
      const start = performance.now();
      if (sentAt.length > 0) sentAt[i] = start;
      if ((await sender.post(requests(i))) === 201) accepted++;
      answerMs.push(performance.now() - start);
    };
    if (plan.rate) await sendPaced(plan, senders, sendOne);
    else {
      let next = 0;
      const lanes = senders.map(async (sender) => {
        while (next < plan.count) await sendOne(sender, next++);
      });
      await Promise.all(lanes);
    }
    if (plan.isDelivered) await until(() => delivered >= accepted, `${accepted} deliveries`);
    const seconds = (performance.now() - since) / 1000;
    for (const sender of senders) sender.end();
    return {
      seconds,
      accepted,
      delivered,
      answerMs: latencies(answerMs),
      frameMs: latencies(frameMs),
    };
  },
};

/** Requests by number; without a token each, a body is written into one shared Buffer per lane of time. */
function prepare(plan: SendPlan): (i: number) => Buffer {
  const body = randomBytes(plan.bytes);
  const oneToken = plan.vapid === 'one' ? authorization(0) : undefined;
  const each = plan.vapid === 'each';
  const prepared = each
    ? Array.from({ length: plan.count }, (_, i) =>
        requestOf(endpointOf(i), body, { authorization: authorization(i) }),
      )
    : devices.map((_, i) =>
        requestOf(endpointOf(i), body, oneToken ? { authorization: oneToken } : {}),
      );
  return (i) => {
    const request = Buffer.from(prepared[i % prepared.length]!);
    request.writeUIntBE(i, request.length - plan.bytes, 6);
    return request;
  };
}

function endpointOf(i: number): string {
  return devices[i % devices.length]!.endpoint;
}

function authorization(i: number): string {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return `vapid t=${token(keys, endpointOf(i), { exp, sub: `mailto:${i}@stocks.example` })}, k=${keys.publicKey}`;
}

async function sendPaced(
  plan: SendPlan,
  senders: readonly RawSender[],
  sendOne: (sender: RawSender, i: number) => Promise<void>,
): Promise<void> {
  const idle = [...senders];
  const rate = plan.rate ?? 1;
  const start = performance.now();
  const pending: Promise<void>[] = [];
  for (let i = 0; i < plan.count;) {
    const due = Math.min(plan.count, Math.floor(((performance.now() - start) / 1000) * rate) + 1);
    while (i < due && idle.length > 0) {
      const sender = idle.pop()!;
      pending.push(sendOne(sender, i++).finally(() => void idle.push(sender)));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(pending);
}

async function until(isTrue: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 120_000;
  while (!isTrue()) {
    if (performance.now() > deadline) throw new Error(`waited 120 s for ${what}, got ${delivered}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

function latencies(values: number[]): Latencies {
  values.sort((a, b) => a - b);
  const at = (share: number): number =>
    values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}

export type CommandName = keyof typeof commands;
interface Order {
  readonly name: CommandName;
  readonly at: Addresses;
  readonly plan: never;
}

process.on('message', (order: Order) => {
  commands[order.name](order.at, order.plan).then(
    (result) => process.send?.({ result }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
