/**
 * Steps 3 and 4 of the flow (design §1): issues receiver identifiers and tells the log which subscriptions
 * there are. Every change is appended to `subscriptions`, written through into the view, and only then
 * answered (design §5, rule 9), so that a POST that follows a `register` never meets a view that does not
 * know it. What it leaves out: who may ask (the gateway's socket and the REST door decide that).
 */
import { randomBytes } from 'node:crypto';
import { SUBSCRIPTIONS, encodeSubscriptionFact } from '#streams';
import type { StreamProducer } from '#streams';
import type { SubscriptionLookup, SubscriptionsView } from '#view';
import { NONCE_BYTES, fingerprintOf, partitionOf, sealReceiverId } from '#webpush';
import type { DeviceId, KeyRing, SubscriptionFact, SubscriptionId } from '#webpush';

export interface RegistrarOptions {
  readonly keyRing: KeyRing;
  /** Origin of endpoints, without a trailing slash. */
  readonly publicEndpointUrl: string;
  readonly partitions: number;
  readonly subscriptionsPerDeviceMax: number;
  /** A call that has not ended by then is rejected; a gateway answers within 1 s (contract §1). */
  readonly deadlineMs: number;
  readonly clock?: () => number;
}

export interface RegistrarPorts {
  readonly producer: StreamProducer;
  readonly view: SubscriptionsView;
  readonly lookup: SubscriptionLookup;
}

/** With whom the device agrees: the VAPID key as the client gave it, the web site's URL. Both optional. */
export interface Counterpart {
  readonly key?: string;
  readonly site?: string;
}

export type Registration =
  | { readonly kind: 'registered'; readonly receiver: string; readonly endpoint: string }
  /** `invalid key`: no P-256 point in base64url. `too many`: the device has as many as it may. */
  | { readonly kind: 'refused'; readonly reason: 'invalid key' | 'too many' };

/** Last seen is written anew when it is older (design §4). */
export const SEEN_AGAIN_AFTER_MS = 7 * 86_400_000;

/**
 * All methods are idempotent and reject with an Error when log or view are away or the deadline passes; the
 * change may have happened all the same, and the caller's repetition is harmless.
 */
export class Registrar {
  private readonly clock: () => number;
  /** The latest registration under way of a device: the next one waits for it. */
  private readonly turns = new Map<DeviceId, Promise<Registration>>();

  constructor(
    private readonly ports: RegistrarPorts,
    private readonly options: RegistrarOptions,
  ) {
    this.clock = options.clock ?? Date.now;
  }

  /**
   * The same subscription again gives another receiver id that works as well; with another key it takes the
   * place of the old one, whose receiver ids are then 410 by their fingerprint.
   */
  register(
    device: DeviceId,
    subscription: SubscriptionId,
    counterpart: Counterpart = {},
  ): Promise<Registration> {
    return this.inTurn(device, () => this.issue(device, subscription, counterpart));
  }

  /** Removes one subscription; an unknown one is removed just as well. */
  unregister(device: DeviceId, subscription: SubscriptionId): Promise<void> {
    return this.inTime('unregister', this.write({ kind: 'gone', device, subscription }));
  }

  /** The device was here now. Callers ask for it at hello and at re-checks, see {@link isSeenLongAgo}. */
  seen(device: DeviceId): Promise<void> {
    return this.inTime('seen', this.write({ kind: 'seen', device, at: this.clock() }));
  }

  /** Whether a last-seen time that the view gave is due to be written again. */
  isSeenLongAgo(seenAt: number | undefined): boolean {
    return seenAt === undefined || this.clock() - seenAt > SEEN_AGAIN_AFTER_MS;
  }

  /** Removes the device with all that it has. */
  forget(device: DeviceId): Promise<void> {
    return this.inTime('forget', this.remove(device));
  }

  /** One after the other, each with its deadline: at once, all of them would find room below the limit. */
  private inTurn(device: DeviceId, issue: () => Promise<Registration>): Promise<Registration> {
    const before = this.turns.get(device);
    const turn = this.inTime('register', before ? before.then(issue, issue) : issue());
    this.turns.set(device, turn);
    const end = (): void => {
      if (this.turns.get(device) === turn) this.turns.delete(device);
    };
    turn.then(end, end);
    return turn;
  }

  private async issue(
    device: DeviceId,
    subscription: SubscriptionId,
    { key, site }: Counterpart,
  ): Promise<Registration> {
    const fingerprint = key === undefined ? undefined : fingerprintOf(key);
    if (key !== undefined && !fingerprint) return { kind: 'refused', reason: 'invalid key' };
    const [known, { seenAt }] = await Promise.all([
      this.ports.lookup.list(device),
      this.ports.lookup.findDevice(device),
    ]);
    const others = known.subscriptions.filter((entry) => entry.subscription !== subscription);
    if (others.length >= this.options.subscriptionsPerDeviceMax) {
      return { kind: 'refused', reason: 'too many' };
    }
    const present = { kind: 'present', device, subscription, fingerprint, site } as const;
    // A device that never comes back must be found by age too, so its first record says when.
    const isUnseen = this.isSeenLongAgo(seenAt);
    const seen = isUnseen ? this.write({ kind: 'seen', device, at: this.clock() }) : undefined;
    await Promise.all([seen, this.write(present)]);
    return this.registered(present);
  }

  private registered(sealed: Parameters<typeof sealReceiverId>[1]): Registration {
    const receiver = sealReceiverId(this.options.keyRing, sealed, randomBytes(NONCE_BYTES));
    const version = sealed.fingerprint === undefined ? 'v1' : 'v2';
    const endpoint = `${this.options.publicEndpointUrl}/wpush/${version}/${receiver}`;
    return { kind: 'registered', receiver, endpoint };
  }

  /**
   * Each subscription has its own key in the compacted log, and a tombstone does not stay for ever: without
   * one of its own each would come back with the next rebuild.
   */
  private async remove(device: DeviceId): Promise<void> {
    const { state, subscriptions } = await this.ports.lookup.list(device);
    // One that a rebuild has not come to yet would get no tombstone.
    if (state !== 'ready') throw new Error(`the subscriptions view is ${state}: forget it later`);
    const facts: SubscriptionFact[] = subscriptions.map(({ subscription }) => ({
      kind: 'gone',
      device,
      subscription,
    }));
    // Last in the log: a forgotten device whose subscriptions still stand is forgotten again.
    facts.push({ kind: 'forgotten', device });
    await Promise.all(facts.map((fact) => this.write(fact)));
  }

  private async write(fact: SubscriptionFact): Promise<void> {
    const partition = partitionOf(fact.device, this.options.partitions);
    const record = encodeSubscriptionFact(fact);
    const offset = await this.ports.producer.append(SUBSCRIPTIONS, partition, record);
    await this.ports.view.writeThrough({ ...fact, offset });
  }

  private async inTime<T>(what: string, work: Promise<T>): Promise<T> {
    const { deadlineMs } = this.options;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new Error(`${what} has not ended within ${deadlineMs} ms: log or view is slow`);
      timer = setTimeout(reject, deadlineMs, error);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
