/**
 * The senders of one process. They send at a steady rate, to random devices, and to each device one after the other:
 * so what was accepted earlier stands earlier in the log, and disorder can be told.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Histogram } from './histogram.js';
import { Lane, type Answer } from './lane.js';
import {
  monotonicMs,
  type Address,
  type SenderSecond,
  type SendOrder,
  type Sent,
} from './messages.js';
import { NumberSet } from './number-set.js';
import { writeStamp } from './stamp.js';

const TICK_MS = 2;
const GIVE_UP_MS = 15_000;
const LOOK_MS = 250;
const TTL_SECONDS = 86_400;
/** How often another device is drawn when one is being sent to. */
const DRAWS = 8;

export class Senders {
  private receivers: Receiver[] = [];
  private lanes: Lane[] = [];
  private readonly idle: Lane[] = [];
  private order: SendOrder | undefined;
  private zeroMs = 0;
  private isStopping = false;
  private underWay = 0;
  private lastNumber = 0;
  private current = emptySecond(0);
  private readonly accepted = new NumberSet();
  private readonly unsure = new NumberSet();
  private filling = Buffer.alloc(0);

  constructor(private readonly tell: (second: SenderSecond) => void) {}

  prepare(order: SendOrder): void {
    this.order = order;
    this.filling = randomBytes(order.bytes);
    this.receivers = order.endpoints.map(([device, endpoint]) => ({
      ...{ device, isBusy: false },
      head: headOf(endpoint, order.bytes),
    }));
    this.lanes = Array.from({ length: order.connections }, (_, i) => new Lane(order.ingests, i));
    this.idle.push(...this.lanes);
  }

  begin(zeroMs: number): void {
    this.zeroMs = zeroMs;
    const looks = setInterval(() => {
      this.turn();
      for (const lane of this.lanes) lane.giveUpAfter(GIVE_UP_MS);
    }, LOOK_MS);
    looks.unref();
    void this.send();
  }

  moveTo(ingests: readonly Address[]): void {
    for (const lane of this.lanes) lane.moveTo(ingests);
  }

  async stop(): Promise<Sent> {
    this.isStopping = true;
    while (this.underWay > 0) await pause(10);
    for (const lane of this.lanes) lane.end();
    return { accepted: this.accepted.toString(), unsure: this.unsure.toString() };
  }

  private async send(): Promise<void> {
    const perSecond = this.order?.perSecond ?? 0;
    let begun = 0;
    for (;;) {
      await pause(TICK_MS);
      if (this.isStopping) return;
      const due = Math.floor(((monotonicMs() - this.zeroMs) / 1_000) * perSecond);
      while (begun < due && this.idle.length > 0) {
        begun++;
        const receiver = this.draw();
        if (receiver) void this.post(this.idle.pop()!, receiver);
        else this.turn().skipped++;
      }
      // What waits for longer than a second is not sent in a burst afterwards.
      const late = Math.floor(due - begun - perSecond);
      if (late > 0) {
        begun += late;
        this.turn().skipped += late;
      }
    }
  }

  private draw(): Receiver | undefined {
    for (let i = 0; i < DRAWS; i++) {
      const receiver = this.receivers[Math.floor(Math.random() * this.receivers.length)];
      if (receiver && !receiver.isBusy) return receiver;
    }
    return undefined;
  }

  private async post(lane: Lane, receiver: Receiver): Promise<void> {
    const { process, processes } = this.order!;
    const number = ++this.lastNumber * processes + process;
    receiver.isBusy = true;
    this.underWay++;
    const sentMs = monotonicMs();
    const request = Buffer.concat([receiver.head, this.filling]);
    writeStamp(request, receiver.head.length, { number, device: receiver.device, sentMs });
    this.turn().sent++;
    const answer = await lane.post(request);
    this.note(number, answer, monotonicMs() - sentMs);
    receiver.isBusy = false;
    this.underWay--;
    this.idle.push(lane);
  }

  private note(number: number, { status, saysWhen }: Answer, ms: number): void {
    const second = this.turn();
    second.answers[status] = (second.answers[status] ?? 0) + 1;
    if (status === 201) {
      this.accepted.add(number);
      second.latencies.note(ms);
    } else if (status === 503 || status === 0) this.unsure.add(number);
    if (status === 503 && !saysWhen) second.curt++;
  }

  private turn(): CountedSecond {
    const now = Math.max(0, Math.floor((monotonicMs() - this.zeroMs) / 1_000));
    if (now === this.current.second) return this.current;
    const { latencies, ...counts } = this.current;
    this.tell({ ...counts, answerMs: latencies.sparse() });
    return (this.current = emptySecond(now));
  }
}

interface Receiver {
  readonly device: number;
  readonly head: Buffer;
  isBusy: boolean;
}

type CountedSecond = {
  -readonly [Name in keyof Omit<SenderSecond, 'answers' | 'answerMs'>]: SenderSecond[Name];
} & { readonly answers: Record<string, number>; readonly latencies: Histogram };

function emptySecond(second: number): CountedSecond {
  const counts = { sent: 0, curt: 0, skipped: 0, answers: {} };
  return { kind: 'senders', second, ...counts, latencies: new Histogram() };
}

function headOf(endpoint: string, bytes: number): Buffer {
  const { host, pathname } = new URL(endpoint);
  return Buffer.from(
    `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nttl: ${TTL_SECONDS}\r\n` +
      `content-encoding: aes128gcm\r\nContent-Length: ${bytes}\r\n\r\n`,
    'latin1',
  );
}
