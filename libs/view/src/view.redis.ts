/** The views in Redis: the cluster's adapters, imported by modules only. */
export * from './redis-scripts.redis.js';
export * from './script.redis.js';
export * from './partition-view.redis.js';
export * from './mailbox.redis.js';
export * from './presence.redis.js';
export * from './leases.redis.js';
export * from './subscriptions-view.redis.js';
