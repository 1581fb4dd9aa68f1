/**
 * The clock and the timers of the world in place of Node's, for as long as a schedule runs: the services take
 * them where they always do. A timer belongs to the process that set it, and `Date.now` is that process's
 * clock, which may be off.
 */
import { createRequire, syncBuiltinESMExports } from 'node:module';
import type { Happening, World } from './world.js';

type Callback = (...args: unknown[]) => void;

/** As much of Node's timers as anybody here uses. */
class Timer {
  happening: Happening | undefined;
  ref = (): this => this;
  unref = (): this => this;
  hasRef = (): boolean => true;
  cancel(): void {
    if (this.happening) this.happening.run = undefined;
    this.happening = undefined;
  }
}

interface Replaceable {
  setTimeout: unknown;
  setInterval: unknown;
  setImmediate: unknown;
  clearTimeout: unknown;
  clearInterval: unknown;
  clearImmediate: unknown;
}

const timersPromises = createRequire(import.meta.url)('node:timers/promises') as {
  setImmediate: unknown;
};

/** From now on time is the world's. Returns what gives Node's back. */
export function install(world: World): () => void {
  const globals = globalThis as unknown as Replaceable;
  const before = { ...pick(globals), now: Date.now, inPromises: timersPromises.setImmediate };
  Object.assign(globals, timersOf(world));
  Date.now = () => Math.floor(world.now) + (world.current?.skewMs ?? 0);
  timersPromises.setImmediate = () => world.pause(0);
  syncBuiltinESMExports();
  return () => {
    const { now, inPromises, ...timers } = before;
    Object.assign(globals, timers);
    Date.now = now;
    timersPromises.setImmediate = inPromises;
    syncBuiltinESMExports();
  };
}

function pick(from: Replaceable): Replaceable {
  const { setTimeout, setInterval, setImmediate } = from;
  const { clearTimeout, clearInterval, clearImmediate } = from;
  return { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate };
}

function timersOf(world: World): Replaceable {
  const once = (ms: number, run: Callback, args: unknown[]): Timer => {
    const timer = new Timer();
    timer.happening = world.in(ms, world.current, () => run(...args));
    return timer;
  };
  const every = (ms: number, run: Callback, args: unknown[]): Timer => {
    const timer = new Timer();
    const owner = world.current;
    const again = (): void => {
      timer.happening = world.in(ms, owner, again);
      run(...args);
    };
    timer.happening = world.in(ms, owner, again);
    return timer;
  };
  const clear = (timer: Timer | undefined): void => timer?.cancel();
  return {
    setTimeout: (run: Callback, ms = 1, ...args: unknown[]) => once(Math.max(1, ms), run, args),
    setInterval: (run: Callback, ms = 1, ...args: unknown[]) => every(Math.max(1, ms), run, args),
    setImmediate: (run: Callback, ...args: unknown[]) => once(0, run, args),
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate: clear,
  };
}
