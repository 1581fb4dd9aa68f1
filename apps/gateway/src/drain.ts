/**
 * SIGTERM: devices come back some seconds after their close, all at the same distance, so the closes are spread
 * out. What is connected is served meanwhile. The lease goes last, for then no claim of ours is left to be believed.
 */
import type { Settler } from '#outcomes';
import { atMost } from '#runtime';
import type { Claims } from './claims.js';
import type { Connections } from './connections.js';
import type { HeldLease } from './lease.js';
import type { Session } from './session.js';

/** Fewer connections than this need no spreading over the whole time. */
const CLOSES_PER_SECOND_MIN = 500;
const SLICE_MS = 100;
/** For acks, releases and the lease, when store or log are slow. What is left over is redelivered or ends by itself. */
const FAREWELL_MS = 5_000;

export interface DrainParts {
  readonly connections: Connections;
  readonly settler: Settler;
  readonly claims: Claims;
  readonly lease: HeldLease;
  readonly drainSeconds: number;
  readonly sleep: (ms: number) => Promise<void>;
}

export class Drain {
  constructor(private readonly parts: DrainParts) {}

  /** Resolves when the last connection is closed and what it left behind is settled. */
  async run(): Promise<void> {
    const { connections, settler, claims, lease, drainSeconds, sleep } = this.parts;
    const perSecond = Math.max(
      CLOSES_PER_SECOND_MIN,
      connections.size / Math.max(0.1, drainSeconds),
    );
    const slice = Math.ceil((perSecond * SLICE_MS) / 1_000);
    while (connections.size > 0) {
      closeSome(connections, slice);
      if (connections.size > 0) await sleep(SLICE_MS);
    }
    await atMost(FAREWELL_MS, Promise.all([settler.drain(), claims.drain()]));
    await atMost(FAREWELL_MS, lease.release()).catch(() => undefined);
  }
}

function closeSome(connections: Connections, count: number): void {
  const some: Session[] = [];
  connections.visitAll((session) => {
    if (some.length < count) some.push(session);
  });
  for (const session of some) session.close('draining');
}
