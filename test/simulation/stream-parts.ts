import type { Calls } from './calls.js';
import type { SimLog } from './sim-log.js';
import type { SimProcess, World } from './world.js';

/** The log as one process reaches it. */
export interface StreamParts {
  readonly world: World;
  readonly calls: Calls;
  readonly log: SimLog;
  readonly process: SimProcess;
}
