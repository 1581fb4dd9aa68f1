/**
 * `hg:{services}`: who lives in the cluster and which endpoint keys it holds, each entry renewed like a lease. So a
 * key is moved to the front only when all hold it, and an endpoint sealed with a key that has not arrived here yet
 * is no dead endpoint (design §6).
 */
import type { Cluster, Redis } from 'ioredis';
import { StartRefused, type Log } from '#runtime';
import type { KeyRing } from '#webpush';
import { LiveServices } from './live-services.js';

export const SERVICE_TTL_MS = 15_000;
/** Renewals in that time. */
const RENEWALS = 5;
const REGISTRY = 'hg:{services}';

/** An entry is `<role>/<instance> <key id>,<key id>…`, its score when it ends by Redis's clock. */
const LIVE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', now))
local function renew() redis.call('ZADD', KEYS[1], string.format('%.0f', now + ARGV[2]), ARGV[1]) end
`;

/** ARGV: entry, ttl (ms), sealing key. Who lacks the key, with their scores; enters only if nobody does. */
const ENTER = `${LIVE}
local lacking, all = {}, redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')
for i = 1, #all, 2 do
  if not string.find(string.match(all[i], ' (.*)$') or '', ARGV[3], 1, true) then
    lacking[#lacking + 1] = all[i]
    lacking[#lacking + 1] = all[i + 1]
  end
end
if #lacking == 0 then renew() end
return lacking
`;

/** ARGV: entry, ttl (ms). Answers with all entries. */
const RENEW = `${LIVE}
renew()
return redis.call('ZRANGE', KEYS[1], 0, -1)
`;

export interface LiveServicesOptions {
  readonly redis: Redis | Cluster;
  readonly role: string;
  /** Never reused. */
  readonly instance: string;
  readonly keyRing: KeyRing;
  readonly log: Log;
  /** Called with each renewal, beside it; what it throws on purpose ends the process. */
  readonly confirm: () => Promise<void>;
  /** Called once: the process has to end. */
  readonly end: (reason: Error) => void;
  /** Default: {@link SERVICE_TTL_MS}. */
  readonly ttlMs?: number;
}

export class RedisLiveServices extends LiveServices {
  private readonly entry: string;
  private readonly ttlMs: number;
  /** By key id: when an entry with it was last seen (ms, monotonic). */
  private readonly seenAtMs = new Map<string, number>();
  private renewedAtMs = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private renewing: Promise<void> = Promise.resolve();

  constructor(private readonly options: LiveServicesOptions) {
    super();
    const { role, instance, keyRing, ttlMs = SERVICE_TTL_MS } = options;
    this.ttlMs = ttlMs;
    this.entry = `${role}/${instance} ${keyRing.keys.map(({ id }) => id).join(',')}`;
  }

  override hold(keyId: string): boolean {
    const now = performance.now();
    if (now - this.renewedAtMs > this.ttlMs) return true;
    // Remembered for as long as an entry lives: after a loss of Redis they come back one by one.
    return now - (this.seenAtMs.get(keyId) ?? -Infinity) < this.ttlMs;
  }

  /**
   * Enters the registry. While another lacks the key that this one would seal with it waits for that entry to end,
   * and refuses with a sentence when the entry is renewed.
   */
  async enter(): Promise<void> {
    const { redis, keyRing, log } = this.options;
    const scores = new Map<string, number>();
    for (;;) {
      const args = [REGISTRY, this.entry, this.ttlMs, keyRing.sealingKeyId];
      const lacking = (await redis.eval(ENTER, 1, ...args)) as readonly string[];
      if (lacking.length === 0) break;
      for (let i = 0; i < lacking.length; i += 2) {
        const [entry = '', score = ''] = lacking.slice(i, i + 2);
        if (Number(score) > (scores.get(entry) ?? Infinity)) throw this.lacks(entry);
        scores.set(entry, Number(score));
      }
      log.sampled('key', 'waits: a service lacks the key that this one would seal with', {
        service: lacking[0],
        key: keyRing.sealingKeyId,
      });
      await new Promise((resolve) => setTimeout(resolve, this.ttlMs / (2 * RENEWALS)));
    }
    await this.renew();
    this.schedule();
  }

  /** The last act: who takes its place need not wait. */
  async leave(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.renewing;
    await this.options.redis.zrem(REGISTRY, this.entry).catch(() => undefined);
  }

  private schedule(): void {
    this.timer = setTimeout(() => {
      this.renewing = this.renew().catch((error: unknown) => this.failed(error));
      void this.renewing.then(() => this.timer && this.schedule());
    }, this.ttlMs / RENEWALS);
  }

  private async renew(): Promise<void> {
    const args = [REGISTRY, this.entry, this.ttlMs];
    const entries = (await this.options.redis.eval(RENEW, 1, ...args)) as readonly string[];
    const now = performance.now();
    for (const entry of entries) {
      if (entry === this.entry) continue;
      for (const keyId of entry.split(' ')[1]?.split(',') ?? []) this.seenAtMs.set(keyId, now);
    }
    this.renewedAtMs = now;
    await this.options.confirm();
  }

  private failed(error: unknown): void {
    const { log, end } = this.options;
    if (error instanceof StartRefused) end(error);
    else log.sampled('services', 'the entry among the live services was not renewed', { error });
  }

  private lacks(entry: string): StartRefused {
    const [service] = entry.split(' ');
    const { sealingKeyId } = this.options.keyRing;
    return new StartRefused(
      `The live service ${service} lacks the endpoint key ${sealingKeyId} that this one would seal with. Add the ` +
        `key to ENDPOINT_KEYS of all services first, at the end; move it to the front when all have it.`,
    );
  }
}
