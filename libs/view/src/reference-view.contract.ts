/**
 * One partition's view in the plainest words: lists that are searched from end to end, every rule of design §5 as
 * it is written there. The random contract holds an adapter against it. It has no clock: whether
 * something is due is known when it is put.
 */
import { OUTCOMES } from '#webpush';
import type { DeviceId, Outcome, Subscription, SubscriptionId } from '#webpush';
import type { Batch, Belief, Command, ViewBelief } from './partition-view.js';
import type { Holder } from './presence.js';
import type { SubscriptionChange, SubscriptionsBelief } from './subscriptions-view.js';

type Put = Extract<Command, { kind: 'put' }>;
type Decided = Record<number, Outcome>;
type State = 'rebuilding' | 'ready';

export interface Bounds {
  readonly mailboxMax: number;
  readonly mailboxBytesMax: number;
}

interface SubscriptionRow {
  readonly device: DeviceId;
  readonly subscription: SubscriptionId;
  readonly offset: number;
  /** undefined: the `gone` of a write-through. */
  readonly terms: Subscription | undefined;
}

export class ReferenceView {
  mark?: {
    viewId: string;
    state: State;
    applied: number;
    routed: number;
    isTold: boolean;
    isSwept: boolean;
  };
  subscriptionsMark?: { viewId: string; state: State; applied: number; isSwept: boolean };
  accepted = 0;
  entries: Put[] = [];
  readonly counts = Object.fromEntries(OUTCOMES.map((o) => [o, 0])) as Record<Outcome, number>;
  readonly outbox = new Map<number, Outcome>();
  readonly topics = new Map<string, number>();
  rows: SubscriptionRow[] = [];
  readonly seen = new Map<DeviceId, number>();
  readonly forgotten = new Map<DeviceId, number>();
  readonly holders = new Map<DeviceId, { holder: Holder; since: number }>();

  constructor(
    private readonly bounds: Bounds,
    private readonly isDue: (put: Put) => boolean,
  ) {}

  isView(belief: ViewBelief): boolean {
    return this.mark?.viewId === belief.viewId && this.mark.state === belief.state;
  }

  apply(belief: Belief, { commands, from, next, routed }: Batch & { readonly from: number }) {
    if (!this.mark || !this.isView(belief) || this.mark.applied !== belief.applied)
      return undefined;
    const decided: Decided = {};
    commands.forEach((command, i) => {
      if (from + i >= belief.applied) this.execute(command, decided);
    });
    this.mark.applied = Math.max(this.mark.applied, next);
    if (this.mark.state === 'ready') this.mark.routed = Math.max(this.mark.routed, routed);
    const routables = commands.filter(
      (command) =>
        this.mark?.state === 'ready' &&
        command.kind === 'put' &&
        this.entries.includes(command) &&
        !this.isDue(command),
    ) as Put[];
    const delivered = routables.map((put) => ({
      offset: put.offset,
      holder: this.holders.get(put.device)?.holder,
    }));
    return { routed: delivered, decided };
  }

  private execute(command: Command, decided: Decided): void {
    if (command.kind === 'put') return this.put(command, decided);
    if (command.kind === 'outcome') {
      const put = this.find(command.device, command.target);
      if (put) this.decide(put, command.outcome);
      return;
    }
    const put = this.entries.find((entry) => entry.id === command.id && entry.ttlSeconds > 0);
    if (put?.device === command.device) this.announce(put, 'deleted', decided);
  }

  private put(put: Put, decided: Decided): void {
    this.accepted++;
    this.entries.push(put);
    const isFold = this.mark?.state === 'rebuilding';
    const isKnown = this.isSubscribed(put.device, put.subscription);
    if (!isFold && this.subscriptionsMark?.state === 'ready' && !isKnown) {
      return this.announce(put, 'gone', decided);
    }
    if (put.topic !== undefined) {
      const key = topicOf(put);
      const old = this.find(put.device, this.topics.get(key) ?? -1);
      if (old && !isFold) this.announce(old, 'replaced', decided);
      this.topics.set(key, put.offset);
    }
    if (!isFold) this.bound(put.device, decided);
  }

  finish(belief: Belief): Decided | undefined {
    if (this.mark?.state !== 'rebuilding') return undefined;
    if (!this.isView(belief) || this.mark.applied !== belief.applied) return undefined;
    const decided: Decided = {};
    for (const put of [...this.entries]) {
      if (this.isDue(put)) this.announce(put, byTime(put), decided);
      else if ((this.topics.get(topicOf(put)) ?? -1) > put.offset) {
        this.announce(put, 'replaced', decided);
      }
    }
    for (const put of [...this.entries]) this.bound(put.device, decided);
    Object.assign(this.mark, {
      state: 'ready',
      routed: this.mark.applied,
      isTold: false,
      isSwept: false,
    });
    return decided;
  }

  settle(
    settlements: readonly { device: DeviceId; offset: number; outcome: Outcome }[],
    belief?: ViewBelief,
  ): Decided | 'rebuilding' | 'none' {
    if (!this.mark || (belief && !this.isView(belief))) return 'none';
    if (this.mark.state === 'rebuilding') return 'rebuilding';
    const decided: Decided = {};
    for (const { device, offset, outcome } of settlements) {
      const put = this.find(device, offset);
      if (put) this.announce(put, outcome, decided);
    }
    return decided;
  }

  expire(belief: ViewBelief): Decided {
    const decided: Decided = {};
    if (belief.state !== 'ready' || !this.isView(belief)) return decided;
    for (const put of this.entries.filter(this.isDue)) this.announce(put, byTime(put), decided);
    return decided;
  }

  sweep(): Decided | undefined {
    const { mark, subscriptionsMark: other } = this;
    if (mark?.state !== 'ready' || other?.state !== 'ready') return undefined;
    if (mark.isSwept && other.isSwept) return undefined;
    const decided: Decided = {};
    for (const put of this.entries.filter(({ ttlSeconds }) => ttlSeconds > 0)) {
      if (!this.isSubscribed(put.device, put.subscription)) this.announce(put, 'gone', decided);
    }
    mark.isSwept = other.isSwept = true;
    return decided;
  }

  writeThrough(change: SubscriptionChange): void {
    if (change.offset < (this.subscriptionsMark?.applied ?? 0)) return;
    if (!this.isNewer(change)) return;
    this.write(change);
    const { device, offset } = change;
    if (change.kind === 'forgotten') this.forgotten.set(device, offset);
    if (change.kind === 'gone') {
      this.rows.push({ device, subscription: change.subscription, offset, terms: undefined });
    }
  }

  keep(belief: SubscriptionsBelief, changes: readonly SubscriptionChange[], next: number) {
    const mark = this.subscriptionsMark;
    if (!this.isKeeper(belief) || !mark) return undefined;
    const decided: Decided = {};
    for (const change of changes) {
      if (change.offset < mark.applied || !this.isNewer(change)) continue;
      this.write(change);
      this.settleGone(change, decided);
    }
    mark.applied = Math.max(mark.applied, next);
    this.rows = this.rows.filter(({ terms, offset }) => terms || offset >= mark.applied);
    for (const [device, offset] of this.forgotten) {
      if (offset < mark.applied) this.forgotten.delete(device);
    }
    return decided;
  }

  isKeeper(belief: SubscriptionsBelief): boolean {
    const mark = this.subscriptionsMark;
    return (
      mark?.viewId === belief.viewId &&
      mark.state === belief.state &&
      mark.applied === belief.applied
    );
  }

  present(device: DeviceId): readonly Subscription[] {
    const rows = this.rows.filter((row) => row.device === device && row.terms);
    return rows.map(({ terms }) => terms as Subscription);
  }

  /** Offsets in the mailbox that are not due. */
  box(device: DeviceId): readonly number[] {
    const boxed = this.boxed(device).filter((put) => !this.isDue(put));
    return boxed.map(({ offset }) => offset);
  }

  private boxed(device: DeviceId): readonly Put[] {
    const isBoxed = (put: Put) => put.device === device && put.ttlSeconds > 0;
    return this.entries.filter(isBoxed).sort((a, b) => a.offset - b.offset);
  }

  private bound(device: DeviceId, decided: Decided): void {
    const isOver = (box: readonly Put[]) =>
      box.length > this.bounds.mailboxMax ||
      box.reduce((sum, { record }) => sum + record.length, 0) > this.bounds.mailboxBytesMax;
    for (let box = this.boxed(device); isOver(box); box = this.boxed(device)) {
      this.announce(box[0] as Put, 'dropped', decided);
    }
  }

  private find(device: DeviceId, offset: number): Put | undefined {
    return this.entries.find((put) => put.offset === offset && put.device === device);
  }

  private decide(put: Put, outcome: Outcome): void {
    this.entries = this.entries.filter((entry) => entry !== put);
    this.counts[outcome]++;
  }

  private announce(put: Put, outcome: Outcome, decided: Decided): void {
    this.decide(put, outcome);
    this.outbox.set(put.offset, outcome);
    decided[put.offset] = outcome;
  }

  private isSubscribed(device: DeviceId, subscription: SubscriptionId): boolean {
    return this.present(device).some((found) => found.subscription === subscription);
  }

  private isNewer(change: SubscriptionChange): boolean {
    if ((this.forgotten.get(change.device) ?? -1) > change.offset) return false;
    if (change.kind !== 'present' && change.kind !== 'gone') return true;
    return !this.rows.some((row) => isRowOf(row, change) && row.offset > change.offset);
  }

  private write(change: SubscriptionChange): void {
    const { device, offset } = change;
    if (change.kind === 'seen') {
      this.seen.set(device, Math.max(change.at, this.seen.get(device) ?? 0));
    } else if (change.kind === 'forgotten') {
      this.rows = this.rows.filter((row) => row.device !== device || row.offset > offset);
      this.seen.delete(device);
    } else {
      this.rows = this.rows.filter((row) => !isRowOf(row, change));
      if (change.kind === 'gone') return;
      const { subscription, fingerprint } = change;
      const terms = fingerprint === undefined ? { subscription } : { subscription, fingerprint };
      this.rows.push({ device, subscription, offset, terms });
    }
  }

  private settleGone(change: SubscriptionChange, decided: Decided): void {
    if (change.kind !== 'gone' && change.kind !== 'forgotten') return;
    if (this.mark?.state !== 'ready' || this.subscriptionsMark?.state !== 'ready') return;
    for (const put of this.boxed(change.device)) {
      if (change.kind === 'gone' && put.subscription !== change.subscription) continue;
      if (!this.isSubscribed(put.device, put.subscription)) this.announce(put, 'gone', decided);
    }
  }
}

function topicOf({ device, subscription, topic }: Put): string {
  return `${device} ${subscription} ${topic}`;
}

function byTime(put: Put): Outcome {
  return put.ttlSeconds === 0 ? 'dropped' : 'expired';
}

function isRowOf(
  row: SubscriptionRow,
  change: { readonly device: DeviceId; readonly subscription: SubscriptionId },
): boolean {
  return row.device === change.device && row.subscription === change.subscription;
}
