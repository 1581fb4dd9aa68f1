/** The embedded adapters of every port of this lib, over one {@link EmbeddedStore} in memory. */
export * from './store.embedded.js';
export * from './presence.embedded.js';
export * from './mailbox.embedded.js';
export * from './partition-view.embedded.js';
export * from './subscriptions-view.embedded.js';
export * from './leases.embedded.js';
