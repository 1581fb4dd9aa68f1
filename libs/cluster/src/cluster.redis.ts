/** What services tell each other through Redis: imported by modules only. */
export * from './agreement.redis.js';
export * from './live-services.redis.js';
export * from './rights.redis.js';
export * from './version.redis.js';
