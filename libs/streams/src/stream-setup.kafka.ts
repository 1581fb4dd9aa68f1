/**
 * Creates the streams that are shared by all services, and compares those that are there with what they must be
 * (design §4): partitions, in-sync minimum, retention, compaction, the log's own time. It never changes one.
 */
import kafkajs from 'kafkajs';
import type { Admin } from 'kafkajs';
import { StartRefused } from '#runtime';
import { patiently } from './patiently.kafka.js';
import { NOTIFICATIONS, STREAMS, SUBSCRIPTIONS } from './streams.js';

export interface StreamSetup {
  readonly prefix: string;
  readonly partitions: number;
  readonly replicationFactor: number;
  readonly minInsyncReplicas: number;
  /** `notifications` keeps a record for so long and a day. */
  readonly ttlSecondsMax: number;
}

const DAY_MS = 86_400_000;
const ANSWER_WITHIN_MS = 15_000;
const SHARED = [NOTIFICATIONS, SUBSCRIPTIONS] as const;

/** Which were created and which were there. Rejects with every difference in one message. */
export async function setUpStreams(
  admin: Admin,
  setup: StreamSetup,
): Promise<{ readonly created: readonly string[]; readonly found: readonly string[] }> {
  const there = await streamsOf(admin);
  const missing = SHARED.filter((stream) => !there.has(setup.prefix + stream));
  const found = SHARED.filter((stream) => there.has(setup.prefix + stream));
  const problems = await differences(admin, setup, found);
  if (problems.length > 0) {
    throw new StartRefused(
      `These streams differ from the settings; change the settings, or the streams by hand:\n` +
        problems.map((problem) => `  - ${problem}`).join('\n'),
    );
  }
  const topics = missing.map((stream) => ({
    topic: setup.prefix + stream,
    numPartitions: setup.partitions,
    replicationFactor: setup.replicationFactor,
    configEntries: Object.entries(configOf(stream, setup)).map(([name, value]) => ({
      name,
      value,
    })),
  }));
  await patiently('streams cannot be created', ANSWER_WITHIN_MS, async () => {
    if (topics.length > 0) await admin.createTopics({ waitForLeaders: true, topics });
  });
  return { created: missing, found };
}

async function streamsOf(admin: Admin): Promise<ReadonlySet<string>> {
  const list = (): Promise<string[]> => admin.listTopics();
  return new Set(await patiently('streams cannot be listed', ANSWER_WITHIN_MS, list));
}

/** What keeps a service from working with the streams: that they are missing, or have other partitions. */
export async function streamProblems(
  admin: Admin,
  { prefix, partitions }: Pick<StreamSetup, 'prefix' | 'partitions'>,
): Promise<readonly string[]> {
  const there = await streamsOf(admin);
  const missing = SHARED.map((stream) => prefix + stream).filter((topic) => !there.has(topic));
  if (missing.length > 0) return missing.map((topic) => `${topic} is missing: run npm run streams`);
  const { topics } = await admin.fetchTopicMetadata({
    topics: SHARED.map((stream) => prefix + stream),
  });
  return topics
    .filter((topic) => topic.partitions.length !== partitions)
    .toSorted((a, b) => a.name.localeCompare(b.name))
    .map(
      ({ name, partitions: has }) =>
        `${name} has ${has.length} partitions, PARTITIONS says ${partitions}`,
    );
}

function configOf(stream: (typeof SHARED)[number], setup: StreamSetup): Record<string, string> {
  const retentionMs = setup.ttlSecondsMax * 1000 + DAY_MS;
  return {
    'cleanup.policy': STREAMS[stream].cleanup,
    'message.timestamp.type': 'LogAppendTime',
    'min.insync.replicas': String(setup.minInsyncReplicas),
    // The active segment is never compacted.
    'segment.ms': String(6 * 3_600_000),
    'max.compaction.lag.ms': String(DAY_MS),
    // So long a record without value stays after compaction has first met it, which is when it takes away
    // what the record supersedes. Who has read that before (a fold, a view whose router is away) must come to
    // the record within this time, or never hears of it: what was delivered or cancelled may then be
    // delivered (again). Nothing is lost.
    'delete.retention.ms': String(DAY_MS),
    ...(stream === NOTIFICATIONS ? { 'retention.ms': String(retentionMs) } : {}),
  };
}

async function differences(
  admin: Admin,
  setup: StreamSetup,
  found: readonly (typeof SHARED)[number][],
): Promise<readonly string[]> {
  if (found.length === 0) return [];
  const topics = found.map((stream) => setup.prefix + stream);
  const metadata = await admin.fetchTopicMetadata({ topics });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map((name) => ({ type: kafkajs.ConfigResourceTypes.TOPIC, name })),
  });
  const problems: string[] = [];
  for (const stream of found) {
    const name = setup.prefix + stream;
    const partitions = metadata.topics.find((topic) => topic.name === name)?.partitions ?? [];
    if (partitions.length !== setup.partitions) {
      problems.push(
        `${name} has ${partitions.length} partitions, PARTITIONS says ${setup.partitions}`,
      );
    }
    const replicas = partitions[0]?.replicas.length ?? 0;
    if (replicas !== setup.replicationFactor) {
      problems.push(
        `${name} has ${replicas} replicas, REPLICATION_FACTOR says ${setup.replicationFactor}`,
      );
    }
    const entries = resources.find((one) => one.resourceName === name)?.configEntries ?? [];
    const is = new Map(entries.map((entry) => [entry.configName, entry.configValue]));
    for (const [key, wanted] of Object.entries(configOf(stream, setup))) {
      if (!isSame(is.get(key), wanted))
        problems.push(`${name} has ${key} ${is.get(key)}, not ${wanted}`);
    }
  }
  return problems;
}

/** Lists are compared as sets: `compact,delete` is `delete,compact`. */
function isSame(is: string | undefined, wanted: string): boolean {
  const sorted = (list = ''): string => list.split(',').sort().join(',');
  return sorted(is) === sorted(wanted);
}
