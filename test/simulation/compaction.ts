/**
 * What Kafka's cleaner does to the two streams that are compacted, at any moment. Of tombstones it plays what
 * `delete.retention.ms` allows: that they go when who has read what they supersede has read them, too.
 */
import { NOTIFICATIONS, SUBSCRIPTIONS } from '#streams';
import type { Scene } from './scene.js';
import type { MetTombstone } from './sim-log.js';

type Stream = typeof NOTIFICATIONS | typeof SUBSCRIPTIONS;

export function compact(scene: Scene): void {
  for (let partition = 0; partition < scene.plan.partitions; partition++) {
    compactOne(scene, NOTIFICATIONS, partition);
    compactOne(scene, SUBSCRIPTIONS, partition);
  }
}

function compactOne(scene: Scene, stream: Stream, partition: number): void {
  const { log, world } = scene;
  const { dice, now: nowMs } = world;
  const end = log.of(stream, partition).next;
  const below = dice.chance(0.5) ? end : dice.roll(end + 1);
  const gone = log.compact(stream, partition, { below, nowMs });
  const isOld = dice.chance(0.3) ? oldIn(scene, stream, partition) : () => false;
  const tombs = log.dropTombstones(stream, partition, isOld);
  const what = `${gone} records, ${tombs} tombstones`;
  world.say('fault', () => `compaction of ${stream}/${partition}: ${what}`);
}

/** Whether a tombstone may be a day old. */
function oldIn(scene: Scene, stream: Stream, partition: number): (met: MetTombstone) => boolean {
  const { store, oracle } = scene;
  const { mark, subscriptionsMark } = store.partition(partition);
  if (stream === SUBSCRIPTIONS) {
    const applied = subscriptionsMark?.applied ?? 0;
    return ({ record }) => record.offset < applied;
  }
  const waiting = messagesIn(scene, partition);
  const applied = mark?.applied ?? 0;
  return ({ record, metAtMs }) => {
    // A fold that began later has never read what it supersedes.
    if (record.offset >= applied && metAtMs >= oracle.lostAtMs(partition)) return false;
    // A cancel is executed, and its outcome announced, within a day.
    return record.headers?.cancel === undefined || !waiting.has(idOf(record.key, 1));
  };
}

/** The ids of notifications of which the log does not tell an outcome. */
function messagesIn({ log }: Scene, partition: number): ReadonlySet<string> {
  const ids = new Set<string>();
  for (const { key, value, headers } of log.of(NOTIFICATIONS, partition).records) {
    if (value !== null) ids.add(idOf(key));
    else if (headers?.cancel === undefined) ids.delete(idOf(key));
  }
  return ids;
}

function idOf(key: Buffer, from = 0): string {
  return key.toString('latin1', from);
}
