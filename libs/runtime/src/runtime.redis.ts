/** The way to Redis: imported by modules only. */
export * from './connection.redis.js';
