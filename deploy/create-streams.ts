/**
 * `npm run streams`: creates the streams that all services share, or checks that they are as the settings say. It
 * changes none: partitions are fixed for a cluster's life, and the rest is for whoever runs Kafka to decide.
 */
import { streamSettings } from '#cluster';
import { EnvReader, Log, LOG_LEVELS, StartRefused, exitOnFailure, kafkaSettings } from '#runtime';
import { KafkaWatch, createKafka } from '#runtime.kafka';
import { setUpStreams } from '#streams.kafka';

exitOnFailure(async () => {
  const env = new EnvReader(process.env);
  const kafka = kafkaSettings(env);
  const streams = streamSettings(env);
  const ttlSecondsMax = env.integer('TTL_SECONDS_MAX', {
    default: 2_592_000,
    min: 60,
    max: 31_536_000,
    doc: 'a longer TTL is lowered to it',
  });
  const level = env.choice('LOG_LEVEL', { default: 'info', of: LOG_LEVELS, doc: 'what is logged' });
  env.finish();
  const log = Log.open({ level, service: 'streams' });
  const watch = new KafkaWatch(kafka, log, 'heliograph-streams');
  await watch.start();
  await watch.stop();
  const admin = createKafka(kafka, {
    ...{ clientId: 'heliograph-streams', log, requestTimeoutMs: 30_000, retries: 5 },
  }).admin();
  await admin.connect();
  try {
    await refuseTooFew(streams.replicationFactor, (await admin.describeCluster()).brokers.length);
    const { created, found } = await setUpStreams(admin, { ...streams, ttlSecondsMax });
    const { prefix, partitions, replicationFactor, minInsyncReplicas } = streams;
    const shape = { partitions, replicationFactor, minInsyncReplicas };
    for (const stream of created) log.info('created', { stream: prefix + stream, ...shape });
    for (const stream of found) log.info('found as it must be', { stream: prefix + stream });
    if (replicationFactor === 1) {
      log.warn('one copy of each stream: a broker whose disk is lost takes notifications along');
    }
  } finally {
    await admin.disconnect();
  }
});

async function refuseTooFew(copies: number, brokers: number): Promise<void> {
  if (brokers >= copies) return;
  throw new StartRefused(
    `Kafka has ${brokers} brokers, REPLICATION_FACTOR says ${copies}: start more brokers or lower it.`,
  );
}
