/**
 * What the log says, whatever the views say: each notification that was ever appended with what was said about it,
 * and what became of subscriptions and devices. Compaction takes nothing away here.
 */
import {
  NOTIFICATIONS,
  SUBSCRIPTIONS,
  UndecodableRecord,
  decodeNotification,
  decodeOutcomeRecord,
  decodeSubscriptionRecord,
  type LogRecord,
} from '#streams';
import type {
  DeviceId,
  KeyFingerprint,
  MessageId,
  Outcome,
  SubscriptionFact,
  SubscriptionId,
} from '#webpush';
import type { World } from './world.js';

/** A notification in the log. */
export class Put {
  isAccepted = false;
  /** Where the log says how it ended, in order. */
  readonly announced: { readonly outcome: Outcome; readonly offset: number }[] = [];
  /** The offsets of its cancels. */
  readonly cancelledAt: number[] = [];
  /** Of the later notifications of its topic. */
  readonly supersededAt: number[] = [];
  /** What the device said of it. */
  readonly acks = new Set<Outcome>();
  /** In which life of the view its outcome was decided last, and as what. */
  decidedIn = -1;
  decidedAs: Outcome | undefined;
  timesReceived = 0;

  constructor(
    readonly number: number,
    readonly partition: number,
    readonly offset: number,
    readonly at: number,
    readonly about: {
      readonly id: MessageId;
      readonly device: DeviceId;
      readonly subscription: SubscriptionId;
      readonly ttlSeconds: number;
      readonly topic?: string;
    },
  ) {}

  get topicKey(): string | undefined {
    const { device, subscription, topic } = this.about;
    return topic === undefined ? undefined : `${device} ${subscription} ${topic}`;
  }
}

export interface SubscriptionRecord {
  readonly offset: number;
  readonly isPresent: boolean;
  readonly fingerprint?: KeyFingerprint;
  /** Whoever wrote it has got the answer of its write-through: from then on everybody knows. */
  isThrough: boolean;
}

export class DeviceTruth {
  readonly subscriptions = new Map<SubscriptionId, SubscriptionRecord[]>();
  /** Of the last record that removed it; -1: none did. */
  forgottenAt = -1;
  isForgottenThrough = false;
  readonly seen: { readonly offset: number; readonly at: number; isThrough: boolean }[] = [];

  /** The last word about a subscription. */
  last(subscription: SubscriptionId): SubscriptionRecord | undefined {
    const last = this.subscriptions.get(subscription)?.at(-1);
    if (!last || last.offset > this.forgottenAt) return last;
    return { offset: this.forgottenAt, isPresent: false, isThrough: this.isForgottenThrough };
  }

  wasRemovedAfter(subscription: SubscriptionId, offset: number): boolean {
    const records = this.subscriptions.get(subscription) ?? [];
    const isGone = records.some((record) => !record.isPresent && record.offset > offset);
    return isGone || this.forgottenAt > offset;
  }

  /** It has a subscription or was seen, and everybody knows. */
  get isKnown(): boolean {
    for (const subscription of this.subscriptions.keys()) {
      const last = this.last(subscription);
      if (last?.isPresent && last.isThrough) return true;
    }
    // Once forgotten, a last-seen record counts when the keeper has come to it.
    return this.forgottenAt < 0 && this.seen.some(({ isThrough }) => isThrough);
  }
}

export class LogTruth {
  readonly puts: Put[] = [];
  readonly byId = new Map<string, Put>();
  readonly byNumber = new Map<number, Put>();
  readonly devices = new Map<DeviceId, DeviceTruth>();
  private readonly byOffset = new Map<string, Put>();
  private readonly ofTopic = new Map<string, readonly Put[]>();

  constructor(
    private readonly world: World,
    private readonly livesOf: (partition: number) => number,
  ) {}

  at(partition: number, offset: number): Put | undefined {
    return this.byOffset.get(`${partition} ${offset}`);
  }

  device(device: DeviceId): DeviceTruth {
    let truth = this.devices.get(device);
    if (!truth) this.devices.set(device, (truth = new DeviceTruth()));
    return truth;
  }

  appended(stream: string, partition: number, record: LogRecord): void {
    try {
      if (stream === SUBSCRIPTIONS) this.changed(record);
      else if (stream !== NOTIFICATIONS) return;
      else if (record.value === null) this.told(partition, record);
      else this.put(partition, record);
    } catch (error) {
      if (!(error instanceof UndecodableRecord)) throw error;
    }
  }

  private put(partition: number, { offset, at, value }: LogRecord): void {
    const about = decodeNotification(value ?? Buffer.alloc(0));
    const number = Number(about.payload.toString());
    if (this.byNumber.has(number)) {
      this.world.violate('R1', `n${number} is in the log twice`);
    }
    const put = new Put(number, partition, offset, at, about);
    this.puts.push(put);
    this.byId.set(about.id, put);
    this.byNumber.set(number, put);
    this.byOffset.set(`${partition} ${offset}`, put);
    const { topicKey } = put;
    this.world.trace?.name(about.id, `n${number}`);
    this.world.say('log', () => `notifications/${partition} ${offset}: n${number}`);
    if (topicKey === undefined) return;
    const before = this.ofTopic.get(topicKey) ?? [];
    for (const older of before) older.supersededAt.push(offset);
    this.ofTopic.set(topicKey, [...before, put]);
  }

  private told(partition: number, record: LogRecord): void {
    const said = decodeOutcomeRecord(record);
    if (!said) return;
    const { offset } = record;
    const put = this.byId.get(said.kind === 'cancel' ? said.id : said.announcement.id);
    const what = said.kind === 'cancel' ? 'cancel' : said.announcement.outcome;
    this.world.say('log', () => `notifications/${partition} ${offset}: n${put?.number} ${what}`);
    if (!put) return this.world.violate('P1', `${what} of what is not in the log`);
    if (said.kind === 'cancel') return void put.cancelledAt.push(offset);
    const { outcome } = said.announcement;
    const [first] = put.announced;
    if (first && first.outcome !== outcome && this.livesOf(partition) === 0) {
      const both = `first ${first.outcome}, then ${outcome}`;
      this.world.violate('P2', `n${put.number} is announced as ${both}, and no view was lost`);
    }
    put.announced.push({ outcome, offset });
  }

  private changed(record: LogRecord): void {
    const fact = decodeSubscriptionRecord(record);
    const { offset } = record;
    const truth = this.device(fact.device);
    this.world.say('log', () => `subscriptions ${offset}: ${this.textOf(fact)}`);
    if (fact.kind === 'seen') truth.seen.push({ offset, at: fact.at, isThrough: false });
    else if (fact.kind === 'forgotten') {
      truth.forgottenAt = offset;
      truth.isForgottenThrough = false;
    } else {
      const records = truth.subscriptions.get(fact.subscription) ?? [];
      truth.subscriptions.set(fact.subscription, records);
      const isPresent = fact.kind === 'present';
      const fingerprint = fact.kind === 'present' ? fact.fingerprint : undefined;
      records.push({ offset, isPresent, fingerprint, isThrough: false });
    }
  }

  textOf(fact: SubscriptionFact): string {
    const name = (long: string): string => this.world.trace?.nameOf(long) ?? long;
    const which = 'subscription' in fact ? ` ${name(fact.subscription)}` : '';
    return `${name(fact.device)}${which} ${fact.kind}`;
  }
}
