import { Announcer, Settler } from '#outcomes';
import { Gateway } from '../../apps/gateway/src/gateway.js';
import { Host, type Running } from './host.js';
import type { Scene } from './scene.js';
import { registrarOf } from './registrar-of.js';
import type { SimSocket } from './sim-socket.js';
import type { SimProcess } from './world.js';

const DRAIN_SECONDS = 2;

export interface Place {
  readonly id: string;
  /** It is started by hand, and nobody watches over it. */
  readonly isSpare: boolean;
  readonly others: () => readonly GatewayHost[];
}

/** A gateway as its module makes it, with a network in memory. */
export class GatewayHost extends Host {
  gateway: Gateway | undefined;
  settler: Settler | undefined;
  /** Sockets may open. */
  isListening = false;
  readonly sockets = new Set<SimSocket>();

  constructor(
    scene: Scene,
    name: string,
    private readonly place: Place,
  ) {
    super(scene, name);
  }

  /** A second process under this id that lives makes this one needless, and a spare one never comes back. */
  protected override get isWanted(): boolean {
    return !this.place.isSpare && this.twins.every(({ process }) => process?.isDead !== false);
  }

  get id(): string {
    return this.place.id;
  }

  private get twins(): readonly GatewayHost[] {
    return this.place.others().filter((other) => other !== this && other.id === this.id);
  }

  protected override async boot(process: SimProcess): Promise<Running> {
    this.isListening = false;
    const { world, plan } = this.scene;
    const { dice } = world;
    const ports = this.scene.portsOf(process);
    const { view, producer, consumer, catalog, presence, mailbox, lookup, leases, log } = ports;
    const settler = new Settler(view, new Announcer(producer, view));
    const gateway = new Gateway(
      {
        ...{ producer, consumer, catalog, presence, mailbox, lookup, leases, settler, log },
        registrar: registrarOf(this.scene, ports),
        end: (reason) => {
          world.say(this.name, () => reason.message);
          setTimeout(() => this.exit(process), 1);
        },
      },
      {
        id: this.id,
        partitions: plan.partitions,
        limits: { ...LIMITS, windowMax: plan.windowMax },
        times: { ...TIMES, recheckIntervalMs: plan.recheckIntervalMs },
      },
      {
        clock: () => Date.now(),
        ticks: () => world.now,
        dice: () => dice.next(),
        newSecret: () => dice.hex(32),
      },
    );
    this.gateway = gateway;
    this.settler = settler;
    await gateway.begin();
    gateway.keepTime();
    this.isListening = true;
    return {
      stop: async () => {
        this.isListening = false;
        await gateway.drain();
      },
    };
  }

  protected override onExit(): void {
    this.isListening = false;
    for (const socket of this.sockets) socket.cutOff();
    this.sockets.clear();
  }

  /** Another under this id may be wanted now. */
  override watchOver(): void {
    super.watchOver();
    for (const twin of this.twins) twin.reconsider();
  }

  private reconsider(): void {
    super.watchOver();
  }
}

const LIMITS = {
  frameBytesMax: 65_536,
  framesPerSecondMax: 1_000,
  connectionsMax: 1_000,
  connectionsPerAddressMax: 0,
  windowMax: 64,
  windowBytesMax: 262_144,
  socketBufferBytesMax: 524_288,
  subscriptionsPerDeviceMax: 100,
};
const TIMES = {
  helloTimeoutMs: 20_000,
  pingIntervalMs: 3_600_000,
  clientPingMinMs: 45_000,
  drainSeconds: DRAIN_SECONDS,
};
