/** Whether what a script decides was due: the checks P1, P2 and P8. */
import type { Applied, FinishChunk, PartitionView } from '#view';
import type { Announcement, DeviceId, Outcome } from '#webpush';
import type { EmbeddedStore } from '#view.embedded';
import type { Facts } from './facts.js';
import type { LogTruth, Put } from './log-truth.js';
import type { Plan } from './plan.js';
import type { World } from './world.js';

const INSTANT_MS = 30_000;

export type Apply = Parameters<PartitionView['apply']>;
export type Finish = Parameters<PartitionView['finish']>;

export interface DecisionParts {
  readonly world: World;
  readonly plan: Plan;
  readonly store: EmbeddedStore;
  readonly log: LogTruth;
  readonly facts: Facts;
  /** Whether compaction has left it there. */
  readonly isInLog: (partition: number, offset: number) => boolean;
  /** How often the view of a partition was lost. */
  readonly livesOf: (partition: number) => number;
}

export class Decisions {
  /** When the chunks after a fold began, by partition. */
  private readonly finishingSince: number[] = [];

  constructor(private readonly parts: DecisionParts) {}

  applied(told: Applied | undefined, ...[partition, belief, batch]: Apply): void {
    if (!told) return;
    this.finishingSince[partition] = NaN;
    const isFold = belief.state === 'rebuilding';
    this.decided(partition, told.announcements, isFold ? 'fold' : 'apply', belief.applied);
    for (const device of devicesOverBound(told.announcements)) {
      const here = this.boxOf(partition, device).length;
      const gone = told.announcements.filter((a) => a.device === device && a.outcome !== 'dropped');
      const executed = batch.commands.filter((c) => c.device === device && c.kind !== 'put');
      if (here + gone.length + executed.length < this.parts.plan.mailboxMax) {
        this.bad('P1', `the bound drops though only ${here} wait for ${device}`);
      }
    }
  }

  finished(told: FinishChunk | undefined, ...[partition, , walk]: Finish): void {
    if (!told) return;
    const now = this.parts.store.now();
    if (walk.cursor === undefined) this.finishingSince[partition] = now;
    this.decided(partition, told.announcements, 'finish');
    for (const device of devicesOverBound(told.announcements)) {
      for (const put of this.boxOf(partition, device)) this.mustBeDue(partition, put);
    }
    if (told.cursor === undefined) this.isReady(partition);
  }

  swept(partition: number, told: FinishChunk | undefined): void {
    if (!told) return;
    this.decided(partition, told.announcements, 'sweep');
    if (told.cursor !== undefined) return;
    const view = this.parts.store.partition(partition);
    for (const [id, device] of view.devices) {
      for (const { subscription, offset } of device.mail?.box ?? []) {
        if (view.isSubscribed(device, subscription)) continue;
        this.bad('P8', `swept, and ${this.nameOf(partition, offset)} of ${id} has no subscription`);
      }
    }
  }

  /** @param below how far the view had come; default: as far as it is */
  decided(
    partition: number,
    all: readonly Announcement[],
    by: string,
    below = this.parts.store.partition(partition).mark?.applied ?? 0,
  ): void {
    for (const { offset, outcome } of all) {
      const put = this.parts.log.at(partition, offset);
      if (!put) this.bad('P1', `${outcome} of offset ${offset}, where no notification is`);
      else this.decide(put, outcome, { by, below });
    }
  }

  private decide(put: Put, outcome: Outcome, { by, below }: By): void {
    const life = this.parts.livesOf(put.partition);
    const { number } = put;
    if (put.decidedIn === life) {
      this.bad('P2', `n${number} is ${outcome} by ${by}, after it was ${put.decidedAs}`);
    }
    put.decidedIn = life;
    put.decidedAs = outcome;
    const told = this.isTold(put, below);
    const why = told === undefined ? this.undue(put, outcome, by) : `the log has said ${told}`;
    if (why !== undefined) this.bad('P1', `n${number} is ${outcome} by ${by}: ${why}`);
  }

  private undue(put: Put, outcome: Outcome, by: string): string | undefined {
    if (by === 'fold' && outcome !== 'deleted') return 'a fold decides nothing';
    const { at, about, supersededAt, cancelledAt, acks } = put;
    const now = this.parts.store.now();
    switch (outcome) {
      case 'delivered':
      case 'undecryptable':
      case 'rejected':
        return acks.has(outcome) ? undefined : 'the device has not said so';
      case 'expired':
        if (about.ttlSeconds === 0) return 'TTL 0 does not expire';
        return now >= at + about.ttlSeconds * 1_000 ? undefined : 'it is not over yet';
      case 'replaced':
        return supersededAt.length === 0 ? 'nothing has replaced it' : undefined;
      case 'deleted':
        return cancelledAt.length === 0 ? 'nobody has cancelled it' : undefined;
      case 'gone':
        return this.parts.facts.wasRemoved(put) ? undefined : 'the subscription stands';
      case 'dropped':
        return this.undueDrop(put, by);
    }
  }

  private undueDrop({ at, about: { ttlSeconds } }: Put, by: string): string | undefined {
    if (ttlSeconds > 0) {
      return by === 'apply' || by === 'finish' ? undefined : 'only the bound drops what has time';
    }
    if (by === 'router') return undefined;
    return this.parts.store.now() >= at + INSTANT_MS ? undefined : 'its 30 s are not over';
  }

  /** The bound may not take anything as long as others have to go for another reason. */
  private mustBeDue(partition: number, { offset }: { readonly offset: number }): void {
    const put = this.parts.log.at(partition, offset);
    const applied = this.parts.store.partition(partition).mark?.applied ?? 0;
    if (!put) return;
    const expiresAt = put.at + put.about.ttlSeconds * 1_000;
    const isOver =
      this.isTold(put, applied) !== undefined ||
      this.isRead(partition, put.cancelledAt, applied) ||
      this.isSuperseded(put, applied) ||
      expiresAt <= (this.finishingSince[partition] ?? NaN);
    if (isOver) this.bad('P1', `the bound drops, and n${put.number} was to go`);
  }

  /** What the log has said is executed when it is read, and not decided any more. */
  private isTold({ partition, announced }: Put, below: number): Outcome | undefined {
    const offsets = announced.map(({ offset }) => offset);
    return this.isRead(partition, offsets, below) ? announced[0]?.outcome : undefined;
  }

  /** Of records with one key: whoever has come to `below` has read one, unless compaction left a later one. */
  private isRead(partition: number, offsets: readonly number[], below: number): boolean {
    const last = offsets.at(-1);
    if (last === undefined || last < below) return last !== undefined;
    return offsets.some((offset) => offset < below && this.parts.isInLog(partition, offset));
  }

  /** By one that a fold has seen: not compacted away. */
  private isSuperseded({ partition, supersededAt }: Put, applied: number): boolean {
    return supersededAt.some((at) => at < applied && this.parts.isInLog(partition, at));
  }

  private isReady(partition: number): void {
    const { store, plan } = this.parts;
    const { devices, mark } = store.partition(partition);
    for (const device of devices.values()) {
      const box = device.mail?.box ?? [];
      if (box.length > plan.mailboxMax) this.bad('P8', 'ready, and a mailbox is over its bound');
      for (const { offset } of box) {
        const put = this.parts.log.at(partition, offset);
        if (!put || !this.isSuperseded(put, mark?.applied ?? 0)) continue;
        this.bad('P8', `ready, and n${put.number} was never replaced`);
      }
    }
  }

  private boxOf(partition: number, device: DeviceId) {
    return this.parts.store.partition(partition).devices.get(device)?.mail?.box ?? [];
  }

  private nameOf(partition: number, offset: number): string {
    return `n${this.parts.log.at(partition, offset)?.number}`;
  }

  private bad(rule: string, what: string): void {
    this.parts.world.violate(rule, what);
  }
}

interface By {
  readonly by: string;
  readonly below: number;
}

/** Devices of which a notification was dropped that was no TTL 0 (those are dropped by time, elsewhere). */
function devicesOverBound(all: readonly Announcement[]): ReadonlySet<DeviceId> {
  return new Set(all.filter(({ outcome }) => outcome === 'dropped').map(({ device }) => device));
}
