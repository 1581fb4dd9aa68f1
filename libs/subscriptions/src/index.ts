export * from './registrar.js';
export * from './registrar-settings.js';
