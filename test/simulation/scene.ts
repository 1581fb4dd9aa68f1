/** One log, one store and the ways to them, before anybody works on them. */
import { Log } from '#runtime';
import { NOTIFICATIONS, SUBSCRIPTIONS } from '#streams';
import {
  EmbeddedLeases,
  EmbeddedMailbox,
  EmbeddedPartitionView,
  EmbeddedPresence,
  EmbeddedStore,
  EmbeddedSubscriptionLookup,
  EmbeddedSubscriptionsView,
} from '#view.embedded';
import { KeyRing } from '#webpush';
import { Calls, type Call, type Execute } from './calls.js';
import { Groups } from './groups.js';
import { Oracle } from './oracle.js';
import type { Plan } from './plan.js';
import { SimLog } from './sim-log.js';
import { SimCatalog, SimConsumer, SimProducer } from './sim-streams.js';
import { describe } from './told.js';
import { Weather } from './weather.js';
import type { SimProcess, World } from './world.js';

export const ENDPOINT_URL = 'https://push.example';

const keyRing = KeyRing.parse(Buffer.alloc(32, 7).toString('base64url'));
const silent = Log.silent();

/** What is done to the code, to see that the checks notice. */
export interface Mutation {
  readonly name: string;
  /** Stands between a call and its execution. */
  readonly around?: (call: Call, execute: Execute, scene: Scene) => Promise<unknown>;
  /** Changes a class. Returns what changes it back. */
  readonly patch?: () => () => void;
}

/** Everything that a service is given, as one process sees it. */
export type Ports = ReturnType<Scene['portsOf']>;

export class Scene {
  readonly weather: Weather;
  readonly calls: Calls;
  readonly store: EmbeddedStore;
  readonly log: SimLog;
  readonly groups: Groups;
  readonly oracle: Oracle;
  readonly keyRing = keyRing;
  /** The store's clock may be off, too. */
  storeSkewMs = 0;
  isQuiet = false;
  private readonly adapters;

  constructor(
    readonly world: World,
    readonly plan: Plan,
    private readonly mutation: Mutation | undefined,
  ) {
    const { partitions, mailboxMax, recheckIntervalMs } = plan;
    this.weather = new Weather(world, world.dice);
    this.calls = new Calls(
      ...([world, this.weather] as const),
      (call, execute) => this.around(call, execute),
      (call) => this.oracle.strayed(call),
    );
    const store = (this.store = new EmbeddedStore({
      ...{ partitions, mailboxMax, holderTtlMs: 3 * recheckIntervalMs },
      clock: () => Math.floor(world.now) + this.storeSkewMs,
      dice: () => world.dice.next(),
    }));
    const oracle = (this.oracle = new Oracle({
      ...{ world, plan, store, keyRing },
      isInLog: (partition, offset) => this.log.of(NOTIFICATIONS, partition).has(offset),
    }));
    this.log = new SimLog(
      () => Math.floor(world.now) + plan.logSkewMs,
      (...appended) => oracle.log.appended(...appended),
    );
    for (const stream of [NOTIFICATIONS, SUBSCRIPTIONS]) this.log.create(stream, partitions);
    this.groups = new Groups(world, partitions);
    this.adapters = {
      view: new EmbeddedPartitionView(store),
      subscriptions: new EmbeddedSubscriptionsView(store),
      presence: new EmbeddedPresence(store),
      mailbox: new EmbeddedMailbox(store),
      leases: new EmbeddedLeases(store),
      lookup: new EmbeddedSubscriptionLookup(store),
    };
  }

  portsOf(process: SimProcess) {
    const { calls, world, log, adapters } = this;
    const parts = { world, calls, log, process };
    const { view, presence, mailbox, leases, lookup } = adapters;
    return {
      producer: new SimProducer(parts),
      catalog: new SimCatalog(parts),
      consumer: new SimConsumer(parts, this.groups),
      view: calls.port(process, 'view', view),
      subscriptions: this.noted(calls.port(process, 'subscriptions', adapters.subscriptions)),
      presence: this.watched(calls.port(process, 'presence', presence)),
      mailbox: calls.port(process, 'mailbox', mailbox),
      leases: calls.port(process, 'leases', leases),
      lookup: calls.port(process, 'lookup', lookup),
      log: world.trace ? this.logOf(process) : silent,
    };
  }

  private watched(port: EmbeddedPresence): EmbeddedPresence {
    const { hello } = port;
    port.hello = (device, holder) => {
      this.oracle.claimed(holder);
      return hello(device, holder);
    };
    return port;
  }

  /** After the answer of a write-through the fact is a fact for everybody (rule 9). */
  private noted(port: EmbeddedSubscriptionsView): EmbeddedSubscriptionsView {
    const write = port.writeThrough;
    port.writeThrough = async (change) => {
      await write(change);
      this.oracle.facts.through(change);
    };
    return port;
  }

  /** What services say is worth something only to those who read a trace. */
  private logOf(process: SimProcess): Log {
    return Log.into(({ msg, error, reason }) => {
      const why = (error as { message?: string } | undefined)?.message ?? reason;
      this.world.say(process.name, () => `says: ${String(msg)}${why ? ` (${String(why)})` : ''}`);
    });
  }

  private around(call: Call, execute: Execute): Promise<unknown> {
    const { mutation, oracle, world } = this;
    const answer = mutation?.around?.(call, execute, this) ?? execute();
    oracle.begun(call);
    return answer.then((told) => {
      if (world.trace) describe(world, call, told);
      oracle.executed(call, told);
      return told;
    });
  }
}
