export * from './ids.js';
export * from './notification.js';
export * from './partition.js';
