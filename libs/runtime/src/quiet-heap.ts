import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Of V8's `gc` function: the collection that also takes away what it keeps in reserve. */
const LAST_RESORT = { type: 'major', execution: 'sync', flavor: 'last-resort' } as const;
/** A heap that is larger takes too long to walk through, and needs its reserve. */
const QUIET_BYTES_MAX = 96 * 1024 * 1024;
const LOOK_EVERY_MS = 10_000;
/** Of one core, over the time between two looks. */
const IDLE_SHARE_MAX = 0.03;
/** Less is not worth a collection. */
const WORTH_BYTES = 12 * 1024 * 1024;

/** What a {@link QuietHeap} sees of its process. */
export interface HeapOwner {
  /** User and system, ms. */
  cpuMs(): number;
  residentBytes(): number;
  heapUsedBytes(): number;
  collect(): void;
}

/**
 * Gives memory back once a burst is over. Starting, or a crowd of devices that connects, leaves some 30 MB behind:
 * code that ran once, and a young generation that has grown to its largest. A service that then waits makes no
 * garbage, so V8 would keep them for ever. Collects (about 50 ms) only while the process does next to nothing, and
 * once for each burst; under load the heap grows again as it needs to.
 */
export class QuietHeap {
  private keptBytes = 0;
  private cpuMs: number;

  constructor(private readonly owner: HeapOwner = thisProcess()) {
    this.cpuMs = owner.cpuMs();
  }

  /** Collects now, and from now on looks every ten seconds. Keeps no process alive. */
  start(): void {
    this.giveBack();
    setInterval(() => this.look(), LOOK_EVERY_MS).unref();
  }

  look(): void {
    const before = this.cpuMs;
    this.cpuMs = this.owner.cpuMs();
    const isIdle = this.cpuMs - before <= IDLE_SHARE_MAX * LOOK_EVERY_MS;
    if (isIdle && this.owner.residentBytes() - this.keptBytes >= WORTH_BYTES) this.giveBack();
  }

  private giveBack(): void {
    if (this.owner.heapUsedBytes() > QUIET_BYTES_MAX) return;
    this.owner.collect();
    // What stays is in use: it is not asked for again until there is more.
    this.keptBytes = this.owner.residentBytes();
    this.cpuMs = this.owner.cpuMs();
  }
}

function thisProcess(): HeapOwner {
  setFlagsFromString('--expose-gc');
  const gc: unknown = runInNewContext('typeof gc === "function" ? gc : undefined');
  setFlagsFromString('--no-expose-gc');
  return {
    cpuMs: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1000;
    },
    residentBytes: () => process.memoryUsage.rss(),
    heapUsedBytes: () => process.memoryUsage().heapUsed,
    collect: () => void (typeof gc === 'function' && Reflect.apply(gc, undefined, [LAST_RESORT])),
  };
}
