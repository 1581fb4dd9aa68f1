/**
 * Every call of a service to a port goes through here: it takes its time to get there, is executed (or not, or
 * twice), and its answer takes its time to come back (or does not come). In quiet times it is a plain call.
 */
import type { Fate, Store, Weather } from './weather.js';
import type { SimProcess, World } from './world.js';

export type Execute = () => Promise<unknown>;

/** One call, as it is executed: what a check or a mutation gets to see. */
export interface Call {
  readonly process: SimProcess;
  /** Port and method, `view.apply`. */
  readonly what: string;
  /** As they were when the call was made. */
  readonly args: readonly unknown[];
}

/** What stands between a call and its execution: the checks, and what a mutation does to it. */
export type Around = (call: Call, execute: Execute) => Promise<unknown>;

export class CallFailed extends Error {
  override readonly name = 'CallFailed';
}

export class Calls {
  /** Nothing is delayed any more. */
  isDirect = false;
  /** When the last call that was made in bad weather is over. */
  calmAtMs = 0;

  constructor(
    private readonly world: World,
    private readonly weather: Weather,
    private readonly around: Around,
    /** Executed, and its caller does not know. */
    private readonly onStray: (call: Call) => void,
  ) {}

  /** The port as this process sees it. Only methods are called on ports. */
  port<T extends object>(process: SimProcess, name: string, target: T, store: Store = 'view'): T {
    const port: Record<string, unknown> = {};
    for (const method of methodsOf(target)) {
      const what = `${name}.${method}`;
      const run = Reflect.get(target, method) as (...args: readonly unknown[]) => Promise<unknown>;
      port[method] = (...args: readonly unknown[]) => {
        const taken = args.map(asTaken);
        const call = { process, what, args: taken };
        return this.make(call, store, () => run.apply(target, taken));
      };
    }
    return port as T;
  }

  make(call: Call, store: Store, execute: Execute): Promise<unknown> {
    const whole = (): Promise<unknown> => this.around(call, execute);
    if (this.isDirect) return whole();
    const fate = this.weather.fate(store, call.process.name, call.what);
    if (!this.weather.isFine) {
      const overMs = this.world.now + fate.thereMs + 2 * fate.backMs;
      this.calmAtMs = Math.max(this.calmAtMs, overMs);
    }
    return new Promise((resolve, reject) => {
      new Journey(this.world, call, {
        ...{ fate, execute: whole, resolve, reject },
        onStray: this.onStray,
      }).begin();
    });
  }
}

interface JourneyParts {
  readonly fate: Fate;
  readonly execute: Execute;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onStray: (call: Call) => void;
}

class Journey {
  private isOver = false;

  constructor(
    private readonly world: World,
    private readonly call: Call,
    private readonly parts: JourneyParts,
  ) {}

  begin(): void {
    const { world, call, parts } = this;
    const { thereMs, backMs, ending, patienceMs } = parts.fate;
    if (ending === 'lost') this.fail(Math.min(thereMs + backMs, patienceMs), 'lost');
    else world.in(thereMs, undefined, () => void this.arrive());
    if (ending !== 'lost' && thereMs + backMs > patienceMs) {
      this.fail(patienceMs, 'too slow');
      parts.onStray(call);
    }
    if (ending === 'repeated') world.in(thereMs + backMs, undefined, () => void this.again());
    if (ending !== 'answered') world.say(call.process.name, () => `(${call.what}: ${ending})`);
  }

  private async arrive(): Promise<void> {
    const { call, parts } = this;
    if (call.process.isDead && !parts.fate.outlivesCaller) return;
    if (this.isOver) this.world.say(call.process.name, () => `(${call.what}: late)`);
    const isHeard = parts.fate.ending === 'answered' && !this.isOver && !call.process.isDead;
    if (!isHeard) parts.onStray(call);
    try {
      const answer = await parts.execute();
      if (parts.fate.ending === 'answered') this.back(() => parts.resolve(answer));
      else if (parts.fate.ending === 'unanswered') this.fail(parts.fate.backMs, 'unanswered');
    } catch (error) {
      this.back(() => parts.reject(error));
    }
  }

  private async again(): Promise<void> {
    const { parts } = this;
    try {
      const answer = await parts.execute();
      this.back(() => parts.resolve(answer));
    } catch (error) {
      this.back(() => parts.reject(error));
    }
  }

  private fail(ms: number, how: string): void {
    const error = new CallFailed(`${this.call.what}: ${how}`);
    this.at(ms, () => this.parts.reject(error));
  }

  private back(settle: () => void): void {
    this.at(this.parts.fate.backMs, settle);
  }

  private at(ms: number, settle: () => void): void {
    if (this.isOver) return;
    this.world.in(ms, this.call.process, () => {
      if (this.isOver) return;
      this.isOver = true;
      settle();
    });
  }
}

function methodsOf(target: object): readonly string[] {
  const names = new Set<string>();
  for (let at: unknown = target; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name !== 'constructor' && typeof Reflect.get(target, name) === 'function')
        names.add(name);
    }
  }
  return [...names];
}

/** A belief changes while its call is under way; what was sent does not. */
function asTaken(arg: unknown): unknown {
  if (typeof arg !== 'object' || arg === null || !('viewId' in arg)) return arg;
  const { viewId, state, applied } = arg as Record<string, unknown>;
  return { viewId, state, applied };
}
