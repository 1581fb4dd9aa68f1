/** What is known of devices and subscriptions, and by whom: the checks of rule 9, and what `gone` is due to. */
import type { FoundDevice, FoundSubscription, SubscriptionChange } from '#view';
import { deviceIdOf, openReceiverId } from '#webpush';
import type { DeviceId, KeyRing, SubscriptionId } from '#webpush';
import type { LogTruth, Put } from './log-truth.js';
import type { World } from './world.js';

export class Facts {
  /** By the number of a POST: the offset of the registration that its sender could know. */
  private readonly registeredAt = new Map<number, number>();
  /** By the number of a POST: why it was refused. */
  readonly refusals = new Map<number, string>();

  constructor(
    private readonly world: World,
    private readonly log: LogTruth,
    private readonly keyRing: KeyRing,
  ) {}

  /** The offset behind which a device is known; undefined: it is not. */
  knownSince(secret: string): number | undefined {
    const { isKnown, forgottenAt } = this.log.device(deviceIdOf(secret));
    return isKnown ? forgottenAt : undefined;
  }

  /** A device that was told of its registration got a new name: due only if it was forgotten since its hello. */
  renamed(phone: string, hello: { readonly secret: string; readonly knownSince?: number }): void {
    if (hello.knownSince === undefined) return;
    if (hello.knownSince !== this.knownSince(hello.secret)) return;
    this.world.violate('KNOWN', `${phone} was known, and gets a new name`);
  }

  posting(number: number, receiver: string): void {
    const opened = openReceiverId(this.keyRing, receiver);
    if (opened.kind !== 'opened') return;
    const last = this.log.device(opened.device).last(opened.subscription);
    this.registeredAt.set(number, last?.isPresent && last.isThrough ? last.offset : -1);
  }

  /** The Registrar has got the answer of its write-through. */
  through(change: SubscriptionChange): void {
    const truth = this.log.device(change.device);
    if (change.kind === 'forgotten' && truth.forgottenAt === change.offset) {
      truth.isForgottenThrough = true;
    } else if (change.kind === 'seen') {
      const seen = truth.seen.find(({ offset }) => offset === change.offset);
      if (seen) seen.isThrough = true;
    } else if (change.kind === 'present' || change.kind === 'gone') {
      const records = truth.subscriptions.get(change.subscription);
      const record = records?.find(({ offset }) => offset === change.offset);
      if (record) record.isThrough = true;
    }
  }

  /** Since the POST was begun somebody has removed the subscription; or it was not there for all to see. */
  wasRemoved({ number, about: { device, subscription } }: Put): boolean {
    const since = this.registeredAt.get(number) ?? -1;
    return since < 0 || this.log.device(device).wasRemovedAfter(subscription, since);
  }

  /** What an ingest was told of a subscription. */
  found(
    [device, subscription]: [DeviceId, SubscriptionId],
    { state, found }: FoundSubscription,
  ): void {
    const last = this.log.device(device).last(subscription);
    if (!last?.isThrough || state !== 'ready') return;
    const { world } = this;
    const name = world.trace?.nameOf(subscription) ?? subscription;
    if (!last.isPresent && found) {
      world.violate('P9', `${name} is found after its removal was answered`);
    } else if (last.isPresent && (!found || found.fingerprint !== last.fingerprint)) {
      const what = found ? 'has another key' : 'is not found';
      world.violate('P9', `${name} ${what} after its registration was answered`);
    }
  }

  foundDevice(device: DeviceId, { state, isKnown }: FoundDevice): void {
    if (isKnown || state !== 'ready' || !this.log.device(device).isKnown) return;
    const { world } = this;
    world.violate('KNOWN', `${world.trace?.nameOf(device) ?? device} is not known any more`);
  }

  refused(number: number, refusal: string): void {
    this.refusals.set(number, refusal);
  }
}
