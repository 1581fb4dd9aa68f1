/** The push client library. Browser-safe; the storage for Node has its own entry, `#client.file`. */
export { HeliographClient, type ClientOptions, type SubscribeOptions } from './client.js';
export { systemClock, type Clock } from './clock.js';
export {
  type ClientEvents,
  type FailureEvent,
  type PushData,
  type PushEvent,
  type StateChangeEvent,
  type SubscriptionChangeEvent,
} from './events.js';
export type { LinkState } from './link.js';
export {
  MemoryStorage,
  type ClientStorage,
  type StoredDevice,
  type StoredSubscription,
} from './storage.js';
export { IndexedDbStorage } from './storage.indexed-db.js';
export type { Subscription, SubscriptionJson } from './subscription.js';
