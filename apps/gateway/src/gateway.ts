/**
 * A gateway without its sockets: holds the connections of devices, speaks their protocol, writes notifications,
 * settles acks, drains mailboxes (design §3). Everything is wired here once; the parts know only what they need.
 */
import { randomBytes } from 'node:crypto';
import type { Settler } from '#outcomes';
import { Pace, StartRefused } from '#runtime';
import type { Log } from '#runtime';
import { deliveriesOf } from '#streams';
import type { StopReading, StreamCatalog, StreamConsumer, StreamProducer } from '#streams';
import type { Registrar } from '#subscriptions';
import type { Leases, Mailbox, Presence, SubscriptionLookup } from '#view';
import { Claims } from './claims.js';
import type { GatewayConfig } from './config.js';
import { Connections } from './connections.js';
import { GatewayCounts } from './counts.js';
import { Drain } from './drain.js';
import { Greeting } from './greeting.js';
import { HelloDeadline } from './hello-deadline.js';
import type { Identity } from './identity.js';
import { LastSeen } from './last-seen.js';
import { HeldLease } from './lease.js';
import { OnClientMessage } from './on-client-message.js';
import { OnDelivery } from './on-delivery.js';
import { Pacer } from './pacer.js';
import { Reading } from './reading.js';
import { Recheck } from './recheck.js';
import { Round } from './rounds.js';
import type { Session } from './session.js';
import { Sessions } from './sessions.js';

/** What a gateway works on. */
export interface GatewayPorts {
  readonly producer: StreamProducer;
  readonly consumer: StreamConsumer;
  readonly catalog: StreamCatalog;
  readonly presence: Presence;
  readonly mailbox: Mailbox;
  readonly lookup: SubscriptionLookup;
  readonly leases: Leases;
  readonly registrar: Registrar;
  readonly settler: Settler;
  readonly log: Log;
  /** Called when another gateway lives under our name: everything is closed, the process has to end. */
  readonly end: (reason: Error) => void;
}

/** Time and chance; tests give their own. */
export interface GatewayOptions {
  /** ms since the epoch. */
  readonly clock?: () => number;
  /** ms; only differences count. */
  readonly ticks?: () => number;
  /** 0 … 1, 48 bits of it. */
  readonly dice?: () => number;
  readonly sleep?: (ms: number) => Promise<void>;
  /** The secret of a new device: 32 hex digits. */
  readonly newSecret?: () => string;
}

/** Under way at once, of those that claim again because of a new epoch, a rebuilt view or an outage. */
const RECLAIMS_MAX = 200;
const RECHECKS_MAX = 50;

export class Gateway {
  readonly counts = new GatewayCounts();
  readonly identity: Identity;
  readonly connections: Connections;
  readonly sessions: Sessions;
  readonly lease: HeldLease;
  readonly reclaims: Pacer;
  readonly rechecks: Pacer;
  readonly helloDeadline: HelloDeadline;
  private readonly deliveries: OnDelivery;
  private readonly drains: Drain;
  private readonly rounds: readonly Round[];
  /** From SIGTERM on. */
  isDraining = false;
  private stopReading: StopReading | undefined;

  constructor(
    private readonly ports: GatewayPorts,
    private readonly config: Pick<GatewayConfig, 'id' | 'partitions' | 'limits' | 'times'>,
    options: GatewayOptions = {},
  ) {
    const chance = { ...DEFAULTS, ...options };
    const { limits, times, partitions } = config;
    const { counts } = this;
    const identity = (this.identity = { id: config.id, epoch: 0 });
    const connections = (this.connections = new Connections(chance.dice));
    const claimAgain = (session: Session): void => this.reclaims.add(session);
    const reading = new Reading({ ...ports, claimAgain, limits, counts });
    const claims = new Claims({ ...ports, identity, connections, reading, counts });
    const lastSeen = new LastSeen(ports.registrar, counts, chance.clock);
    const recheck = new Recheck({ ...ports, claims, lastSeen, counts });
    const known = { ...ports, partitions, claims, connections, lastSeen, counts };
    const greeting = new Greeting({ ...known, newSecret: chance.newSecret });
    this.helloDeadline = new HelloDeadline(times.helloTimeoutMs, chance.ticks);
    this.reclaims = new Pacer((session) => claims.reclaim(session), RECLAIMS_MAX);
    this.rechecks = new Pacer((session) => recheck.check(session), RECHECKS_MAX);
    const messages = new OnClientMessage({
      ...known,
      ...{ greeting, reading, claimAgain },
      pace: new Pace(limits.framesPerSecondMax, 2 * limits.framesPerSecondMax),
      clientPingMinMs: times.clientPingMinMs,
      clock: chance.ticks,
      date: chance.clock,
    });
    const { helloDeadline } = this;
    this.sessions = new Sessions({ ...known, helloDeadline, messages, reading });
    const addressed = { identity, connections, reading, claimAgain, limits, counts };
    this.deliveries = new OnDelivery({
      ...addressed,
      disown: (device, connection) => claims.disown(device, connection),
      ...{ log: ports.log, clock: chance.clock },
    });
    this.lease = new HeldLease({
      ...ports,
      ...{ identity, counts, dice: chance.dice, sleep: chance.sleep, clock: chance.ticks },
      resolveEnd: () => this.resolveEnd(),
      onNewEpoch: () => connections.visitAll(claimAgain),
      onRecovered: () => connections.visitAll(claimAgain),
      onReplaced: () => this.giveWay(),
    });
    const { lease } = this;
    const { drainSeconds } = times;
    const { sleep } = chance;
    this.drains = new Drain({ ...ports, connections, claims, lease, drainSeconds, sleep });
    this.rounds = [
      new Round(connections, times.pingIntervalMs, (session) => void session.socket?.ping()),
      new Round(connections, times.recheckIntervalMs, (session) => this.rechecks.add(session)),
    ];
  }

  /** The end of its stream, then its lease, then reading on from that end; sockets may open after that. */
  async begin(): Promise<void> {
    const stream = deliveriesOf(this.config.id);
    await this.ports.catalog.ensure(stream);
    await this.lease.begin();
    this.stopReading = await this.ports.consumer.read({ stream }, this.deliveries);
  }

  /** What it does by the clock: renewals, hello timeouts, pings, re-checks. */
  keepTime(): void {
    this.lease.start();
    this.helloDeadline.start();
    for (const round of this.rounds) round.start();
  }

  /** Closes every connection, spread out; no new one may open from now on. Releases the lease last. */
  async drain(): Promise<void> {
    this.isDraining = true;
    await this.drains.run();
    await this.halt();
  }

  /** Ends what runs by itself. Connections and the lease stay as they are. */
  async halt(): Promise<void> {
    this.lease.stop();
    this.helloDeadline.stop();
    this.reclaims.stop();
    this.rechecks.stop();
    for (const round of this.rounds) round.stop();
    await this.stopReading?.();
    this.stopReading = undefined;
  }

  private async resolveEnd(): Promise<void> {
    this.deliveries.from(await this.ports.catalog.end(deliveriesOf(this.config.id), 0));
  }

  /** Another gateway lives under our name (rule 7). Its claims look like ours, so nothing is released. */
  private giveWay(): void {
    this.sessions.isReplaced = true;
    this.connections.visitAll((session) => session.close('gatewayReplaced'));
    void this.halt();
    this.ports.end(
      new StartRefused(
        `Another gateway named ${this.identity.id} has taken over: this one has closed its connections and ends.`,
      ),
    );
  }
}

const DEFAULTS: Required<GatewayOptions> = {
  clock: Date.now,
  ticks: () => Math.floor(performance.now()), // small integers: no boxed number per connection
  dice: () => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  newSecret: () => randomBytes(16).toString('hex'),
};
