/**
 * Step 6 of the flow (design §1): what happens to a POST between its socket and the log. One line of calls
 * over plain values, in the order in which contract §2 refuses: receiver id → VAPID → subscription → body
 * size → headers → append. The path was looked at before, the bytes of HTTP are the server's.
 */
import {
  AppendFailed,
  NOTIFICATIONS,
  encodeCancel,
  encodeNotification,
  type StreamProducer,
  type StreamRecord,
} from '#streams';
import { Step, type Log } from '#runtime';
import type { SubscriptionLookup } from '#view';
import {
  VapidVerifier,
  openMessageId,
  openReceiverId,
  parsePushHeaders,
  parseTraceparent,
  partitionOf,
  rawMessageId,
  sealMessageId,
  type KeyRing,
  type MessageId,
  type PushHeaderFields,
  type Receiver,
  type RefusalName,
  type Refused,
  type TraceContext,
  type Unopened,
  type VapidFields,
} from '#webpush';
import type { IngestCounts } from './ingest-counts.js';
import { Nonces } from './nonces.js';

export interface IngestPorts {
  readonly lookup: SubscriptionLookup;
  readonly producer: StreamProducer;
}

export interface IngestOptions {
  readonly keyRing: KeyRing;
  readonly publicEndpointUrl: string;
  readonly partitions: number;
  readonly payloadBytesMax: number;
  readonly ttlSecondsMax: number;
  readonly vapidTokensMax: number;
  readonly log: Log;
  readonly clock?: () => number;
  /** Whether a live service of the cluster holds the key with this id; absent: there are no other services. */
  readonly isHeldElsewhere?: (keyId: string) => boolean;
}

/** The header fields of a push, as received. */
export type PushFields = PushHeaderFields & VapidFields & TraceFields;

interface TraceFields {
  readonly traceparent?: string;
}

/** Whom a POST is for, by its path; see `Route` of kind `push`. */
export interface Address {
  readonly receiver: string;
  /** The path says that there is a key (`v2`). */
  readonly needsKey: boolean;
}

export type Answer =
  | { readonly kind: 'accepted'; readonly id: MessageId; readonly ttlSeconds: number }
  | { readonly kind: 'canceled' }
  | Refused;

/** A notification ready to be appended. */
interface Draft {
  readonly kind: 'draft';
  readonly id: MessageId;
  readonly ttlSeconds: number;
  readonly record: StreamRecord;
}

const refused = (refusal: RefusalName, reason?: string): Refused =>
  reason === undefined ? { kind: 'refused', refusal } : { kind: 'refused', refusal, reason };

const RECEIVER_UNKNOWN = refused('receiverUnknown');
const MESSAGE_UNKNOWN = refused('messageUnknown');
const UNAVAILABLE = refused('unavailable');

export class Ingest {
  private readonly verifier: VapidVerifier;
  private readonly nonces = new Nonces();
  private readonly clock: () => number;

  constructor(
    private readonly ports: IngestPorts,
    private readonly options: IngestOptions,
    private readonly counts: IngestCounts,
  ) {
    const { publicEndpointUrl, vapidTokensMax } = options;
    this.verifier = new VapidVerifier({ audience: publicEndpointUrl, cacheMax: vapidTokensMax });
    this.clock = options.clock ?? Date.now;
  }

  /** What the head of a request decides alone: whose endpoint it is, and whether this sender may use it. */
  open(address: Address, fields: VapidFields): ({ readonly kind: 'opened' } & Receiver) | Refused {
    const receiver = openReceiverId(this.options.keyRing, address.receiver);
    if (receiver.kind !== 'opened') return this.unopened(receiver, RECEIVER_UNKNOWN);
    // The sealed id decides, not the path; but a path that promises a key leads to no unkeyed endpoint.
    if (address.needsKey && receiver.fingerprint === undefined) return RECEIVER_UNKNOWN;
    const sender = this.verifier.verify(fields, this.clock());
    if (sender.kind === 'refused') return refused('vapidInvalid', sender.reason);
    if (receiver.fingerprint === undefined) return receiver;
    if (sender.kind === 'none') {
      return refused('vapidInvalid', 'this endpoint belongs to a key: no Authorization header');
    }
    if (sender.fingerprint !== receiver.fingerprint) {
      return refused('vapidInvalid', 'this endpoint belongs to another key');
    }
    return receiver;
  }

  /**
   * The rest. `payload` is copied before this returns, so it may be memory that is reclaimed afterwards;
   * undefined: more than is allowed. Accepted means durable (design §5, rule 1). Never rejects for an outage.
   */
  async accept(
    receiver: Receiver,
    fields: PushHeaderFields & TraceFields,
    payload: Buffer | undefined,
  ): Promise<Answer> {
    const step = stepOf(fields);
    const draft = this.draft(receiver, fields, { payload, trace: step?.context });
    let answer: Answer;
    try {
      const absent = await this.absence(receiver);
      if (absent) answer = absent;
      else if (draft.kind === 'refused') answer = draft;
      else {
        await this.append(receiver, draft.record);
        this.counts.accepted++;
        answer = { kind: 'accepted', id: draft.id, ttlSeconds: draft.ttlSeconds };
      }
    } catch (error) {
      answer = this.outage(error);
    }
    step?.end(answer.kind === 'refused' ? answer.refusal : answer.kind);
    return answer;
  }

  /** A sender's DELETE: a `cancel` in the log, so it also catches what is accepted and not yet applied (rule 4). */
  async cancel(message: string): Promise<Answer> {
    const opened = openMessageId(this.options.keyRing, message);
    if (opened.kind !== 'opened') return this.unopened(opened, MESSAGE_UNKNOWN);
    try {
      await this.append(opened, encodeCancel(opened.device, opened.id));
    } catch (error) {
      return this.outage(error);
    }
    this.counts.canceled++;
    return { kind: 'canceled' };
  }

  /** A token whose key a live service holds is a key that has not arrived here yet, no dead endpoint (design §6). */
  private unopened(token: Unopened, unknown: Refused): Refused {
    const isForeign =
      token.kind === 'unknown key' && this.options.isHeldElsewhere?.(token.keyId) === true;
    return isForeign ? UNAVAILABLE : unknown;
  }

  /** Size and headers: refusals here are told only when the subscription is there. */
  private draft(
    receiver: Receiver,
    fields: PushHeaderFields,
    { payload, trace }: { readonly payload?: Buffer; readonly trace?: TraceContext },
  ): Draft | Refused {
    const { keyRing, payloadBytesMax, ttlSecondsMax } = this.options;
    if (payload === undefined || payload.length > payloadBytesMax) {
      return refused('payloadTooLarge', `at most ${payloadBytesMax} bytes`);
    }
    const headers = parsePushHeaders(fields, { hasBody: payload.length > 0, ttlSecondsMax });
    if (headers.kind === 'refused') return headers;
    const { device, subscription } = receiver;
    const { ttlSeconds, urgency, topic, encoding, encryption, cryptoKey } = headers;
    const id = sealMessageId(keyRing, receiver, this.nonces.next());
    const value = encodeNotification({
      id,
      device,
      subscription,
      ttlSeconds,
      urgency,
      topic,
      encoding,
      encryption,
      cryptoKey,
      trace,
      payload,
    });
    return { kind: 'draft', id, ttlSeconds, record: { key: rawMessageId(id), value } };
  }

  /** Found and fitting: go on, whatever the state. Otherwise 410 only if `ready` (rule 9). */
  private async absence({
    device,
    subscription,
    fingerprint,
  }: Receiver): Promise<Refused | undefined> {
    const { lookup } = this.ports;
    const { state, found } = await lookup.find(device, subscription);
    if (found !== undefined && found.fingerprint === fingerprint) return undefined;
    if (state !== 'ready') return UNAVAILABLE;
    if (found !== undefined) {
      return refused('subscriptionGone', 'the channel was registered again with another key');
    }
    const { isKnown } = await lookup.findDevice(device);
    return refused(isKnown ? 'subscriptionGone' : 'deviceGone');
  }

  private async append({ device }: Pick<Receiver, 'device'>, record: StreamRecord): Promise<void> {
    const began = performance.now();
    await this.ports.producer.append(
      NOTIFICATIONS,
      partitionOf(device, this.options.partitions),
      record,
    );
    this.counts.appendSeconds.observe((performance.now() - began) / 1_000);
  }

  private outage(error: unknown): Refused {
    const what = error instanceof AppendFailed ? 'append failed' : 'lookup failed';
    this.options.log.sampled(what, `${what}: answered 503`, { error });
    return UNAVAILABLE;
  }
}

/** Nearly always undefined: a sender has to ask for it. */
function stepOf({ traceparent }: TraceFields): Step | undefined {
  const trace = traceparent === undefined ? undefined : parseTraceparent(traceparent);
  return trace && new Step('accept', trace);
}
