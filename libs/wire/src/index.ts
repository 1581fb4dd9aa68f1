export * from './client-message.js';
export * from './parse-client-message.js';
export * from './server-message.js';
export * from './parse-server-message.js';
export * from './close-code.js';
export * from './uuid.js';
