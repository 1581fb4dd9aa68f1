/**
 * What the store in memory knows of one device. There is one `Device` per device that is connected,
 * subscribed, seen or has mail, and most of them are idle: so it is one flat object, everything else is
 * allocated when it is first needed, and what many devices have in common (the boot of a gateway, the key of a
 * site) is shared. Numbers are kept below 2^31, where V8 stores them in the object itself.
 */
import type { DeviceId, KeyFingerprint, MessageId, SubscriptionId } from '#webpush';
import type { HeapEntry } from './expiry-heap.embedded.js';
import type { Command } from './partition-view.js';

export type Put = Extract<Command, { kind: 'put' }>;

/** One boot of a gateway: what all its claims have in common. */
export class Boot {
  /** Claims that name it; it is forgotten with the last. */
  uses = 0;

  constructor(
    readonly gateway: string,
    readonly epoch: number,
    /** The upper bits of its connection ids. */
    readonly series: number,
  ) {}
}

/** Key and site of a subscription: the same for all devices that subscribed at one site. */
export class Terms {
  uses = 0;

  constructor(
    readonly fingerprint: KeyFingerprint | undefined,
    readonly site: string | undefined,
  ) {}
}

/** A subscription, or (without terms) the `gone` that a removal leaves for the keeper (rule 9). */
export class SubscriptionEntry {
  next: SubscriptionEntry | undefined = undefined;

  constructor(
    readonly id: SubscriptionId,
    public terms: Terms | undefined,
    /** In `subscriptions`, of the record that wrote it. */
    public offset: number,
  ) {}
}

export class Device {
  /** undefined: nobody holds it. */
  boot: Boot | undefined = undefined;
  /** The lower bits of the holder's connection id. */
  connection = 0;
  /** ms since the store was made, as are all times of claims: small for the first 24 days. */
  since = 0;
  renewedAt = 0;
  /** A list: most devices have one, few more than ten. */
  subscriptions: SubscriptionEntry | undefined = undefined;
  mail: Mail | undefined = undefined;
  /** ms since the epoch. */
  seenAt: number | undefined = undefined;
}

export function isIdle(device: Device): boolean {
  return !device.boot && !device.subscriptions && !device.mail && device.seenAt === undefined;
}

export function subscriptionOf(
  device: Device | undefined,
  id: SubscriptionId,
): SubscriptionEntry | undefined {
  let entry = device?.subscriptions;
  while (entry && entry.id !== id) entry = entry.next;
  return entry;
}

/** A notification without an outcome. */
export class Pending implements HeapEntry {
  slot = -1;

  readonly offset: number;
  readonly id: MessageId;
  readonly topic: string | undefined;
  /** TTL 0: in no mailbox, only in `expiry` (rule 10). */
  readonly isInstant: boolean;
  /** Let go when it is settled. */
  record: Buffer;

  constructor(
    put: Put,
    readonly subscription: SubscriptionId,
    readonly mail: Mail,
  ) {
    this.offset = put.offset;
    this.id = put.id;
    this.topic = put.topic;
    this.isInstant = put.ttlSeconds === 0;
    this.record = put.record;
  }
}

/** In log order, by offset. */
type Entries = Pending[];

/** The mailbox of a device, and its TTL 0 notifications beside it. Dropped when both are empty. */
export class Mail {
  box: Entries = [];
  /** Of the records in the box. */
  bytes = 0;
  instants: Entries | undefined = undefined;

  constructor(
    readonly device: DeviceId,
    readonly owner: Device,
  ) {}

  get isEmpty(): boolean {
    return this.box.length === 0 && this.instants === undefined;
  }

  add(entry: Pending): void {
    if (entry.isInstant) {
      if (this.instants) this.instants.push(entry);
      else this.instants = [entry];
      return;
    }
    // A literal has room for one; the first push onto an empty array makes room for seventeen.
    if (this.box.length === 0) this.box = [entry];
    else this.box.push(entry);
    this.bytes += entry.record.length;
  }

  remove(entry: Pending): void {
    if (!entry.isInstant) {
      takeOut(this.box, entry.offset);
      this.bytes -= entry.record.length;
    } else if (this.instants) {
      takeOut(this.instants, entry.offset);
      if (this.instants.length === 0) this.instants = undefined;
    }
  }

  find(offset: number): Pending | undefined {
    return at(this.box, offset) ?? (this.instants && at(this.instants, offset));
  }

  /** Where in the box the first entry above `offset` stands. */
  indexAbove(offset: number): number {
    return indexFrom(this.box, offset + 1);
  }
}

function at(entries: Entries, offset: number): Pending | undefined {
  const entry = entries[indexFrom(entries, offset)];
  return entry?.offset === offset ? entry : undefined;
}

function takeOut(entries: Entries, offset: number): void {
  const index = indexFrom(entries, offset);
  if (index === 0) entries.shift();
  else entries.splice(index, 1);
}

/** The index of the first entry at or above `offset`. */
function indexFrom(entries: Entries, offset: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((entries[middle] as Pending).offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
