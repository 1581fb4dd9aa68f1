export * from './cluster-config.js';
export * from './live-services.js';
export * from './serving.js';
export { watchCluster } from './cluster-metrics.js';
