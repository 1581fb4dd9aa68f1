import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Of V8's `gc` function: the collection that also takes away what it keeps in reserve. */
const LAST_RESORT = { type: 'major', execution: 'sync', flavor: 'last-resort' } as const;
/** A heap that a rebuild has filled takes too long to walk through, and needs its reserve. */
const QUIET_BYTES_MAX = 96 * 1024 * 1024;

/**
 * Starting leaves about 30 MB behind: code that ran once, and a young generation that has grown to its largest.
 * A service that then waits makes no garbage, so V8 would keep them for ever. Collects once (about 50 ms) and gives
 * the memory back; under load the heap grows again as it needs to.
 */
export function giveBackStartMemory(): void {
  if (process.memoryUsage().heapUsed > QUIET_BYTES_MAX) return;
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('typeof gc === "function" ? gc : undefined');
  setFlagsFromString('--no-expose-gc');
  if (typeof collect === 'function') Reflect.apply(collect, undefined, [LAST_RESORT]);
}
