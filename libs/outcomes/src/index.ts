export * from './gone-sweep.js';
