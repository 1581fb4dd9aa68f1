/** POSTs of the load process: as fast as answers come over so many connections, or at a rate. */
import { randomBytes } from 'node:crypto';
import { token, vapidKeys } from '../support/sender.js';
import { until, type LoadDevices } from './load-devices.js';
import { RawSender, requestOf } from './raw-sender.js';

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
  /** Until the last answer; with deliveries they go on until `seconds`. */
  readonly answeredSeconds: number;
  readonly accepted: number;
  readonly delivered: number;
  readonly answerMs: Latencies;
  readonly frameMs: Latencies;
}

type SendOne = (sender: RawSender, number: number) => Promise<void>;

export const keys = vapidKeys();

export async function sendPosts(
  devices: LoadDevices,
  ports: readonly number[],
  plan: SendPlan,
): Promise<SendResult> {
  const requests = prepare(devices, plan);
  const senders = await Promise.all(
    Array.from({ length: plan.connections }, (_, i) => RawSender.open(ports[i % ports.length]!)),
  );
  devices.expect(plan.isDelivered ? plan.count : 0);
  const answerMs: number[] = [];
  let accepted = 0;
  const since = performance.now();
  const sendOne: SendOne = async (sender, i) => {
    const start = performance.now();
    devices.noteSent(i, start);
    if ((await sender.post(requests(i))) === 201) accepted++;
    answerMs.push(performance.now() - start);
  };
  await (plan.rate ? sendPaced(plan, senders, sendOne) : sendAll(plan, senders, sendOne));
  const answeredSeconds = (performance.now() - since) / 1000;
  if (plan.isDelivered) {
    const what = (): string => `${accepted} deliveries, got ${devices.delivered}`;
    await until(() => devices.delivered >= accepted, what);
  }
  const seconds = (performance.now() - since) / 1000;
  for (const sender of senders) sender.end();
  const { delivered, frameMs } = devices;
  return {
    ...{ seconds, answeredSeconds, accepted, delivered },
    answerMs: latencies(answerMs),
    frameMs: latencies(frameMs),
  };
}

/** Requests by number; without a token each, a body is written into one shared Buffer per lane of time. */
function prepare({ all }: LoadDevices, plan: SendPlan): (i: number) => Buffer {
  const body = randomBytes(plan.bytes);
  const endpointOf = (i: number): string => all[i % all.length]!.endpoint;
  const oneToken = plan.vapid === 'one' ? authorization(endpointOf(0), 0) : undefined;
  const prepared =
    plan.vapid === 'each'
      ? Array.from({ length: plan.count }, (_, i) =>
          requestOf(endpointOf(i), body, { authorization: authorization(endpointOf(i), i) }),
        )
      : all.map((_, i) =>
          requestOf(endpointOf(i), body, oneToken ? { authorization: oneToken } : {}),
        );
  return (i) => {
    const request = Buffer.from(prepared[i % prepared.length]!);
    request.writeUIntBE(i, request.length - plan.bytes, 6);
    return request;
  };
}

function authorization(endpoint: string, i: number): string {
  const exp = Math.floor(Date.now() / 1000) + 3600;
  return `vapid t=${token(keys, endpoint, { exp, sub: `mailto:${i}@stocks.example` })}, k=${keys.publicKey}`;
}

async function sendAll(
  { count }: SendPlan,
  senders: readonly RawSender[],
  sendOne: SendOne,
): Promise<void> {
  let next = 0;
  const lanes = senders.map(async (sender) => {
    while (next < count) await sendOne(sender, next++);
  });
  await Promise.all(lanes);
}

async function sendPaced(
  { rate = 1, count }: SendPlan,
  senders: readonly RawSender[],
  sendOne: SendOne,
): Promise<void> {
  const idle = [...senders];
  const start = performance.now();
  const pending: Promise<void>[] = [];
  for (let i = 0; i < count;) {
    const due = Math.min(count, Math.floor(((performance.now() - start) / 1000) * rate) + 1);
    while (i < due && idle.length > 0) {
      const sender = idle.pop()!;
      pending.push(sendOne(sender, i++).finally(() => void idle.push(sender)));
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(pending);
}

function latencies(values: number[]): Latencies {
  values.sort((a, b) => a - b);
  const at = (share: number): number =>
    values[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), p999: at(0.999) };
}
