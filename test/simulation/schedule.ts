/**
 * One schedule: what its seed makes of a cluster, from the first boot to the last check. The same seed plays the same
 * schedule, whatever else the machine does.
 */
import { Cluster } from './cluster.js';
import { Faults } from './faults.js';
import { checkAtLast } from './last-checks.js';
import type { Put } from './log-truth.js';
import type { Met } from './oracle.js';
import { planOf, type Fault } from './plan.js';
import { CAUSES, causeOf, isExcused, type Cause } from './recheck-cause.js';
import { Scene, type Mutation } from './scene.js';
import { Trace } from './trace.js';
import { unrestOf } from './unrest.js';
import { install } from './virtual-time.js';
import { World, errorText } from './world.js';

export interface PlayOptions {
  readonly mutation?: Mutation | undefined;
  readonly isTraced?: boolean;
  /** Each happening in a turn of its own, see World. */
  readonly isStrict?: boolean;
  /** Faults that every schedule has. */
  readonly forced?: ReadonlySet<Fault>;
}

export interface Played {
  readonly seed: number;
  /** The rule that was broken, and how. */
  readonly violation: { readonly rule: string; readonly what: string } | undefined;
  readonly trace: readonly string[];
  readonly met: Met;
  /** What only the periodic re-check has found. */
  readonly rechecks: readonly Recheck[];
  readonly happened: number;
  readonly posts: number;
}

export interface Recheck {
  readonly seed: number;
  readonly cause: Cause;
}

/** Long enough for whatever is due: TTL 0 by a broker's clock that is a minute ahead, outboxes, leases. */
const QUIET_MS_MAX = 200_000;
const LOOK_MS = 3_000;
/** A notification for somebody who is there, when nothing is wrong. */
const PROMPT_MS = 3_000;

/** Not two at a time in one thread: time is the schedule's while it lasts. */
export async function play(seed: number, options: PlayOptions = {}): Promise<Played> {
  const world = new World(seed);
  world.isStrict = options.isStrict ?? false;
  if (options.isTraced) world.trace = new Trace();
  const unpatch = options.mutation?.patch?.();
  const uninstall = install(world);
  const onRejection = (error: unknown): void => {
    world.violate('CRASH', `nobody waits for ${errorText(error)}`);
  };
  process.on('unhandledRejection', onRejection);
  const schedule = new Schedule(world, options);
  try {
    await schedule.run();
  } catch (error) {
    world.violate('CRASH', errorText(error));
  } finally {
    uninstall();
    unpatch?.();
    // What nobody waits for is told when a turn ends.
    await new Promise((resolve) => setImmediate(resolve));
    process.off('unhandledRejection', onRejection);
  }
  const { violation, trace, happened } = world;
  return {
    ...{ seed, happened, met: schedule.met, posts: schedule.posts, trace: trace?.lines ?? [] },
    rechecks: schedule.rechecks,
    violation: violation && { rule: violation.rule, what: violation.message },
  };
}

class Schedule {
  private readonly scene: Scene;
  private readonly cluster: Cluster;
  private readonly faults: Faults;
  readonly rechecks: Recheck[] = [];

  constructor(
    private readonly world: World,
    { forced, mutation }: PlayOptions,
  ) {
    const plan = planOf(world.dice, forced);
    this.scene = new Scene(world, plan, mutation);
    this.cluster = new Cluster(this.scene);
    this.faults = new Faults(this.cluster);
    world.say('plan', () => JSON.stringify({ ...plan, faults: [...plan.faults] }));
  }

  get met(): Met {
    return this.scene.oracle.met;
  }

  get posts(): number {
    return this.cluster.sender.count;
  }

  async run(): Promise<void> {
    this.startAll();
    await this.chaos();
    await this.quiet();
    await this.lastPosts();
    if (!this.world.violation) checkAtLast(this.cluster);
    if (this.scene.plan.endsWithOtherLog) await this.otherLog();
  }

  /** In any order. */
  private startAll(): void {
    const { world, cluster, scene } = this;
    scene.weather.isFine = scene.plan.isFineAtFirst;
    for (const host of cluster.hosts) {
      if (host === cluster.twin) continue;
      world.in(world.dice.about(400), undefined, () => {
        // A twin that ended has had the first gateway looked after already.
        if (host.process === undefined) host.start();
      });
    }
  }

  private async chaos(): Promise<void> {
    const { world, scene } = this;
    const { chaosMs, paceMs } = scene.plan;
    const begin = world.now + (scene.plan.isFineAtFirst ? 3_000 : 0);
    await world.runUntil(begin);
    scene.weather.isFine = false;
    const end = begin + chaosMs;
    while (!world.violation && world.now < end) {
      this.faults.act();
      await world.runUntil(world.now + world.dice.about(paceMs));
    }
  }

  /** No more faults: whoever is away comes back, and everything has to come to rest. */
  private async quiet(): Promise<void> {
    const { world, scene, cluster } = this;
    world.say('----', () => 'quiet');
    scene.isQuiet = true;
    scene.weather.clear();
    scene.calls.isDirect = scene.plan.isQuietDirect;
    for (const { process } of cluster.hosts) if (process) world.resume(process);
    for (const host of cluster.hosts) if (host.process?.isDead !== false) host.watchOver();
    for (const { sockets, process } of cluster.gateways) {
      for (const socket of sockets) {
        if (!socket.isOpenHere && process) world.in(1_000, process, () => socket.goneThere());
      }
    }
    for (const phone of cluster.phones) {
      phone.isSlow = false;
      phone.ackAll();
    }
    await this.untilRest();
  }

  private async untilRest(): Promise<void> {
    if (await this.isRestWithin(QUIET_MS_MAX)) return;
    const first = unrestOf(this.cluster);
    if (first?.put) this.needRecheck(first.put, first.what);
    if (await this.isRestWithin(QUIET_MS_MAX)) return;
    const last = unrestOf(this.cluster);
    if (last) this.world.violate(last.kind === 'waits' ? 'P6' : 'LIVE', last.what);
  }

  /** Only for a reason that there is. */
  private needRecheck(put: Put, what: string): void {
    const cause = causeOf(this.cluster, put);
    this.world.say('----', () => `${what}: ${CAUSES[cause]}`);
    this.rechecks.push({ seed: this.world.seed, cause });
    if (!isExcused(this.cluster, cause)) {
      this.world.violate(
        'P6',
        `${what} without a re-check: ${CAUSES[cause]}, and nothing did that`,
      );
    }
    this.faults.recheck();
  }

  private async isRestWithin(ms: number): Promise<boolean> {
    const { world, cluster } = this;
    const until = world.now + ms;
    while (world.now < until) {
      if (world.violation || unrestOf(cluster) === undefined) return true;
      await world.runUntil(world.now + LOOK_MS);
    }
    return false;
  }

  /** Everybody is here, so what is sent now comes now. */
  private async lastPosts(): Promise<void> {
    const { world, cluster } = this;
    if (world.violation) return;
    const numbers = cluster.sender.postToAll(cluster.phones);
    await world.runUntil(world.now + PROMPT_MS);
    const late = numbers.find((number) => this.isMissing(number));
    const put = late === undefined ? undefined : this.scene.oracle.log.byNumber.get(late);
    if (put) {
      this.needRecheck(put, `n${late}, sent in peace, does not come`);
      await world.runUntil(world.now + PROMPT_MS);
      // The re-check may have closed a connection.
      await this.isRestWithin(QUIET_MS_MAX);
    }
    const missing = numbers.find((number) => this.isMissing(number));
    if (missing !== undefined) world.violate('P6', `n${missing}, sent in peace, does not come`);
    await this.untilRest();
  }

  private isMissing(number: number): boolean {
    const { oracle } = this.scene;
    const refusal = oracle.facts.refusals.get(number);
    if (refusal === 'unavailable') this.world.violate('LIVE', `n${number} is refused: ${refusal}`);
    return refusal === undefined && (oracle.log.byNumber.get(number)?.timesReceived ?? 0) === 0;
  }

  /** A log that ends below what was applied is another log: whoever notices stops and says so (rule 5). */
  private async otherLog(): Promise<void> {
    const { world, scene, cluster } = this;
    if (world.violation) return;
    world.say('fault', () => 'the log is replaced');
    const { oracle, log, plan } = scene;
    oracle.isLogReplaced = true;
    const used = [cluster.routers, cluster.registrations].filter((_, i) => {
      const stream = i === 0 ? 'notifications' : 'subscriptions';
      const isUsed = log.of(stream, 0).next > 0;
      for (let partition = 0; partition < plan.partitions; partition++) {
        log.replace(stream, partition);
      }
      return isUsed;
    });
    await world.runUntil(world.now + 75_000);
    for (const hosts of used) {
      if (hosts.some(({ name }) => oracle.stops.includes(name))) continue;
      world.violate('R5', `the log was replaced, and neither of ${hosts[0]?.name} … stops`);
    }
  }
}
