/** Where a service runs: it is started, killed, stopped, and started again by whoever watches over it. */
import type { Scene } from './scene.js';
import { SimProcess, errorText } from './world.js';

/** What a boot leaves behind for the host. */
export interface Running {
  /** SIGTERM: resolves when the process may end. */
  stop(): Promise<void>;
}

const FAREWELL_MS = 8_000;

export abstract class Host {
  process: SimProcess | undefined;
  private running: Running | undefined;

  constructor(
    protected readonly scene: Scene,
    readonly name: string,
  ) {}

  get isUp(): boolean {
    return this.running !== undefined && this.process?.isRunning === true;
  }

  /** Wires the service and starts it. Rejects when it cannot. */
  protected abstract boot(process: SimProcess): Promise<Running>;

  /** The process is gone: for what hangs on it. */
  protected onExit(_process: SimProcess): void {
    // Most have nothing.
  }

  /** Whether whoever watches over it starts it again. */
  protected get isWanted(): boolean {
    return true;
  }

  start(): void {
    const { world, plan } = this.scene;
    const process = (this.process = new SimProcess(this.name));
    process.skewMs = world.dice.pick(plan.skewsMs);
    world.say(this.name, () => `starts${process.skewMs ? `, clock off by ${process.skewMs}` : ''}`);
    world.in(0, process, () => {
      this.boot(process).then(
        (running) => {
          if (this.process === process) this.running = running;
        },
        (error: unknown) => {
          world.say(this.name, () => `cannot start: ${String(error)}`);
          this.exit(process);
        },
      );
    });
  }

  kill(): void {
    if (this.process && !this.process.isDead) this.exit(this.process, 'is killed');
  }

  /** SIGTERM, and the end that follows. */
  terminate(): void {
    const { process, running } = this;
    const { world } = this.scene;
    if (!running || !process?.isRunning) return;
    world.say(this.name, () => 'is stopped');
    this.running = undefined;
    world.in(0, process, () => {
      const end = (): void => this.exit(process, 'has ended');
      setTimeout(end, FAREWELL_MS);
      running.stop().then(end, (error: unknown) => {
        world.violate('CRASH', `${this.name} failed while it stopped: ${errorText(error)}`);
      });
    });
  }

  /** From inside: the process ends itself. */
  protected exit(process: SimProcess, how = 'ends'): void {
    if (process.isDead) return;
    const { world } = this.scene;
    world.say(this.name, () => how);
    process.isDead = true;
    this.onExit(process);
    if (this.process === process) this.running = undefined;
    this.watchOver();
  }

  /** Whoever watches over it starts it again, after a moment. */
  watchOver(): void {
    const { world, isQuiet } = this.scene;
    const { dice } = world;
    world.in(isQuiet ? 500 : dice.about(3_000), undefined, () => {
      if (this.isWanted && (this.process === undefined || this.process.isDead)) this.start();
    });
  }
}
