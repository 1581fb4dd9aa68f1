import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { kafkaThatTakes } from '../../../test/support/old-stores.js';
import { KafkaWatch } from './connection.kafka.js';
import { Log } from './log.js';
import { StartRefused } from './start-refused.js';
import { askKafka, refuseKafka, type KafkaVersions } from './version.kafka.js';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** What Kafka 4 takes of the requests that we send. */
const KAFKA_4: KafkaVersions = new Map<number, readonly [number, number]>([
  ...[0, 2, 3, 8, 9].map((number) => [number, [1, 17]] as const),
  ...[10, 11, 12, 13, 14, 19, 20, 32].map((number) => [number, [0, 9]] as const),
  [1, [4, 17]],
]);

test.each([
  [4, '0.10 or older'],
  [5, '0.11'],
  [8, '2.0'],
  [9, '2.1 or 2.2'],
  [10, '2.1 or 2.2'],
])('a Kafka whose fetches end at %i is named as %s, and refused', (max, release) => {
  const old = new Map([...KAFKA_4, [1, [0, max] as const]]);
  expect(() => refuseKafka(old, 'k:9092')).toThrow(
    new StartRefused(`Kafka at k:9092 is of version ${release}: Heliograph needs 2.3 to 4.x.`),
  );
});

test('a Kafka that takes what we speak is not refused', () => {
  expect(() => refuseKafka(KAFKA_4, 'k:9092')).not.toThrow();
  expect(() => refuseKafka(new Map([...KAFKA_4, [1, [0, 11]]]), 'k:9092')).not.toThrow();
});

test('a Kafka that takes only later versions of some requests is too new, and they are named', () => {
  const later = new Map([...KAFKA_4, [1, [12, 20] as const], [11, [6, 12] as const]]);
  expect(() => refuseKafka(later, 'k:9092')).toThrow(
    'Kafka at k:9092 is too new: it takes no version of Fetch, JoinGroup that is spoken here. ' +
      'Heliograph needs 2.3 to 4.x.',
  );
});

test('a controller is no broker', () => {
  const controller = new Map([...KAFKA_4].filter(([number]) => number === 1 || number > 18));
  expect(() => refuseKafka(controller, 'k:9093')).toThrow(
    'Kafka at k:9093 takes no records: it is a controller. Name brokers in KAFKA_BROKERS.',
  );
});

test('the first broker that answers is asked, and a watch refuses to start by it', async () => {
  const old = await kafkaThatTakes({ 0: [0, 7], 1: [0, 10], 18: [0, 2] });
  closing.push(() => old.close());
  const brokers = ['127.0.0.1:1', old.at];
  const told = await askKafka({ brokers });
  expect(told?.broker).toBe(old.at);
  expect(told?.versions.get(1)).toEqual([0, 10]);
  const watch = new KafkaWatch(
    { brokers },
    Log.into(() => undefined),
    'test',
  );
  closing.push(() => watch.stop());
  await expect(watch.start()).rejects.toThrow(`Kafka at ${old.at} is of version 2.1 or 2.2`);
}, 20_000);

test.each<[string, (socket: Socket) => void]>([
  ['hangs up', (socket) => void socket.destroy()],
  ['speaks HTTP', (socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')],
  ['says that it does not know the question', (socket) => void socket.end(UNKNOWN)],
])('a server that %s is no Kafka of any version', async (_, serve) => {
  const server = createServer((socket) => serve(socket.on('error', () => undefined).resume()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => new Promise((resolve) => server.close(resolve)));
  const { port } = server.address() as AddressInfo;
  expect(await askKafka({ brokers: [`127.0.0.1:${port}`] })).toBeUndefined();
});

const UNKNOWN = Buffer.from('0000000a68656c69002300000000', 'hex');
