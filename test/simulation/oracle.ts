/**
 * Watches what is executed, what is sent and what comes, and says when a rule does not hold. It knows the log as it
 * is, and looks into the store; it never asks a service what it believes.
 */
import type { Answer } from '../../apps/ingest/src/ingest.js';
import { CLOSE_CODES, ACK_OUTCOMES, type AckCode } from '#wire';
import type {
  Applied,
  FinishChunk,
  FoundDevice,
  FoundSubscription,
  Holder,
  Settled,
  Settlement,
} from '#view';
import { partitionOf } from '#webpush';
import type { Announcement, DeviceId, KeyRing, SubscriptionId } from '#webpush';
import type { EmbeddedStore } from '#view.embedded';
import type { Call } from './calls.js';
import { Decisions, type Apply, type Finish } from './decisions.js';
import { Facts } from './facts.js';
import { LogTruth } from './log-truth.js';
import type { Plan } from './plan.js';
import type { World } from './world.js';

/** What schedules have met: a simulation in which nothing happens shows nothing. */
export class Met {
  /** A connection displaced because an older hello was executed later: allowed (design §5). */
  lateHellos = 0;
  displaced = 0;
  outOfStep = 0;
  replaced = 0;
  redelivered = 0;
  accepted = 0;
  received = 0;
  losses = 0;
  /** Claims that were executed when nobody waited for the answer any more. */
  strayClaims = 0;
  /** Deliveries that retention took away, perhaps before they were read. */
  lostDeliveries = 0;
}

export interface HelloSeen {
  readonly life: number;
  readonly applied: number;
  /** Offsets of what waited for the device. */
  readonly pending: ReadonlySet<number>;
}

/** What the oracle has to know, and keeps, of a connection. */
export interface Watched {
  readonly name: string;
  /** The device at its other end. */
  readonly phoneName: string;
  /** The device believes that this is its connection. */
  readonly isCurrent: boolean;
  /** Whose claim its hello made. */
  device: DeviceId | undefined;
  /** Of the last notification that came. */
  lastOffset: number;
  /** What the view knew when the claim of its hello was executed first; undefined: not, or not ready. */
  helloSeen: HelloSeen | undefined;
  /** Of all executions of hello claims, which was its last. */
  helloOrder: number;
  /** Of all hello claims, which was its own, in the order in which gateways made them. */
  claimOrder: number;
}

export interface OracleParts {
  readonly world: World;
  readonly plan: Plan;
  readonly store: EmbeddedStore;
  readonly keyRing: KeyRing;
  /** Whether compaction has left a notification in the log. */
  readonly isInLog: (partition: number, offset: number) => boolean;
}

export class Oracle {
  readonly met = new Met();
  readonly log: LogTruth;
  readonly facts: Facts;
  /** The log was replaced: whoever notices has to stop. */
  readonly stops: string[] = [];
  isLogReplaced = false;
  /** The store's clock was set back: its times do not tell any more which hello was the later. */
  hasClockGoneBack = false;
  private readonly decisions: Decisions;
  /** How often the view of a partition was lost. */
  private readonly losses: number[];
  private readonly lossesAtMs: number[] = [];
  private readonly sockets = new Map<number, Watched>();
  private hellos = 0;
  private claims = 0;

  constructor(private readonly parts: OracleParts) {
    const { world, plan, keyRing } = parts;
    this.losses = Array.from({ length: plan.partitions }, () => 0);
    const livesOf = (partition: number): number => this.livesOf(partition);
    const log = (this.log = new LogTruth(world, livesOf));
    const facts = (this.facts = new Facts(world, log, keyRing));
    this.decisions = new Decisions({ ...parts, log, facts, livesOf });
  }

  livesOf(partition: number): number {
    return this.losses[partition] ?? 0;
  }

  /** When it was lost last. */
  lostAtMs(partition: number): number {
    return this.lossesAtMs[partition] ?? -Infinity;
  }

  lost(partition: number): void {
    this.losses[partition] = this.livesOf(partition) + 1;
    this.lossesAtMs[partition] = this.parts.world.now;
    this.met.losses++;
  }

  opened(socket: Watched, connection: number): void {
    this.sockets.set(connection, socket);
    this.parts.world.trace?.name(String(connection), socket.name);
  }

  closed(reason: string): void {
    if (reason === CLOSE_CODES.outOfStep.reason) {
      this.met.outOfStep++;
      const { losses, lostDeliveries } = this.met;
      // What was due and not routed for that is not due any more when the clock is set back.
      if (losses + lostDeliveries === 0 && !this.hasClockGoneBack) {
        this.parts.world.violate('P6', 'out of step, and neither view nor deliveries were lost');
      }
    }
    if (reason === CLOSE_CODES.gatewayReplaced.reason) this.met.replaced++;
  }

  /** Executed, and its caller does not know: a claim that nobody has, and nobody but the re-check ends. */
  strayed({ what }: Call): void {
    if (/^presence\.(hello|reclaim)$/.test(what)) this.met.strayClaims++;
  }

  /** A gateway makes the claim of a hello. */
  claimed({ connection }: Holder): void {
    const socket = this.sockets.get(connection);
    if (socket) socket.claimOrder = ++this.claims;
  }

  /** Executed this very moment; its answer is not known yet. */
  begun({ what, args }: Call): void {
    if (what !== 'presence.hello') return;
    const [device, holder] = args as [DeviceId, Holder];
    const { store } = this.parts;
    const lease = store.leases.get(holder.gateway);
    // A gateway that has been replaced and does not know: its claims die with it.
    if (lease && lease.epoch !== holder.epoch && lease.endsAt > store.now()) this.met.strayClaims++;
    const socket = this.sockets.get(holder.connection);
    if (!socket) return;
    socket.device = device;
    socket.helloOrder = ++this.hellos;
    socket.helloSeen ??= this.seenBy(device);
  }

  executed(call: Call, told: unknown): void {
    const { what, args, process } = call;
    const partition = args[0] as number;
    switch (what) {
      case 'view.apply':
        return this.decisions.applied(told as Applied | undefined, ...(args as Apply));
      case 'view.finish':
        return this.decisions.finished(told as FinishChunk | undefined, ...(args as Finish));
      case 'view.settle':
        return this.settled(partition, told as Settled, args);
      case 'view.expire':
        return this.decisions.decided(partition, told as readonly Announcement[], 'expire');
      case 'subscriptions.apply':
        return this.decisions.decided(partition, (told ?? []) as readonly Announcement[], 'keeper');
      case 'view.sweepGone':
        return this.decisions.swept(partition, told as FinishChunk | undefined);
      case 'lookup.find':
        if (!process.name.startsWith('i')) return;
        return this.facts.found(args as [DeviceId, SubscriptionId], told as FoundSubscription);
      case 'lookup.findDevice':
        return this.facts.foundDevice(args[0] as DeviceId, told as FoundDevice);
    }
  }

  /** A gateway closes a connection because another holds the device. */
  displaced(socket: Watched): void {
    this.met.displaced++;
    const { device, phoneName } = socket;
    // After a jump back an older hello may look like the newer one, and only once.
    if (!socket.isCurrent || this.hasClockGoneBack) return;
    for (const other of this.sockets.values()) {
      if (other === socket || other.device !== device) continue;
      const isLate = other.helloOrder > socket.helloOrder || other.claimOrder > socket.claimOrder;
      if (isLate) return void this.met.lateHellos++;
    }
    const text = `${socket.name}, which ${phoneName} has, is closed as a ghost`;
    this.parts.world.violate('P5', text);
  }

  received(socket: Watched, version: string): void {
    const { world } = this.parts;
    const put = this.log.byId.get(version);
    const { name } = socket;
    if (!put) return world.violate('P1', `${name} gets what is not in the log`);
    const { number, offset, about } = put;
    world.say(socket.phoneName, () => `${name} gets n${number} (${offset})`);
    if (socket.device !== about.device) {
      world.violate('P3', `n${number} comes to ${name}, which is another device`);
    }
    if (offset === socket.lastOffset) world.violate('P3', `n${number} comes twice on ${name}`);
    if (offset < socket.lastOffset) {
      const last = this.log.at(put.partition, socket.lastOffset);
      world.violate('P3', `n${number} comes on ${name} after n${last?.number}`);
    }
    socket.lastOffset = offset;
    const seen = socket.helloSeen;
    const isSameLife = seen?.life === this.livesOf(put.partition);
    if (seen && isSameLife && offset < seen.applied && !seen.pending.has(offset)) {
      const as = put.decidedAs ?? 'ended';
      world.violate('P4', `n${number} comes on ${name}, though it was ${as} before its hello`);
    }
    this.met.received++;
    if (put.timesReceived++ > 0) this.met.redelivered++;
  }

  acked(version: string, code: number): void {
    this.log.byId.get(version)?.acks.add(ACK_OUTCOMES[code as AckCode]);
  }

  answered(number: number, answer: Answer): void {
    const { world } = this.parts;
    if (answer.kind === 'accepted') {
      const put = this.log.byNumber.get(number);
      this.met.accepted++;
      if (put) put.isAccepted = true;
      else world.violate('R1', `n${number} is accepted and not in the log`);
    } else if (answer.kind === 'refused') {
      if (answer.refusal === 'receiverUnknown') world.violate('P9', `n${number}: a 404`);
      this.facts.refused(number, answer.refusal);
    }
  }

  stopped(name: string, reason: Error): void {
    if (!this.isLogReplaced) this.parts.world.violate('STOP', `${name}: ${reason.message}`);
    this.stops.push(name);
  }

  private settled(partition: number, told: Settled, args: readonly unknown[]): void {
    if (told.state !== 'ready') return;
    const isRouters = args[2] !== undefined;
    const asked = args[1] as readonly Settlement[];
    if (told.announcements.length > asked.length) {
      this.parts.world.violate('P2', `${asked.length} settlements decide more`);
    }
    this.decisions.decided(partition, told.announcements, isRouters ? 'router' : 'ack');
  }

  /** What a session that begins now cannot be sent: what has ended already. */
  private seenBy(device: DeviceId): HelloSeen | undefined {
    const { store, plan } = this.parts;
    const number = partitionOf(device, plan.partitions);
    const { mark, devices } = store.partition(number);
    if (mark?.state !== 'ready') return undefined;
    const mail = devices.get(device)?.mail;
    const pending = new Set<number>();
    for (const { offset } of [...(mail?.box ?? []), ...(mail?.instants ?? [])]) pending.add(offset);
    return { life: this.livesOf(number), applied: mark.applied, pending };
  }
}
