/** What this push client must not forget, in memory, and its way into the storage. */
import type { ClientStorage, StoredDevice, StoredSubscription } from './storage.js';
import { Subscription } from './subscription.js';

export class Device {
  uaid: string | undefined;
  readonly subscriptions = new Map<string, Subscription>();
  /** Channels that the service is still to be told to forget. */
  readonly leaving = new Set<string>();
  private writing: Promise<void> = Promise.resolve();
  private queued: Promise<void> | undefined;
  private isOurs = true;

  constructor(
    private readonly storage: ClientStorage,
    private readonly leave: (subscription: Subscription) => Promise<boolean>,
  ) {}

  /** Forgets what is in memory for what was saved last. */
  async load(): Promise<void> {
    await this.writing.catch(() => undefined);
    this.isOurs = true;
    const stored = await this.storage.load();
    this.uaid = stored?.uaid;
    this.forget();
    for (const one of stored?.subscriptions ?? []) {
      this.subscriptions.set(one.channelID, new Subscription(one, this.leave));
    }
    for (const channel of stored?.leaving ?? []) this.leaving.add(channel);
  }

  /** Fulfilled with the new subscription when it is stored. */
  async add(stored: StoredSubscription): Promise<Subscription> {
    const subscription = new Subscription(stored, this.leave);
    this.subscriptions.set(stored.channelID, subscription);
    await this.save();
    return subscription;
  }

  /** In memory: the service does not know us any more. */
  forget(): void {
    this.subscriptions.clear();
    this.leaving.clear();
  }

  /** Another client has the device now, and its storage: nothing is written until the next `load`. */
  release(): void {
    this.isOurs = false;
  }

  /** Fulfilled when what is in memory now is stored. Calls while one write runs share the next. */
  save(): Promise<void> {
    return (this.queued ??= this.writing
      .catch(() => undefined)
      .then(() => {
        this.queued = undefined;
        if (!this.isOurs) return;
        return (this.writing = this.storage.save(this.snapshot()));
      }));
  }

  private snapshot(): StoredDevice {
    return {
      format: 1,
      uaid: this.uaid,
      subscriptions: Array.from(this.subscriptions.values(), (one) => one.snapshot()),
      leaving: [...this.leaving],
    };
  }
}
