import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { monotonicMs } from './messages.js';
import { Senders } from './senders.js';

test('senders that were stopped send nothing more, for nobody would count it', async () => {
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    socket.on('error', () => undefined).destroy();
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const senders = new Senders(() => undefined);
  senders.prepare({
    ...{ process: 0, processes: 1, perSecond: 100, connections: 2, bytes: 24 },
    ingests: [{ host: '127.0.0.1', port }],
    endpoints: [[0, `http://127.0.0.1:${port}/wpush/v1/x`]],
  });
  // Half a second late: at its first look a sender has something to send.
  senders.begin(monotonicMs() - 500);
  await senders.stop();
  await pause(50);
  expect(connections).toBe(0);
  await new Promise((resolve) => server.close(resolve));
});
