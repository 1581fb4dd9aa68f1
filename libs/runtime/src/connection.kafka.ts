/**
 * The way to Kafka: addresses and credentials, clients made from them, and a watch that knows whether anybody answers.
 * kafkajs speaks through our log; what it tries again by itself is said at most once in 10 s.
 */
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { Kafka, logLevel } from 'kafkajs';
import type { Admin, ISocketFactory, KafkaConfig, LogEntry, SASLOptions } from 'kafkajs';
import { connectLean } from './lean-reads.js';
import type { Log } from './log.js';
import './lean-requests.kafka.js';
import './quiet-connections.kafka.js';
import { kafkaReason } from './store-reasons.js';
import type { KafkaAccess } from './store-settings.js';
import { askKafka, refuseKafka } from './version.kafka.js';

export interface KafkaClientOptions {
  /** Who asks, for the broker's logs and quotas. */
  readonly clientId: string;
  readonly log: Log;
  /** A request without an answer for so long has failed: a broker that vanished sends no word. */
  readonly requestTimeoutMs: number;
  /** Tries before a call fails; default: it never does, for a broker that is away comes back. */
  readonly retries?: number;
}

const CONNECT_TIMEOUT_MS = 3_000;
const KEEP_ALIVE_MS = 10_000;
const LOOK_EVERY_MS = 2_000;
/** Two looks that failed, or one that hangs. */
const SILENCE_MS_MAX = 5_000;

export function createKafka(access: KafkaAccess, options: KafkaClientOptions): Kafka {
  const { brokers, tls, sasl } = access;
  const { clientId, log, requestTimeoutMs, retries = Number.MAX_SAFE_INTEGER } = options;
  return new Kafka({
    brokers: [...brokers],
    clientId,
    ...(tls && { ssl: tls.caFile === undefined ? true : { ca: readFileSync(tls.caFile, 'utf8') } }),
    // A copy: kafkajs keeps what it makes of user and password in there.
    ...(sasl && { sasl: { ...sasl } as SASLOptions }),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    authenticationTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: requestTimeoutMs,
    retry: { initialRetryTime: 100, maxRetryTime: 1_000, retries },
    socketFactory,
    logLevel: logLevel.INFO,
    logCreator: () => (entry) => pass(entry, log),
  } satisfies KafkaConfig);
}

/** Whether Kafka answers, by asking it: kafkajs tells nobody that a broker has gone. */
export class KafkaWatch {
  private readonly admin: Admin;
  private answeredAtMs: number | undefined;
  private lastError: unknown;
  private next: NodeJS.Timeout | undefined;
  private isStopped = false;
  private looking: Promise<void> = Promise.resolve();

  constructor(
    private readonly access: KafkaAccess,
    private readonly log: Log,
    clientId: string,
  ) {
    const options = { clientId, log: log.with({ of: 'watch' }), requestTimeoutMs: 4_000 };
    this.admin = createKafka(access, { ...options, retries: 0 }).admin({ retry: { retries: 0 } });
  }

  /**
   * Resolves when it has answered for the first time. Looks on from then on, until {@link stop}. Rejects with a
   * sentence when it is a Kafka that we cannot work with.
   */
  async start(): Promise<void> {
    let told: Awaited<ReturnType<typeof askKafka>>;
    for (;;) {
      await (this.looking = this.look());
      told ??= await askKafka(this.access);
      if (told !== undefined) refuseKafka(told.versions, told.broker);
      if (this.answeredAtMs !== undefined || this.isStopped) break;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    this.schedule();
  }

  /** Why it counts as away; undefined: it answers. */
  get absence(): string | undefined {
    const at = this.access.brokers.join(', ');
    if (this.answeredAtMs === undefined) {
      const why = this.lastError === undefined ? '' : `: ${this.reason}`;
      return `Kafka at ${at} has not answered yet${why}`;
    }
    const silentMs = performance.now() - this.answeredAtMs;
    if (silentMs < SILENCE_MS_MAX) return undefined;
    return `Kafka at ${at} has not answered for ${Math.round(silentMs / 1_000)} s`;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.next);
    await this.looking;
    await this.admin.disconnect();
  }

  private schedule(): void {
    if (this.isStopped) return;
    this.next = setTimeout(() => {
      this.looking = this.look();
      void this.looking.then(() => this.schedule());
    }, LOOK_EVERY_MS);
  }

  /** Never rejects. */
  private async look(): Promise<void> {
    const brokers = this.access.brokers.join(', ');
    try {
      await this.admin.connect();
      await this.admin.describeCluster();
      if (this.lastError !== undefined) this.log.info('Kafka answers', { brokers });
      this.lastError = undefined;
      this.answeredAtMs = performance.now();
    } catch (error) {
      this.lastError = error;
      const text = this.answeredAtMs === undefined ? 'waits for Kafka' : 'Kafka does not answer';
      this.log.sampled('kafka away', text, { brokers, reason: this.reason });
    }
  }

  /** Settings are wrong from the beginning, or not at all: who hangs up later has gone. */
  private get reason(): string {
    if (this.answeredAtMs === undefined) return kafkaReason(this.lastError, this.access);
    return this.lastError instanceof Error ? this.lastError.message : String(this.lastError);
  }
}

/** Small requests must not wait for each other's acknowledgement. */
const socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) ? {} : { servername: host }), ...ssl }, onConnect)
    : connectLean({ host, port }, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  socket.setNoDelay(true);
  return socket;
};

/** What it says of its own doings is for debugging; what went wrong, it tries again. */
function pass({ level, namespace, log: { message, ...rest } }: LogEntry, log: Log): void {
  const { error, groupId, broker } = rest as Record<string, unknown>;
  const fields = {
    from: `kafkajs ${namespace}`,
    ...(error === undefined ? {} : { reason: String(error) }),
    ...(groupId === undefined ? {} : { groupId }),
    ...(broker === undefined ? {} : { broker }),
  };
  if (level <= logLevel.WARN) log.sampled('kafkajs', message, fields);
  else log.debug(message, fields);
}
