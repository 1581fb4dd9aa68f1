import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Lane } from './lane.js';

const REQUEST = Buffer.from('POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n');
const CREATED = 'HTTP/1.1 201 Created\r\nContent-Length: 0\r\n';

let server: Server;
let lane: Lane;
let connections: Socket[];
/** What the first connection is told with its answer; it answers one request only. */
let told: string;
beforeEach(async () => {
  told = '';
  connections = [];
  server = createServer((socket) => {
    const lines = connections.push(socket) === 1 ? told : '';
    socket.once('data', () => socket.write(`${CREATED}${lines}\r\n`)).on('error', () => undefined);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  lane = new Lane([{ host: '127.0.0.1', port: (server.address() as AddressInfo).port }], 0);
});
afterEach(async () => {
  vi.useRealTimers();
  lane.end();
  for (const socket of connections) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

async function statusesOfTwo(between: () => void): Promise<readonly number[]> {
  const first = await lane.post(REQUEST);
  between();
  return [first.status, (await lane.post(REQUEST)).status];
}

test('a sender that is told that an answer was the last of its connection sends the next over another', async () => {
  told = 'Connection: close\r\n';
  expect(await statusesOfTwo(() => undefined)).toEqual([201, 201]);
  expect(connections).toHaveLength(2);
});

test('a sender does not use a connection that was idle for long', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  expect(await statusesOfTwo(() => vi.advanceTimersByTime(4_001))).toEqual([201, 201]);
  expect(connections).toHaveLength(2);
});
