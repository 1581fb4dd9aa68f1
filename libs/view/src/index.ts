export * from './presence.js';
export * from './mailbox.js';
export * from './subscriptions-view.js';
export * from './partition-view.js';
export * from './leases.js';
