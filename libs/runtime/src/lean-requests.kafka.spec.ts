import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { beforeEach, expect, test } from 'vitest';
import './lean-requests.kafka.js';

interface Encoder {
  readonly buffer: Buffer;
  writeBuffer(bytes: Buffer): Encoder;
  writeInt32(value: number): Encoder;
}

interface Connection {
  socket: { readonly write: (bytes: Buffer) => void };
  connectionStatus: string;
  correlationId: number;
  readonly requestQueue: {
    readonly throttledUntil: number;
    readonly inflight: Map<number, unknown>;
  };
  send(exchange: object): Promise<unknown>;
  processData(bytes: Buffer): void;
}

const require = createRequire(import.meta.url);
const ConnectionOf = require('kafkajs/src/network/connection') as new (of: object) => Connection;
const EncoderOf = require('kafkajs/src/protocol/encoder') as new () => Encoder;
const theirRequest = require('kafkajs/src/protocol/request') as (of: object) => Promise<Encoder>;

const CLIENT_ID = 'heliograph-router-naïve';
const PAYLOAD = Buffer.from('what the broker says');

let connection: Connection;
let written: Buffer[];
let errors: unknown[][];
beforeEach(() => {
  written = [];
  errors = [];
  const logger = {
    debug: () => undefined,
    error: (...said: unknown[]) => errors.push(said),
    namespace: () => logger,
  };
  connection = new ConnectionOf({ host: 'broker', port: 1, logger, clientId: CLIENT_ID });
  connection.connectionStatus = 'connected';
  connection.socket = { write: (bytes) => written.push(bytes) };
});

const answer = (): void => {
  const id = new EncoderOf().writeInt32([...connection.requestQueue.inflight.keys()][0] ?? -1);
  const body = Buffer.concat([id.buffer, PAYLOAD]);
  connection.processData(Buffer.concat([new EncoderOf().writeInt32(body.length).buffer, body]));
};
const sent = async (exchange: object): Promise<{ readonly answer: Promise<unknown> }> => {
  const before = written.length;
  const answer = connection.send(exchange);
  answer.catch(() => undefined);
  await expect.poll(() => written.length, { interval: 1 }).toBe(before + 1);
  return { answer };
};
const exchangeOf = (body: Buffer, more: object = {}) => ({
  request: {
    ...{ apiKey: 3, apiVersion: 6, apiName: 'Metadata' },
    encode: () => Promise.resolve(new EncoderOf().writeBuffer(body)),
  },
  response: {
    decode: (bytes: Buffer) => Promise.resolve({ bytes, clientSideThrottleTime: 0 }),
    parse: ({ bytes }: { readonly bytes: Buffer }) => Promise.resolve(String(bytes)),
  },
  ...more,
});

test('a request has the bytes that kafkajs gives it, and its answer is the one with its number', async () => {
  for (const bytes of [0, 1, 700, 70_000]) {
    const exchange = exchangeOf(randomBytes(bytes));
    const correlationId = connection.correlationId;
    const { answer: answered } = await sent(exchange);
    const { request } = exchange;
    const theirs = await theirRequest({ request, correlationId, clientId: CLIENT_ID });
    expect(written.at(-1)?.equals(theirs.buffer)).toBe(true);
    answer();
    expect(await answered).toBe(String(PAYLOAD));
  }
});

test('what cannot be read is said, unless nobody wants to know', async () => {
  const response = {
    decode: () => Promise.resolve({}),
    parse: () => Promise.reject(new Error('no such topic')),
  };
  for (const logResponseError of [false, undefined]) {
    expect(errors).toEqual([]);
    const { answer: answered } = await sent(exchangeOf(PAYLOAD, { response, logResponseError }));
    answer();
    await expect(answered).rejects.toThrow('no such topic');
  }
  expect(errors).toMatchObject([
    ['Response Metadata(key: 3, version: 6)', { error: 'no such topic', clientId: CLIENT_ID }],
  ]);
});

test('a broker that asks for a pause is given one', async () => {
  const response = {
    decode: () => Promise.resolve({ clientSideThrottleTime: 60_000 }),
    parse: () => Promise.resolve('later'),
  };
  const { answer: answered } = await sent(exchangeOf(PAYLOAD, { response }));
  answer();
  await answered;
  expect(connection.requestQueue.throttledUntil).toBeGreaterThan(Date.now() + 50_000);
});

test('without a connection nothing is encoded, and none that goes meanwhile is written to', async () => {
  const lost = exchangeOf(PAYLOAD);
  const whileEncoding = {
    ...lost,
    request: {
      ...lost.request,
      encode: () => {
        connection.connectionStatus = 'disconnected';
        return lost.request.encode();
      },
    },
  };
  await expect(connection.send(whileEncoding)).rejects.toThrow('Not connected');
  const never = { ...lost, request: { ...lost.request, encode: () => expect.unreachable() } };
  await expect(connection.send(never)).rejects.toThrow('Not connected');
  expect(written).toEqual([]);
});

test('a request that nobody answers is done when it is written', async () => {
  const { request, response } = exchangeOf(PAYLOAD);
  const { answer } = await sent({
    request: { ...request, expectResponse: () => false },
    response,
  });
  expect(await answer).toBeUndefined();
});
