/**
 * The way to Redis, one server or a Cluster. While it is away commands fail at once instead of waiting in a queue: a
 * sender is told 503 and a device 1013 within the second, and nothing that was given up is executed later. What
 * must happen after all is repeated by its caller, who knows whether that does harm.
 */
import { readFileSync } from 'node:fs';
import { Cluster, Redis } from 'ioredis';
import type { RedisOptions } from 'ioredis';
import { gatherWrites } from './gathered-writes.redis.js';
import { LeanConnector } from './lean-connector.redis.js';
import type { Log } from './log.js';
import { StartRefused } from './start-refused.js';
import { redisReason, userOf } from './store-reasons.js';
import type { RedisAccess } from './store-settings.js';

export interface RedisClientOptions {
  /** Shown by `CLIENT LIST`. */
  readonly name: string;
  readonly log: Log;
  /** A command without an answer for so long has failed; it may have been executed all the same. */
  readonly commandTimeoutMs: number;
  /** Commands leave at most so often, together; default: at the end of each turn. */
  readonly gatherMs?: number;
}

const CONNECT_TIMEOUT_MS = 2_000;
const RECONNECT_MS = { first: 20, last: 1_000 };
/** Beyond the time of a command: a connection on which nothing comes back is given up for a new one. */
const DEAD_AFTER_MS = 1_500;
const WAIT_SAID_EVERY_MS = 10_000;
/** Of a Cluster: a command for a shard that is away is tried so often, every 100 ms. */
const REDIRECTIONS_MAX = 6;

export type RedisClient = Redis | Cluster;

export class RedisLink {
  readonly client: RedisClient;
  /** For messages: without user and password. */
  readonly address: string;
  readonly user: string;
  private lastError: Error | undefined;
  private wasReady = false;

  constructor(
    private readonly access: RedisAccess,
    private readonly options: RedisClientOptions,
  ) {
    this.address = access.urls.map((url) => new URL(url).host).join(', ');
    this.user = userOf(access);
    this.client = createClient(access, options);
    this.client.on('error', (error: Error) => this.onError(error));
    this.client.on('node error', (error: Error) => this.onError(error));
  }

  /** Resolves when it can be used. Rejects with a sentence if the addresses are of the wrong kind. */
  async start(): Promise<void> {
    const { log } = this.options;
    const waits = (): void =>
      log.info('waits for Redis', { at: this.address, reason: this.reason });
    const saying = setInterval(waits, WAIT_SAID_EVERY_MS);
    try {
      while (this.client.status !== 'ready') {
        if (this.reason.includes('cluster support disabled')) throw noCluster(this.address);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    } finally {
      clearInterval(saying);
    }
    this.wasReady = true;
    if (this.client instanceof Redis) await this.refuseNodeOfCluster(this.client);
    let isAway = false;
    this.client.on('close', () => (isAway = true));
    this.client.on('ready', () => {
      if (isAway) log.info('Redis is back', { at: this.address });
      isAway = false;
    });
  }

  /** Why it counts as away; undefined: it can be used. */
  get absence(): string | undefined {
    if (this.client.status === 'ready') return undefined;
    return `Redis at ${this.address} is away: ${this.reason}`;
  }

  /** What was sent is answered first. */
  async stop(): Promise<void> {
    if (this.client.status === 'ready') await this.client.quit().catch(() => undefined);
    this.client.disconnect();
  }

  private get reason(): string {
    if (this.lastError === undefined) return 'no connection yet';
    // Settings are wrong from the beginning, or not at all: who hangs up later has gone.
    return this.wasReady ? this.lastError.message : redisReason(this.lastError, this.access);
  }

  /** A Cluster that finds no node of use tells by the way what the last one said. */
  private onError(error: Error & { readonly lastNodeError?: Error }): void {
    this.lastError = error.lastNodeError ?? error;
    const fields = { at: this.address, reason: this.reason };
    this.options.log.sampled('redis away', 'Redis cannot be reached', fields);
  }

  /** Only one of its nodes would be known, and every key of another would be refused. */
  private async refuseNodeOfCluster(redis: Redis): Promise<void> {
    const info = await redis.info('server').catch(() => '');
    if (!info.includes('redis_mode:cluster')) return;
    throw new StartRefused(
      `REDIS_URL names one node of a Redis Cluster, ${this.address}: name several, comma-separated.`,
    );
  }
}

function createClient(access: RedisAccess, options: RedisClientOptions): RedisClient {
  const { commandTimeoutMs, name, gatherMs } = options;
  /** Each connection has a stream of its own. */
  const gathering = (redis: Redis): Redis =>
    redis.on('ready', () => gatherWrites(redis.stream, gatherMs));
  const nodeOptions: RedisOptions = {
    connectionName: name,
    disableClientInfo: true, // one right less that a user needs
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: commandTimeoutMs,
    socketTimeout: commandTimeoutMs + DEAD_AFTER_MS,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    ...(isTls(access) ? tlsOf(access) : { Connector: LeanConnector }),
  };
  const [first = '', ...others] = access.urls;
  if (others.length === 0) {
    const options = { ...nodeOptions, enableOfflineQueue: false, retryStrategy: pauseMs };
    return gathering(new Redis(first, options));
  }
  const { username, password } = new URL(first);
  const cluster = new Cluster([...access.urls], {
    redisOptions: {
      ...nodeOptions,
      ...(username && { username: decodeURIComponent(username) }),
      ...(password && { password: decodeURIComponent(password) }),
    },
    enableOfflineQueue: false,
    clusterRetryStrategy: pauseMs,
    maxRedirections: REDIRECTIONS_MAX,
    slotsRefreshTimeout: CONNECT_TIMEOUT_MS,
    // Certificates bear names: they must not be resolved before TLS has seen them.
    ...(isTls(access) && { dnsLookup: (name, done) => done(null, name) }),
  });
  return cluster.on('+node', gathering);
}

function tlsOf({ caFile }: RedisAccess): RedisOptions {
  return { tls: caFile === undefined ? {} : { ca: readFileSync(caFile) } };
}

function isTls({ urls }: RedisAccess): boolean {
  return urls.some((url) => url.startsWith('rediss:'));
}

/** Spread out, so that a fleet does not come back in one moment. */
function pauseMs(times: number): number {
  const pause = Math.min(RECONNECT_MS.first * 2 ** (times - 1), RECONNECT_MS.last);
  return pause * (0.75 + Math.random() / 2);
}

function noCluster(address: string): StartRefused {
  return new StartRefused(
    `REDIS_URL names several servers, ${address}, but they are no Redis Cluster: name one server.`,
  );
}
