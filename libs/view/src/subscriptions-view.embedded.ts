import type { Announcement, DeviceId, Subscription } from '#webpush';
import { SubscriptionLookup, SubscriptionsView } from './subscriptions-view.js';
import type {
  FoundDevice,
  FoundSubscription,
  SubscriptionsMark,
  ViewState,
} from './subscriptions-view.js';
import type { EmbeddedStore } from './store.embedded.js';

export class EmbeddedSubscriptionLookup extends SubscriptionLookup {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override find(): Promise<FoundSubscription> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override findDevice(): Promise<FoundDevice> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override list(): Promise<{
    readonly state: ViewState;
    readonly subscriptions: readonly Subscription[];
  }> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }
}

export class EmbeddedSubscriptionsView extends SubscriptionsView {
  constructor(private readonly store: EmbeddedStore) {
    super();
  }

  override writeThrough(): Promise<void> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override mark(): Promise<SubscriptionsMark | undefined> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override createMark(): Promise<void> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override apply(): Promise<readonly Announcement[] | undefined> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override setReady(): Promise<boolean> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }

  override notSeenSince(): Promise<readonly DeviceId[]> {
    throw new Error(`not built yet: ${this.store.options.partitions}`);
  }
}
