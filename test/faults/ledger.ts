/** What the senders know: every notification that they sent, what it was answered, and how it may end. */

/** A subscription as a device and its senders know it. `leaving` from the moment its removal was asked for. */
export interface Endpoint {
  readonly client: number;
  readonly channelID: string;
  readonly isKeyed: boolean;
  url: string;
  state: 'registering' | 'live' | 'leaving' | 'gone';
  /** When its removal was answered with 200. */
  goneAt?: number;
}

/**
 * `plain` must arrive. The others may end otherwise: `topic` be replaced, `brief` expire (TTL 2 s), `instant`
 * (TTL 0) be dropped, `deleted` be deleted, and whatever was sent to an endpoint that was given up, be gone.
 */
export type Kind = 'plain' | 'topic' | 'brief' | 'instant' | 'deleted';

export interface Sent {
  /** Begins the payload; unique. */
  readonly number: number;
  readonly bytes: number;
  readonly kind: Kind;
  readonly endpoint: Endpoint;
  readonly topic: string | undefined;
  readonly startedAt: number;
  /** The last one to the same endpoint that was accepted before this one was sent: it lies before it in the log. */
  readonly after: Sent | undefined;
  answeredAt?: number;
  /** 0: no answer; whether it is in the log nobody knows. */
  status?: number;
  /** The last segment of `Location`. */
  id?: string;
  isCancelled?: boolean;
}

export class Ledger {
  readonly sent = new Map<number, Sent>();
  readonly complaints: string[] = [];
  /** POSTs by status; 0: no answer. */
  readonly answers = new Map<number, number>();

  count(...statuses: readonly number[]): number {
    return statuses.reduce((sum, status) => sum + (this.answers.get(status) ?? 0), 0);
  }

  answered(sent: Sent, status: number, id: string | undefined): void {
    sent.answeredAt = performance.now();
    sent.status = status;
    if (id !== undefined) sent.id = id;
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1);
    const fault = faultOf(sent, status);
    if (fault) this.complaints.push(`POST ${sent.number} was answered ${status}: ${fault}`);
  }
}

/** 410 is right for an endpoint that was given up, 503 and silence for an outage, and nothing else is right. */
function faultOf({ endpoint, startedAt }: Sent, status: number): string | undefined {
  if (status === 0 || status === 503) return undefined;
  if (status === 410) return endpoint.state === 'live' ? 'its endpoint lives' : undefined;
  if (status !== 201) return 'an outage is a 503';
  const isGone = endpoint.goneAt !== undefined && endpoint.goneAt < startedAt;
  return isGone ? 'its endpoint had been given up' : undefined;
}
