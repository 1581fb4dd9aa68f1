export * from './registrar.js';
