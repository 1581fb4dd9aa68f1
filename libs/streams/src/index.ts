export * from './streams.js';
export * from './record.js';
export * from './producer.js';
export * from './consumer.js';
