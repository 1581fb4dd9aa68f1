/** The way to Kafka: imported by modules only. */
export * from './connection.kafka.js';
export * from './version.kafka.js';
