/**
 * Which Kafka answers. A broker does not tell its release; it tells, to anybody and before it asks who they are, which
 * versions of each request it takes (ApiVersions, version 0, which every release knows). That says enough: whether
 * we can speak with it at all, and by its fetch requests how old it is.
 */
import { readFileSync } from 'node:fs';
import { connect as connectPlain, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { StartRefused } from './start-refused.js';
import type { KafkaAccess } from './store-settings.js';

export const KAFKA_SUPPORTED = '2.3 to 4.x';

/** By the request's number: the lowest and the highest version that is taken. */
export type KafkaVersions = ReadonlyMap<number, readonly [number, number]>;

const PRODUCE = 0;
const FETCH = 1;
/** `max.compaction.lag.ms`, without which what is settled stays in the log for too long, came with 2.3. */
const FETCH_MIN = 11;
/** The highest version of a fetch, and the releases that have it. */
const RELEASES: readonly (readonly [number, string])[] = [
  [4, '0.10 or older'],
  [5, '0.11'],
  [6, '1.0'],
  [7, '1.1'],
  [8, '2.0'],
  [10, '2.1 or 2.2'],
];
/** What kafkajs speaks, of the requests that nothing works without. */
const SPOKEN: readonly (readonly [name: string, number: number, min: number, max: number])[] = [
  ['Produce', PRODUCE, 3, 7],
  ['Fetch', FETCH, 4, 11],
  ['ListOffsets', 2, 1, 3],
  ['Metadata', 3, 1, 6],
  ['OffsetCommit', 8, 2, 5],
  ['OffsetFetch', 9, 1, 4],
  ['FindCoordinator', 10, 0, 2],
  ['JoinGroup', 11, 0, 5],
  ['Heartbeat', 12, 0, 3],
  ['LeaveGroup', 13, 0, 3],
  ['SyncGroup', 14, 0, 3],
  ['CreateTopics', 19, 0, 3],
  ['DeleteTopics', 20, 0, 1],
  ['DescribeConfigs', 32, 0, 2],
];

const ANSWER_WITHIN_MS = 3_000;
const ANSWER_BYTES_MAX = 65_536;

/** Throws a StartRefused that names the release and what is supported. */
export function refuseKafka(versions: KafkaVersions, broker: string): void {
  const [, fetchMax] = versions.get(FETCH) ?? [0, 0];
  const because = `Heliograph needs ${KAFKA_SUPPORTED}.`;
  if (!versions.has(PRODUCE)) {
    throw new StartRefused(
      `Kafka at ${broker} takes no records: it is a controller. Name brokers in KAFKA_BROKERS.`,
    );
  }
  if (fetchMax < FETCH_MIN) {
    const release = RELEASES.find(([max]) => fetchMax <= max)?.[1] ?? 'older than 2.3';
    throw new StartRefused(`Kafka at ${broker} is of version ${release}: ${because}`);
  }
  const lost = SPOKEN.filter(([, number, min, max]) => {
    const [least, most] = versions.get(number) ?? [Infinity, -Infinity];
    return least > max || most < min;
  });
  if (lost.length === 0) return;
  const names = lost.map(([name]) => name).join(', ');
  throw new StartRefused(
    `Kafka at ${broker} is too new: it takes no version of ${names} that is spoken here. ${because}`,
  );
}

/** Of the first broker that answers; undefined: none does, or something else than Kafka. */
export async function askKafka(
  access: KafkaAccess,
): Promise<{ readonly broker: string; readonly versions: KafkaVersions } | undefined> {
  for (const broker of access.brokers) {
    const versions = await ask(broker, access).catch(() => undefined);
    if (versions !== undefined) return { broker, versions };
  }
  return undefined;
}

function ask(broker: string, { tls }: KafkaAccess): Promise<KafkaVersions | undefined> {
  const colon = broker.lastIndexOf(':');
  const host = broker.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(broker.slice(colon + 1));
  const ca = tls?.caFile === undefined ? undefined : readFileSync(tls.caFile);
  const servername = isIP(host) ? {} : { servername: host };
  const socket = tls
    ? connectTls({ host, port, ca, ...servername }, () => socket.write(REQUEST))
    : connectPlain({ host, port }, () => socket.write(REQUEST));
  return answerOf(socket).finally(() => socket.destroy());
}

function answerOf(socket: Socket): Promise<KafkaVersions | undefined> {
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    socket.setTimeout(ANSWER_WITHIN_MS, () => resolve(undefined));
    socket.on('error', reject);
    socket.on('close', () => resolve(undefined));
    socket.on('data', (more) => {
      bytes = Buffer.concat([bytes, more]);
      const size = bytes.length < 4 ? Infinity : 4 + bytes.readInt32BE(0);
      if (bytes.length >= size || bytes.length > ANSWER_BYTES_MAX) resolve(versionsIn(bytes));
    });
  });
}

/**
 * ```
 * request = size %x0012 %x0000 correlation client    ; u32, ApiVersions, version 0, u32 of our choice
 * client  = %xffff                                   ; a string of no length: not told
 * answer  = size correlation error count *(number least most)
 * error   = u16                                      ; 0: none
 * count   = u32                                      ; number, least, most: u16 each
 * ```
 */
const CORRELATION = 0x68656c69;
const REQUEST = Buffer.from('0000000a0012000068656c69ffff', 'hex');
const HEAD_BYTES = 14;
const ROW_BYTES = 6;

function versionsIn(answer: Buffer): KafkaVersions | undefined {
  if (answer.length < HEAD_BYTES || answer.readUInt32BE(4) !== CORRELATION) return undefined;
  const count = answer.readUInt32BE(10);
  if (answer.readUInt16BE(8) !== 0 || answer.length < HEAD_BYTES + count * ROW_BYTES) {
    return undefined;
  }
  const versions = new Map<number, readonly [number, number]>();
  for (let at = HEAD_BYTES; at < HEAD_BYTES + count * ROW_BYTES; at += ROW_BYTES) {
    const [least, most] = [answer.readUInt16BE(at + 2), answer.readUInt16BE(at + 4)];
    versions.set(answer.readUInt16BE(at), [least, most]);
  }
  return versions;
}
