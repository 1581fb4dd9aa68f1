/**
 * One partition's view in memory: what in Redis lies in one slot. Here are its state and the steps that every
 * script is made of; the scripts are in `batch`, `walk`, `keeping` and the adapters. A script runs to its end
 * without an await, so it is atomic as it would be in Redis.
 */
import { OUTCOMES } from '#webpush';
import type { Announcement, DeviceId, Outcome, SubscriptionId } from '#webpush';
import { Device, Mail, Pending, isIdle, subscriptionOf } from './device.embedded.js';
import { ExpiryHeap } from './expiry-heap.embedded.js';
import type { Put } from './device.embedded.js';
import type { Holders } from './holders.embedded.js';
import type { Belief, Mark, ViewBelief } from './partition-view.js';
import type { SubscriptionsMark } from './subscriptions-view.js';
import type { TermsTable } from './terms.embedded.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** A walk along `expiry` that is under way (see `walk`). */
export interface Walk {
  /** What it walks for: the marks as they must stay. */
  readonly reason: string;
  readonly entries: readonly Pending[];
}

/** A `gone` that a write-through has left for the keeper. */
export interface Removal {
  readonly device: DeviceId;
  readonly subscription: SubscriptionId;
  readonly offset: number;
}

/** What the partitions of a store share. */
export interface Surroundings {
  readonly holders: Holders;
  readonly terms: TermsTable;
  readonly mailboxMax: number;
  readonly mailboxBytesMax: number;
  readonly holderTtlMs: number;
  now(): number;
}

const INSTANT_MS = 30_000;
const NOTHING = Buffer.alloc(0);

export class Partition {
  readonly devices = new Map<DeviceId, Device>();
  readonly expiry = new ExpiryHeap<Pending>();
  /** By offset of the notification. */
  readonly outbox = new Map<number, Announcement>();
  mark: Writable<Mark> | undefined;
  subscriptionsMark: Writable<SubscriptionsMark> | undefined;
  accepted = 0;
  readonly outcomes = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, 0])) as Record<
    Outcome,
    number
  >;
  /** While folding: the highest offset read for each (device, subscription, topic), settled or not. */
  foldedTopics: Map<string, number> | undefined;
  walk: Walk | undefined;
  /** What write-throughs have removed and the keeper has not passed yet (rule 9). */
  removals: Removal[] = [];
  /** Devices that write-throughs have forgotten: what is older than the offset is ignored. */
  readonly forgotten = new Map<DeviceId, number>();
  /** No device was last seen before it, ms. */
  seenFloor = Infinity;
  /** When holders that had lapsed were last cleared away. */
  clearedAt = -Infinity;

  constructor(readonly around: Surroundings) {}

  get areBothReady(): boolean {
    return this.mark?.state === 'ready' && this.subscriptionsMark?.state === 'ready';
  }

  /** The mark, if it is of that view and in that state. */
  markOf(belief: ViewBelief): Writable<Mark> | undefined {
    const mark = this.mark;
    return mark?.viewId === belief.viewId && mark.state === belief.state ? mark : undefined;
  }

  /** The mark, if it is also as far as believed. */
  markAt(belief: Belief): Writable<Mark> | undefined {
    const mark = this.markOf(belief);
    return mark?.applied === belief.applied ? mark : undefined;
  }

  /** The mark, if it is of that view, which is ready. */
  readyMarkOf(belief: ViewBelief): Writable<Mark> | undefined {
    return belief.state === 'ready' ? this.markOf(belief) : undefined;
  }

  deviceOf(id: DeviceId): Device {
    let device = this.devices.get(id);
    if (!device) this.devices.set(id, (device = new Device()));
    return device;
  }

  dropIfIdle(id: DeviceId, device: Device): void {
    if (isIdle(device)) this.devices.delete(id);
  }

  find(device: DeviceId, offset: number): Pending | undefined {
    return this.devices.get(device)?.mail?.find(offset);
  }

  isSubscribed(device: Device | undefined, subscription: SubscriptionId): boolean {
    return subscriptionOf(device, subscription)?.terms !== undefined;
  }

  /** Accepts a notification into `expiry` and, unless its TTL is 0, the mailbox. */
  add(put: Put): Pending {
    const device = this.deviceOf(put.device);
    const mail = (device.mail ??= new Mail(put.device, device));
    // The id of the entry of the subscription, where there is one: the put's own string can go.
    const subscription = subscriptionOf(device, put.subscription)?.id ?? put.subscription;
    const entry = new Pending(put, subscription, mail);
    mail.add(entry);
    this.expiry.add(entry, put.at + (entry.isInstant ? INSTANT_MS : put.ttlSeconds * 1000));
    return entry;
  }

  /** Rule 4: one step takes the entry away, counts its outcome and writes the announcement. */
  decide(entry: Pending, outcome: Outcome): Announcement {
    this.execute(entry, outcome);
    return this.announce(entry.offset, entry.mail.device, entry.id, outcome);
  }

  /** As {@link decide}, for an outcome that is in the log already. */
  execute(entry: Pending, outcome: Outcome): void {
    const { mail } = entry;
    this.expiry.remove(entry);
    mail.remove(entry);
    // A walk may still know the entry: it must not keep the payload.
    entry.record = NOTHING;
    this.outcomes[outcome]++;
    if (!mail.isEmpty) return;
    mail.owner.mail = undefined;
    this.dropIfIdle(mail.device, mail.owner);
  }

  /** Writes into the outbox what has been decided and counted. */
  announce(
    offset: number,
    device: DeviceId,
    id: Announcement['id'],
    outcome: Outcome,
  ): Announcement {
    const announcement = { offset, device, id, outcome, at: this.around.now() };
    this.outbox.set(offset, announcement);
    return announcement;
  }

  /** What the end of its time makes of a notification. */
  decideByTime(entry: Pending): Announcement {
    return this.decide(entry, entry.isInstant ? 'dropped' : 'expired');
  }

  /** Rule 10: drops the oldest until the mailbox is within its bounds. */
  bound(mail: Mail, announcements: Announcement[]): void {
    const { mailboxMax, mailboxBytesMax } = this.around;
    while (mail.box.length > mailboxMax || mail.bytes > mailboxBytesMax) {
      announcements.push(this.decide(mail.box[0] as Pending, 'dropped'));
    }
  }
}

export function topicKey(device: DeviceId, subscription: SubscriptionId, topic: string): string {
  return `${device}${subscription}${topic}`;
}
