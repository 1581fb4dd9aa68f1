/** The streams on Kafka: the cluster's adapters, imported by modules only. */
export * from './producer.kafka.js';
export * from './consumer.kafka.js';
export * from './catalog.kafka.js';
export * from './membership.kafka.js';
export * from './stream-setup.kafka.js';
export { encodeProduce } from './produce-bytes.kafka.js';
export { decodeRecordBatches } from './record-batches.kafka.js';
export type { FetchedPartition } from './fetch-bytes.kafka.js';
