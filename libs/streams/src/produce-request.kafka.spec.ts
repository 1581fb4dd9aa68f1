import { createRequire } from 'node:module';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { AppendQueue } from './append-queue.kafka.js';
import type { Broker, Exchange } from './cluster.kafka.js';
import { encodeProduce } from './produce-bytes.kafka.js';
import { produce } from './produce-request.kafka.js';

const require = createRequire(import.meta.url);
const { lookup } = require('kafkajs/src/protocol/requests') as {
  lookup: (versions: unknown) => Broker['lookupRequest'];
};
const Connection = require('kafkajs/src/network/connection') as new (options: object) => {
  connectionStatus: string;
  socket: object;
  send: (exchange: Exchange) => Promise<unknown>;
};

const NOW = 1_764_500_000_123;
const TIMEOUT_MS = 5_000;

beforeEach(() => void vi.useFakeTimers({ now: NOW, toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

function loadsOf(partitions: readonly number[]) {
  const queue = new AppendQueue();
  for (const partition of partitions) {
    const record = { key: Buffer.from('k'), value: Buffer.from('v'), headers: { of: 'a test' } };
    const settled = { isDone: false, resolve: () => undefined, reject: () => undefined };
    queue.push('topic', partition, {
      ...{ records: [record], isRepeated: false, bytes: 2, since: 0 },
      ...settled,
    });
  }
  return queue.take(0, { isSuspect: false });
}

function brokerOf(maxVersion: number, send: (exchange: Exchange) => Promise<unknown>): Broker {
  const versions = { 0: { maxVersion } };
  return {
    ...{ nodeId: 1, versions, lookupRequest: lookup(versions) },
    connectionPool: { host: 'broker', port: 1, send },
    metadata: () => Promise.resolve(undefined),
    isConnected: () => true,
    disconnect: () => Promise.resolve(),
  };
}

/** An answer of version 3 to 4; later ones say where the log begins, too. */
function answerOf(partitions: readonly number[], { hasLogStart = true } = {}): Buffer {
  const head = Buffer.from('\0\0\0\x01\0\x05topic\0\0\0\0', 'latin1');
  head.writeInt32BE(partitions.length, head.length - 4);
  const each = partitions.map((partition) => {
    const bytes = Buffer.alloc(hasLogStart ? 30 : 22);
    bytes.writeInt32BE(partition);
    bytes.writeInt16BE(partition, 4); // its own number for an error
    bytes.writeInt32BE(70 + partition, 10);
    return bytes;
  });
  return Buffer.concat([head, ...each, Buffer.alloc(4)]);
}

test.each([7, 9])(
  'a broker of version %i is sent our bytes, and answers each partition',
  async (v) => {
    const loads = loadsOf([0, 3]);
    const exchanges: Exchange[] = [];
    const broker = brokerOf(v, async (exchange) => {
      exchanges.push(exchange);
      const { decode, parse } = exchange.response;
      return parse(await decode(answerOf([0, 3])));
    });
    const answers = await produce(broker, {
      timeoutMs: TIMEOUT_MS,
      loads,
      onSent: () => undefined,
    });
    expect(exchanges[0]?.request).toMatchObject({ apiKey: 0, apiVersion: 7 });
    const { buffer } = await exchanges[0]!.request.encode();
    expect(buffer.equals(encodeProduce({ timeoutMs: TIMEOUT_MS, loads }, NOW))).toBe(true);
    expect(answers.get('topic')?.get(0)).toMatchObject({ errorCode: 0, baseOffset: '70' });
    expect(answers.get('topic')?.get(3)).toMatchObject({ errorCode: 3, baseOffset: '73' });
  },
);

test('an older broker is sent what kafkajs writes for it', async () => {
  const loads = loadsOf([0, 3]);
  const steps: unknown[] = [];
  const broker = brokerOf(3, async ({ request, response }) => {
    steps.push(request.apiVersion);
    steps.push((await request.encode()).buffer);
    return response.parse(await response.decode(answerOf([0, 3], { hasLogStart: false })));
  });
  const onSent = (): void => void steps.push('sent');
  const answers = await produce(broker, { timeoutMs: TIMEOUT_MS, loads, onSent });
  expect(steps).toEqual([3, 'sent', encodeProduce({ timeoutMs: TIMEOUT_MS, loads }, NOW)]);
  expect(answers.get('topic')?.get(0)).toMatchObject({ errorCode: 0, baseOffset: '70' });
  expect(answers.get('topic')?.get(3)).toMatchObject({ errorCode: 3, baseOffset: '73' });
});

test.each([7, 3])(
  'version %i counts as sent before it is written, not before there is a connection',
  async (v) => {
    const steps: string[] = [];
    const silent = { debug: () => undefined, error: () => undefined, namespace: () => silent };
    const connection = new Connection({ host: 'broker', port: 1, logger: silent });
    connection.socket = {
      write: () => {
        steps.push('written');
        throw new Error('broken');
      },
    };
    const broker = brokerOf(v, (exchange) => connection.send(exchange));
    const onSent = (): void => void steps.push('sent');
    const asked = { timeoutMs: TIMEOUT_MS, loads: loadsOf([0]), onSent };
    await expect(produce(broker, asked)).rejects.toThrow('Not connected');
    expect(steps).toEqual([]);
    connection.connectionStatus = 'connected';
    await expect(produce(broker, asked)).rejects.toThrow('broken');
    expect(steps).toEqual(['sent', 'written']);
  },
);

test('what cannot be encoded does not count as sent', async () => {
  const [load] = loadsOf([0]);
  const broken = { ...load!, waiting: [{ ...load!.waiting[0]!, records: [{ key: null }] }] };
  let isSent = false;
  const broker = brokerOf(7, async ({ request }) => request.encode());
  const loads = [broken] as unknown as ReturnType<typeof loadsOf>;
  const asked = { timeoutMs: TIMEOUT_MS, loads, onSent: () => (isSent = true) };
  await expect(produce(broker, asked)).rejects.toThrow(TypeError);
  expect(isSent).toBe(false);
});
