import type { Announcement, DeviceId, Subscription, SubscriptionId } from '#webpush';
import { subscriptionOf } from './device.embedded.js';
import type { Device, SubscriptionEntry } from './device.embedded.js';
import { keepChanges, oldestSeen, subscriptionsMarkAt, writeChange } from './keeping.embedded.js';
import type { EmbeddedStore } from './store.embedded.js';
import { SubscriptionLookup, SubscriptionsView } from './subscriptions-view.js';
import type {
  FoundDevice,
  FoundSubscription,
  SubscriptionChange,
  SubscriptionsBelief,
  SubscriptionsMark,
  ViewState,
} from './subscriptions-view.js';

export class EmbeddedSubscriptionLookup extends SubscriptionLookup {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override find(device: DeviceId, subscription: SubscriptionId): Promise<FoundSubscription> {
    const { devices, subscriptionsMark } = this.store.partitionOf(device);
    const state: ViewState = subscriptionsMark?.state ?? 'none';
    const entry = subscriptionOf(devices.get(device), subscription);
    const found = entry && presentOf(entry);
    return Promise.resolve(found ? { state, found } : { state });
  }

  override findDevice(id: DeviceId): Promise<FoundDevice> {
    const { devices, subscriptionsMark } = this.store.partitionOf(id);
    const state: ViewState = subscriptionsMark?.state ?? 'none';
    const device = devices.get(id);
    const seenAt = device?.seenAt;
    if (seenAt !== undefined) return Promise.resolve({ state, isKnown: true, seenAt });
    return Promise.resolve({ state, isKnown: presentOn(device).length > 0 });
  }

  override list(
    device: DeviceId,
  ): Promise<{ readonly state: ViewState; readonly subscriptions: readonly Subscription[] }> {
    const { devices, subscriptionsMark } = this.store.partitionOf(device);
    const state: ViewState = subscriptionsMark?.state ?? 'none';
    return Promise.resolve({ state, subscriptions: presentOn(devices.get(device)) });
  }
}

export class EmbeddedSubscriptionsView extends SubscriptionsView {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override writeThrough(change: SubscriptionChange): Promise<void> {
    writeChange(this.store.partitionOf(change.device), change);
    return Promise.resolve();
  }

  override mark(partition: number): Promise<SubscriptionsMark | undefined> {
    const { subscriptionsMark: mark } = this.store.partition(partition);
    return Promise.resolve(mark && { ...mark });
  }

  override createMark(partition: number): Promise<void> {
    this.store.partition(partition).subscriptionsMark ??= {
      viewId: this.store.nameView(),
      state: 'rebuilding',
      applied: 0,
      isSwept: false,
    };
    return Promise.resolve();
  }

  override apply(
    partition: number,
    belief: SubscriptionsBelief,
    batch: { readonly changes: readonly SubscriptionChange[]; readonly next: number },
  ): Promise<readonly Announcement[] | undefined> {
    return Promise.resolve(keepChanges(this.store.partition(partition), belief, batch));
  }

  override setReady(partition: number, belief: SubscriptionsBelief): Promise<boolean> {
    const mark = subscriptionsMarkAt(this.store.partition(partition), belief);
    if (mark?.state === 'rebuilding') {
      mark.state = 'ready';
      mark.isSwept = false;
    }
    return Promise.resolve(mark !== undefined);
  }

  override notSeenSince(
    partition: number,
    before: number,
    limit: number,
  ): Promise<readonly DeviceId[]> {
    return Promise.resolve(oldestSeen(this.store.partition(partition), before, limit));
  }
}

function presentOn(device: Device | undefined): readonly Subscription[] {
  const present: Subscription[] = [];
  for (let entry = device?.subscriptions; entry; entry = entry.next) {
    const found = presentOf(entry);
    if (found) present.push(found);
  }
  return present;
}

/** undefined for a `gone`. */
function presentOf({ id: subscription, terms }: SubscriptionEntry): Subscription | undefined {
  if (!terms) return undefined;
  const { fingerprint, site } = terms;
  if (site !== undefined) {
    return fingerprint === undefined ? { subscription, site } : { subscription, fingerprint, site };
  }
  return fingerprint === undefined ? { subscription } : { subscription, fingerprint };
}
