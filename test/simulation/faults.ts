/** What is done to a cluster: one thing after the other, as chance and the plan say. */
import { NOTIFICATIONS, SUBSCRIPTIONS, deliveriesOf } from '#streams';
import type { Cluster } from './cluster.js';
import { compact } from './compaction.js';
import type { Host } from './host.js';
import { SERVER_KEYS, type Phone } from './phone.js';
import type { Fault } from './plan.js';

const LOSSES_MAX = 3;

export class Faults {
  private losses = 0;
  private readonly table: readonly (readonly [number, () => void])[];
  private readonly sum: number;

  constructor(private readonly cluster: Cluster) {
    const { faults } = cluster.scene.plan;
    const has = (fault: Fault, weight: number, act: () => void): readonly [number, () => void] => [
      faults.has(fault) ? weight : 0,
      act,
    ];
    this.table = [
      [34, () => cluster.sender.post()],
      has('cancel', 3, () => cluster.sender.cancel()),
      has('registers', 5, () => this.registers(this.phone)),
      has('forget', 1, () => this.forget(this.phone)),
      has('leaves', 10, () => this.leaves(this.phone)),
      has('doubles', 4, () => this.phone.link && this.phone.connect()),
      has('slowDevice', 2, () => (this.phone.isSlow = this.dice.chance(0.5))),
      has('flushAll', 2, () => this.flushAll()),
      has('flushPartition', 2, () => this.flushPartition()),
      has('routerCrash', 4, () => this.pick(cluster.routers).kill()),
      has('routerPause', 5, () => this.hang(this.pick(cluster.routers))),
      has('routerStop', 2, () => this.pick(cluster.routers).terminate()),
      has('gatewayCrash', 3, () => this.pick(cluster.gateways).kill()),
      has('gatewayPause', 5, () => this.hang(this.pick(cluster.gateways))),
      has('gatewayStop', 2, () => this.pick(cluster.gateways).terminate()),
      has('twin', 3, () => this.twin()),
      has('ownership', 7, () => this.move(NOTIFICATIONS)),
      has('ownership', 3, () => this.move(SUBSCRIPTIONS)),
      has('compaction', 3, () => compact(cluster.scene)),
      has('retention', 1, () => this.forgetDeliveries()),
      has('keeperCrash', 3, () => this.pick(cluster.registrations).kill()),
      has('keeperPause', 3, () => this.hang(this.pick(cluster.registrations))),
      has('ingestCrash', 2, () => this.pick(cluster.ingests).kill()),
      has('storeAway', 1, () => this.away('view')),
      has('logAway', 1, () => this.away('log')),
      has('recheck', 2, () => this.recheck()),
      has('garbage', 1, () => this.garbage()),
      has('clockJump', 0.5, () => this.clockJump()),
    ];
    this.sum = this.table.reduce((sum, [weight]) => sum + weight, 0);
  }

  act(): void {
    let roll = this.dice.next() * this.sum;
    for (const [weight, act] of this.table) {
      roll -= weight;
      if (roll < 0) return act();
    }
  }

  /** The periodic look of rule 8, for every connection. */
  recheck(): void {
    this.say('everybody re-checks');
    for (const { gateway, process } of this.cluster.gateways) {
      if (!gateway || !process?.isRunning) continue;
      this.world.in(0, process, () => {
        gateway.connections.visitAll((session) => gateway.rechecks.add(session));
      });
    }
  }

  private registers(phone: Phone): void {
    const channel = this.dice.pick(phone.channels);
    const others = [undefined, '', SERVER_KEYS[0], SERVER_KEYS[1]];
    channel.wanted = this.dice.pick(others.filter((key) => key !== channel.wanted));
    phone.ask();
  }

  private forget(phone: Phone): void {
    const { secret } = phone;
    if (secret === undefined) return;
    this.say(`${phone.name} has itself removed`);
    this.dice.pick(this.cluster.registrations).forget(secret);
    phone.forget();
  }

  private leaves(phone: Phone): void {
    if (phone.link === undefined) return;
    const { dice } = this;
    const awayMs = dice.chance(0.5) ? dice.about(300) : dice.about(8_000);
    phone.leave(dice.chance(0.4), awayMs);
  }

  private flushAll(): void {
    if (this.losses++ >= LOSSES_MAX) return;
    this.say('FLUSHALL');
    const { store, oracle, plan } = this.cluster.scene;
    store.lose();
    for (let partition = 0; partition < plan.partitions; partition++) oracle.lost(partition);
  }

  private flushPartition(): void {
    if (this.losses++ >= LOSSES_MAX) return;
    const { store, oracle, plan } = this.cluster.scene;
    const partition = this.dice.roll(plan.partitions);
    this.say(`the store loses partition ${partition}`);
    store.losePartition(partition);
    oracle.lost(partition);
  }

  /** SIGSTOP, and SIGCONT after a while: shorter than a lease, or longer. */
  private hang(host: Host): void {
    const { process } = host;
    if (!process?.isRunning) return;
    process.isPaused = true;
    const { dice } = this;
    const ms = dice.chance(0.5) ? dice.about(3_000) : dice.between(8_000, 40_000);
    this.say(`${host.name} hangs for ${Math.round(ms)} ms`);
    this.world.in(ms, undefined, () => {
      if (!process.isPaused || process.isDead) return;
      this.say(`${host.name} goes on`);
      this.world.resume(process);
    });
  }

  private twin(): void {
    const { twin, gateways } = this.cluster;
    if (twin.process?.isDead === false) return;
    if (this.dice.chance(0.66)) this.hang(gateways[0] as Host);
    twin.start();
  }

  private move(stream: string): void {
    this.cluster.scene.groups.of(stream).move(this.dice.roll(this.cluster.scene.plan.partitions));
  }

  /** Deliveries are kept for an hour; here an hour is short. */
  private forgetDeliveries(): void {
    for (const { id } of this.cluster.gateways.slice(0, 2)) {
      const olderThan = this.world.now + this.cluster.scene.plan.logSkewMs - 20_000;
      const gone = this.cluster.scene.log.dropOlder(deliveriesOf(id), 0, olderThan);
      this.cluster.scene.oracle.met.lostDeliveries += gone;
      this.say(`retention of ${deliveriesOf(id)}: ${gone} records`);
    }
  }

  private away(store: 'view' | 'log'): void {
    const { dice } = this;
    const kind = dice.pick(['down', 'paused'] as const);
    const ms = dice.chance(0.7) ? dice.about(3_000) : dice.between(10_000, 30_000);
    this.say(`the ${store === 'view' ? 'store' : 'log'} is ${kind} for ${Math.round(ms)} ms`);
    this.cluster.scene.weather.begin(store, { kind, untilMs: this.world.now + ms });
  }

  private garbage(): void {
    const { log, plan } = this.cluster.scene;
    const stream = this.dice.pick([NOTIFICATIONS, SUBSCRIPTIONS, deliveriesOf('gw-0')]);
    const partition = stream.startsWith('deliveries') ? 0 : this.dice.roll(plan.partitions);
    this.say(`garbage in ${stream}`);
    const value = this.dice.chance(0.5) ? Buffer.from('garbage') : null;
    const key = Buffer.from(this.dice.hex(8));
    log.append(stream, partition, [{ key, value, headers: { outcome: 'garbage' } }]);
  }

  private clockJump(): void {
    const { scene } = this.cluster;
    const byMs = this.dice.pick([-30_000, -2_000, -1, 1, 2_000, 30_000]);
    scene.storeSkewMs += byMs;
    if (byMs < 0) scene.oracle.hasClockGoneBack = true;
    this.say(`the store's clock is off by ${scene.storeSkewMs} ms`);
  }

  private get phone(): Phone {
    return this.dice.pick(this.cluster.phones);
  }

  private pick<H extends Host>(hosts: readonly H[]): H {
    return this.dice.pick(hosts);
  }

  private get dice() {
    return this.world.dice;
  }

  private get world() {
    return this.cluster.scene.world;
  }

  private say(what: string): void {
    this.world.say('fault', () => what);
  }
}
