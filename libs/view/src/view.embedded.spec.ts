import { viewContract } from './view.contract.js';
import type { OpenStore, StoreSettings } from './view.contract.js';
import {
  EmbeddedLeases,
  EmbeddedMailbox,
  EmbeddedPartitionView,
  EmbeddedPresence,
  EmbeddedStore,
  EmbeddedSubscriptionLookup,
  EmbeddedSubscriptionsView,
} from './view.embedded.js';

viewContract('the store in memory', openEmbedded);

/** Several clients on one store; time passes when the test says so. */
function openEmbedded(settings: StoreSettings): Promise<OpenStore> {
  let now = 1_750_000_000_000;
  const store = new EmbeddedStore({ ...settings, clock: () => now });
  const clients = [0, 1, 2].map(() => ({
    presence: new EmbeddedPresence(store),
    mailbox: new EmbeddedMailbox(store),
    view: new EmbeddedPartitionView(store),
    lookup: new EmbeddedSubscriptionLookup(store),
    subscriptions: new EmbeddedSubscriptionsView(store),
    leases: new EmbeddedLeases(store),
  }));
  return Promise.resolve({
    clients,
    now: () => Promise.resolve(now),
    advance: (ms) => {
      now += ms;
      return Promise.resolve();
    },
    lose: () => Promise.resolve(store.lose()),
    close: () => Promise.resolve(),
  });
}
