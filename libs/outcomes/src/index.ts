export * from './announcer.js';
export * from './settler.js';
export * from './gone-sweep.js';
