/**
 * The gateway's word that its claims are true (design §5, rule 7): one lease, renewed every 3 s on the main
 * loop, living 15 s. A loop starved that long has lost it, and then it gets a new epoch and every connection
 * claims again. Another's lease under our name means that we have been replaced.
 */
import { StartRefused } from '#runtime';
import type { Log } from '#runtime';
import type { Leases } from '#view';
import type { GatewayCounts } from './counts.js';
import { newEpoch } from './identity.js';
import type { Identity } from './identity.js';

export const LEASE_TTL_MS = 15_000;
export const LEASE_RENEW_MS = 3_000;
const ASK_AGAIN_MS = 1_000;
/** Beyond the end of a lease that is waited out. */
const MARGIN_MS = 50;

export interface LeaseParts {
  readonly leases: Leases;
  readonly identity: Identity;
  /** Resolves the end of our stream; called before every first lease. */
  readonly resolveEnd: () => Promise<void>;
  /** There is a new epoch: every connection has to claim again. */
  readonly onNewEpoch: () => void;
  /**
   * Renewed after it could not be: a claim that was given up meanwhile, here or at another gateway, may have been
   * executed late, over that of a newer connection, which would not know before its re-check.
   */
  readonly onRecovered: () => void;
  /** Another gateway lives under our name: close everything and end. */
  readonly onReplaced: () => void;
  readonly counts: GatewayCounts;
  /** ms; only differences count. */
  readonly clock: () => number;
  readonly dice: () => number;
  readonly sleep: (ms: number) => Promise<void>;
  readonly log: Log;
}

export class HeldLease {
  private timer: NodeJS.Timeout | undefined;
  private renewedAtMs = 0;
  private isOver = false;
  /** An epoch whose lease may have been set: the answer was lost. */
  private attempted: number | undefined;
  private renewal: Promise<void> | undefined;
  private hasFailed = false;

  constructor(private readonly parts: LeaseParts) {}

  /**
   * Sets the first lease. One that stands is waited out: it is our predecessor's, unless it is renewed
   * meanwhile. Then another gateway lives under this name, and this one refuses to start. A store that does not
   * answer is asked again.
   */
  async begin(): Promise<void> {
    const { leases, identity, dice, sleep, log } = this.parts;
    for (let waited = false; ;) {
      const standing = await this.answered(() => leases.get(identity.id));
      if (standing !== undefined) {
        if (waited) throw livesAlready(identity.id);
        log.info('waits for the lease of its predecessor to end', { ms: standing.remainingMs });
        await sleep(standing.remainingMs + MARGIN_MS);
        waited = true;
        continue;
      }
      await this.parts.resolveEnd();
      const epoch = newEpoch(dice);
      // Set without an answer, it is found standing, waited out, and set anew.
      if (!(await this.answered(() => leases.set(identity.id, epoch, LEASE_TTL_MS)))) continue;
      return this.adopt(epoch);
    }
  }

  private async answered<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        this.parts.log.sampled('lease', 'the lease could not be asked for; tried again', { error });
        await this.parts.sleep(ASK_AGAIN_MS);
      }
    }
  }

  start(): void {
    this.timer = setTimeout(() => void this.tick(), LEASE_RENEW_MS);
  }

  /** ms since it was last renewed. */
  get ageMs(): number {
    return this.parts.clock() - this.renewedAtMs;
  }

  /** Renews no more. The lease ends by itself, or by {@link release}. */
  stop(): void {
    this.isOver = true;
    clearTimeout(this.timer);
  }

  /** The last act of a drain: a successor need not wait. Deletes only our own. */
  async release(): Promise<void> {
    this.stop();
    const { leases, identity } = this.parts;
    await leases.release(identity.id, identity.epoch);
  }

  /**
   * One renewal, and what follows from its answer. Never rejects. One at a time: of two, one would take the
   * lease that the other has just set for a stranger's.
   */
  renew(): Promise<void> {
    this.renewal ??= this.tryToExtend().finally(() => (this.renewal = undefined));
    return this.renewal;
  }

  private async tryToExtend(): Promise<void> {
    try {
      await this.extend();
    } catch (error) {
      this.parts.counts.renewFailures++;
      this.hasFailed = true;
      this.parts.log.sampled('lease', 'the lease could not be renewed', { error });
    }
  }

  private async tick(): Promise<void> {
    await this.renew();
    if (!this.isOver) this.start();
  }

  private async extend(): Promise<void> {
    const { leases, identity } = this.parts;
    const epoch = this.attempted ?? identity.epoch;
    const answer = await leases.renew(identity.id, epoch, LEASE_TTL_MS);
    if (this.isOver) return;
    if (answer === 'replaced') {
      this.stop();
      this.parts.onReplaced();
    } else if (answer === 'lost') await this.setAnew();
    else if (epoch === identity.epoch) this.extended();
    else this.beginAnew(epoch);
  }

  private extended(): void {
    this.renewedAtMs = this.parts.clock();
    if (!this.hasFailed) return;
    this.hasFailed = false;
    this.parts.onRecovered();
  }

  /** A lease is only ever set where none stands; whoever came first is met at the next renewal. */
  private async setAnew(): Promise<void> {
    const { leases, identity, dice } = this.parts;
    const epoch = (this.attempted ??= newEpoch(dice));
    const isSet = await leases.set(identity.id, epoch, LEASE_TTL_MS);
    if (this.isOver) return;
    if (isSet) this.beginAnew(epoch);
    else this.attempted = undefined;
  }

  private beginAnew(epoch: number): void {
    this.adopt(epoch);
    this.parts.log.warn('the lease was lost and set anew: every connection claims again');
    this.parts.onNewEpoch();
  }

  private adopt(epoch: number): void {
    this.attempted = undefined;
    this.hasFailed = false;
    this.parts.identity.epoch = epoch;
    this.parts.counts.epochs++;
    this.renewedAtMs = this.parts.clock();
  }
}

function livesAlready(id: string): StartRefused {
  return new StartRefused(
    `Another gateway named ${id} is alive: it renews its lease. Give each gateway its own GATEWAY_ID.`,
  );
}
