/**
 * A cluster with devices and senders, to which faults are done:
 *
 * ```ts
 * const arena = await Arena.open(FULL);
 * const row = await arena.play(fault);     // or begin(), strike() for each of several, end()
 * await arena.close();
 * ```
 */
import { setTimeout as pause } from 'node:timers/promises';
import { NOTIFICATIONS } from '#streams';
import type { Outcome } from '#webpush';
import { startCluster, type Cluster } from '../support/cluster.js';
import { diceOf } from '../support/crowd.js';
import { vapidKeys } from '../support/sender.js';
import type { ServiceProcess } from '../support/service-process.js';
import type { Accounts } from '../support/standalone.js';
import { audit, type Findings } from './audit.js';
import type { Fault } from './faults.js';
import { Ledger } from './ledger.js';
import { LogReader } from './log-reader.js';
import { PushClient, type Character, type Surroundings } from './push-client.js';
import { Senders } from './senders.js';

export interface Scale {
  readonly devices: number;
  readonly perSecond: number;
  readonly seed: number;
  /** Seconds of load before a fault, and after all are ready again. */
  readonly before: number;
  readonly after: number;
  readonly say: (note: string) => void;
}

export interface Row extends Findings {
  readonly name: string;
  /** POSTs sent a second. */
  readonly perSecond: number;
  readonly accepted: number;
  /** Answered 503, or with another 5xx, or not at all. */
  readonly unavailable: number;
  readonly broken: number;
  readonly silent: number;
  /** From the fault until the last POST that failed or frame that came more than 2 s after its 201. */
  readonly wellAfter: number;
  /** From the end of the load until everything had its outcome, in the log too. */
  readonly quietAfter: number;
}

const LATE_MS = 2_000;
const QUIET_WITHIN_MS = 150_000;
const READY_WITHIN_MS = 240_000;
const ACCEPTED_WITHIN_MS = 180_000;
const TICK_MS = 50;

export class Arena {
  private ledger = new Ledger();
  private ticking: NodeJS.Timeout | undefined;
  private faultAt = 0;
  private losesView = false;
  private endsIngest = false;
  private readonly drift = new Map<Outcome, number>();

  private constructor(
    readonly cluster: Cluster,
    private readonly scale: Scale,
    private readonly clients: readonly PushClient[],
    readonly senders: Senders,
    private readonly log: LogReader,
  ) {}

  static async open(scale: Scale): Promise<Arena> {
    const cluster = await startCluster({ gateways: 3, ingests: 2, routers: 2, registrations: 1 });
    try {
      const dice = diceOf(scale.seed);
      const keys = vapidKeys();
      const gatewayUrls = cluster.gateways.map((_, i) => cluster.gatewayUrl(i));
      const around: Surroundings = { gatewayUrls, dice, key: keys.publicKey };
      const clients = Array.from(
        { length: scale.devices },
        (_, i) => new PushClient(i, characterOf(i / scale.devices), around),
      );
      for (let i = 0; i < clients.length; i += 50) {
        await Promise.all(clients.slice(i, i + 50).map((client) => client.join()));
      }
      const senders = new Senders({ cluster, clients, keys, dice });
      const log = new LogReader(
        cluster.kafka.brokers,
        `${cluster.env.STREAM_PREFIX}${NOTIFICATIONS}`,
      );
      return new Arena(cluster, scale, clients, senders, log);
    } catch (error) {
      await cluster.dispose();
      throw error;
    }
  }

  async play(fault: Fault): Promise<Row> {
    await this.begin();
    await this.strike(fault);
    return this.end(fault.name);
  }

  async begin(): Promise<void> {
    this.ledger = new Ledger();
    this.log.begin();
    this.losesView = false;
    this.endsIngest = false;
    const now = performance.now();
    for (const client of this.clients) client.stir(now);
    this.ticking = setInterval(() => {
      const at = performance.now();
      for (const client of this.clients) client.live(at);
    }, TICK_MS);
    this.senders.start(this.scale.perSecond, this.ledger);
    await this.load(this.scale.before);
    this.faultAt = performance.now();
  }

  async strike(fault: Fault): Promise<void> {
    const { cluster, senders, scale } = this;
    if (fault.losesView) this.losesView = true;
    if (fault.endsIngest) this.endsIngest = true;
    await fault.act({ cluster, senders, say: scale.say });
    await this.ready();
    await this.load(scale.after);
  }

  async end(name: string): Promise<Row> {
    const { clients, ledger, log, losesView, drift } = this;
    const perSecond = await this.senders.stop();
    clearInterval(this.ticking);
    const stoppedAt = performance.now();
    await Promise.all(clients.map((client) => client.calm()));
    const accounts = await this.quiet();
    const quietAfter = (performance.now() - stoppedAt) / 1_000;
    const findings = audit({ ledger, log, clients, accounts, losesView, drift });
    return {
      ...findings,
      ...{ name, perSecond, quietAfter },
      complaints: [...findings.complaints, ...(await this.ghosts()), ...this.silence()],
      accepted: ledger.count(201),
      unavailable: ledger.count(503),
      broken: ledger.count(
        ...[...ledger.answers.keys()].filter((one) => one >= 500 && one !== 503),
      ),
      silent: ledger.count(0),
      wellAfter: this.wellAfter(),
    };
  }

  async close(): Promise<void> {
    clearInterval(this.ticking);
    this.senders.end();
    await this.cluster.dispose();
    await Promise.all(this.clients.map((client) => client.leave()));
  }

  private silence(): readonly string[] {
    const silent = this.ledger.count(0);
    const isWrong = silent > 0 && !this.endsIngest;
    return isWrong ? [`${silent} POSTs had no answer, and no ingest had ended`] : [];
  }

  /** Each has said so once: on a machine that is busy with something else one or another may be away for a moment. */
  private async ready(): Promise<void> {
    const end = performance.now() + READY_WITHIN_MS;
    const isReady = async (service: ServiceProcess): Promise<void> => {
      while (!(await service.isReady())) {
        if (performance.now() > end) {
          const reasons = JSON.stringify((await service.report())?.checks);
          throw new Error(`${service.name} is not ready: ${reasons}`);
        }
        await pause(100);
      }
    };
    await Promise.all(this.cluster.services.map(isReady));
  }

  /** That so many seconds' worth has been accepted, however long it takes. */
  private async load(seconds: number): Promise<void> {
    const wanted = this.ledger.count(201) + 0.9 * seconds * this.scale.perSecond;
    await until(
      'the load is not accepted',
      ACCEPTED_WITHIN_MS,
      () => this.ledger.count(201) >= wanted,
    );
  }

  /** The last accounts, when everything has its outcome and the log tells it; or when patience has ended. */
  private async quiet(): Promise<Accounts> {
    const { cluster, log } = this;
    const end = performance.now() + QUIET_WITHIN_MS;
    for (;;) {
      const accounts = await cluster.accounts();
      const isQuiet = accounts.pending === 0 && accounts.unaccounted === 0;
      if (isQuiet || performance.now() > end) {
        await log.readOn();
        const isTold = [...log.logged.values()].every(({ told }) => told.length > 0);
        if (isTold && accounts.accepted === log.notifications) return accounts;
        if (performance.now() > end) return accounts;
      }
      await pause(500);
    }
  }

  /** Connections that nobody has closed, though their device has come back by another. */
  private async ghosts(): Promise<readonly string[]> {
    const haunted = (): readonly PushClient[] => this.clients.filter((one) => one.openCount !== 1);
    await until('', 30_000, () => haunted().length === 0).catch(() => undefined);
    return haunted().map(
      ({ number, openCount }) => `device ${number} has ${openCount} connections`,
    );
  }

  private wellAfter(): number {
    let wellAt = this.faultAt;
    for (const { status, answeredAt = 0 } of this.ledger.sent.values()) {
      if (status === 503 || status === 0) wellAt = Math.max(wellAt, answeredAt);
    }
    for (const client of this.clients) {
      if (client.character === 'sleeper') continue;
      const first = new Set<string>();
      for (const { id, number, at } of client.connections.flat()) {
        const acceptedAt = this.ledger.sent.get(number)?.answeredAt ?? at;
        if (!first.has(id) && at - acceptedAt > LATE_MS) wellAt = Math.max(wellAt, at);
        first.add(id);
      }
    }
    return (wellAt - this.faultAt) / 1_000;
  }
}

/** A third is restless, a tenth sleeps, a fifth moves. */
function characterOf(share: number): Character {
  if (share < 0.34) return 'restless';
  if (share < 0.44) return 'sleeper';
  return share < 0.64 ? 'mover' : 'steady';
}

async function until(what: string, withinMs: number, is: () => boolean): Promise<void> {
  const end = performance.now() + withinMs;
  while (!is()) {
    if (performance.now() > end) throw new Error(`${what} within ${withinMs} ms`);
    await pause(50);
  }
}
