/** Application servers: so many POSTs a second to random devices by random ingests, whatever the answers are. */
import { Agent, request as httpRequest } from 'node:http';
import type { Cluster } from '../support/cluster.js';
import { vapid, type VapidKeys } from '../support/sender.js';
import type { Endpoint, Kind, Ledger, Sent } from './ledger.js';
import type { PushClient } from './push-client.js';

const POST_MS = 20_000;
const DAY_SECONDS = 86_400;
const UNDER_WAY_MAX = 4_000;
const TTL: Readonly<Record<Kind, string>> = {
  ...{ plain: '3600', topic: '3600', deleted: '3600' },
  ...{ brief: '2', instant: '0' },
};

export interface SendersOptions {
  readonly cluster: Cluster;
  readonly clients: readonly PushClient[];
  readonly keys: VapidKeys;
  readonly dice: () => number;
}

export class Senders {
  /** With TTL 0: they may take half a minute until they are dropped. */
  sendsInstants = true;
  private ledger: Ledger | undefined;
  private readonly agent = new Agent({
    ...{ keepAlive: true, maxSockets: Infinity },
    timeout: POST_MS, // with one it heeds how long an ingest keeps a connection
  });
  private readonly underWay = new Set<Promise<void>>();
  private readonly lastAccepted = new Map<Endpoint, Sent>();
  private readonly authorization: string;
  private readonly sleepers: readonly PushClient[];
  private timer: NodeJS.Timeout | undefined;
  private number = 1;
  private began = 0;
  private started = 0;

  constructor(private readonly options: SendersOptions) {
    this.sleepers = options.clients.filter(({ character }) => character === 'sleeper');
    // The longest that a token may live: a clock that is behind must still take it.
    const exp = Math.floor(Date.now() / 1_000) + DAY_SECONDS;
    this.authorization = vapid(options.keys, options.cluster.ingestUrl(0), { exp });
  }

  start(perSecond: number, ledger: Ledger): void {
    this.ledger = ledger;
    this.lastAccepted.clear();
    this.began = performance.now();
    this.started = 0;
    this.timer = setInterval(() => {
      const due = Math.floor(((performance.now() - this.began) / 1_000) * perSecond);
      while (this.started < due) this.sendOne();
    }, 10);
  }

  /** No POST is under way when it resolves. Resolves with how many were sent a second. */
  async stop(): Promise<number> {
    clearInterval(this.timer);
    const seconds = (performance.now() - this.began) / 1_000;
    await Promise.all(this.underWay);
    return (this.ledger?.sent.size ?? 0) / seconds;
  }

  /** So many at once, beside the others. */
  burst(count: number): void {
    for (let i = 0; i < count; i++) this.sendOne();
    this.started -= count;
  }

  end(): void {
    clearInterval(this.timer);
    this.agent.destroy();
  }

  private sendOne(): void {
    this.started++;
    const { ledger } = this;
    if (!ledger || this.underWay.size >= UNDER_WAY_MAX) return;
    const kind = this.kind();
    const endpoint = this.target(kind);
    if (!endpoint) return;
    const sent: Sent = {
      ...{ number: this.number++, kind, endpoint, startedAt: performance.now() },
      bytes: 24 + Math.floor(this.options.dice() ** 3 * 2_000),
      topic: kind === 'topic' ? `topic-${Math.floor(this.options.dice() * 2)}` : undefined,
      after: this.lastAccepted.get(endpoint),
    };
    ledger.sent.set(sent.number, sent);
    const posted = this.post(sent, ledger).finally(() => this.underWay.delete(posted));
    this.underWay.add(posted);
  }

  private kind(): Kind {
    const roll = this.options.dice();
    if (roll < 0.84) return 'plain';
    if (roll < 0.89) return 'topic';
    if (roll < 0.93) return 'brief';
    if (roll < 0.97) return 'deleted';
    return this.sendsInstants ? 'instant' : 'plain';
  }

  /** What can be replaced, expire or be deleted goes to those who sleep more often than not. */
  private target(kind: Kind): Endpoint | undefined {
    const { dice, clients } = this.options;
    const isWaiting = kind === 'topic' || kind === 'brief' || kind === 'deleted';
    const among = isWaiting && dice() < 0.6 ? this.sleepers : clients;
    const client = among[Math.floor(dice() * among.length)];
    // Half of a mover's go to what it will give up; few senders write on when it is gone.
    const endpoint = client?.endpoints.at(dice() < 0.5 ? 0 : -1);
    return endpoint?.state === 'gone' && dice() < 0.95 ? client?.endpoints[0] : endpoint;
  }

  private async post(sent: Sent, ledger: Ledger): Promise<void> {
    const { endpoint, topic, kind, bytes, number } = sent;
    const { status, location } = await this.ask('POST', this.anywhere(endpoint.url), {
      headers: {
        ...{ ttl: TTL[kind], 'content-encoding': 'aes128gcm' },
        ...(topic && { topic }),
        ...(endpoint.isKeyed && { authorization: this.authorization }),
      },
      body: Buffer.alloc(bytes, ' ').fill(`${number} `, 0, String(number).length + 1),
    });
    ledger.answered(sent, status, location?.slice(location.lastIndexOf('/') + 1));
    if (status !== 201) return;
    const last = this.lastAccepted.get(endpoint);
    if (!last || last.startedAt < sent.startedAt) this.lastAccepted.set(endpoint, sent);
    if (kind !== 'deleted' || !location) return;
    sent.isCancelled = true;
    const deleted = await this.ask('DELETE', this.anywhere(location), { headers: {} });
    if (deleted.status === 204 || deleted.status === 503 || deleted.status === 0) return;
    ledger.complaints.push(`DELETE ${number} was answered ${deleted.status}`);
  }

  private anywhere(address: string): string {
    const { cluster, dice } = this.options;
    return cluster.at(Math.floor(dice() * cluster.ingests.length), address);
  }

  private ask(
    method: string,
    url: string,
    { headers, body }: { headers: Record<string, string>; body?: Buffer },
  ): Promise<{ readonly status: number; readonly location?: string }> {
    return new Promise((resolve) => {
      const { agent } = this;
      const length = { 'content-length': String(body?.length ?? 0) };
      const asked = httpRequest(url, { method, agent, headers: { ...headers, ...length } });
      const giveUp = setTimeout(() => asked.destroy(), POST_MS);
      const end = (status: number, location?: string): void => {
        clearTimeout(giveUp);
        resolve({ status, ...(location === undefined ? {} : { location }) });
      };
      asked.on('error', () => end(0));
      asked.on('response', (answer) => {
        const { statusCode = 0, headers: said } = answer.resume();
        answer.on('end', () => end(statusCode, said.location)).on('error', () => end(0));
      });
      asked.end(body);
    });
  }
}
