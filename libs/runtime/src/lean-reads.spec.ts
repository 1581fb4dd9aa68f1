import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { connectLean } from './lean-reads.js';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

interface Ends {
  readonly client: Socket;
  readonly server: Socket;
}

/** Both ends of a connection; `prepare` is given ours before it is there. */
async function connected(prepare?: (client: Socket) => void, path?: string): Promise<Ends> {
  const listener = createServer();
  closing.push(() => listener.close());
  await once(listener.listen(path ?? { port: 0, host: '127.0.0.1' }), 'listening');
  const accepted = once(listener, 'connection') as Promise<[Socket]>;
  const client = connectLean(path ? { path } : { port: (listener.address() as AddressInfo).port });
  prepare?.(client);
  const [server] = await accepted;
  closing.push(() => (client.destroy(), server.destroy()));
  return { client, server };
}

/** What has come, as it was given. */
function listening(socket: Socket): Buffer[] {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  return chunks;
}

/** No two places of 256 KiB look alike to a shift by a read. */
function patterned(bytes: number, seed: number): Buffer {
  const all = Buffer.alloc(bytes);
  for (let i = 0; i < bytes; i++) all[i] = (seed + i + (i >> 8) * 7 + (i >> 16) * 13) & 255;
  return all;
}

const lengthOf = (chunks: readonly Buffer[]): number =>
  chunks.reduce((sum, { length }) => sum + length, 0);

async function arrives(chunks: readonly Buffer[], bytes: Buffer): Promise<void> {
  await expect.poll(() => lengthOf(chunks), { interval: 2 }).toBe(bytes.length);
  expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
}

describe('a socket of lean reads', () => {
  test('gives small and large, whole and in order, and keeps what it gave', async () => {
    const { client, server } = await connected();
    const chunks = listening(client);
    server.write('a');
    await expect.poll(() => String(chunks[0])).toBe('a');
    const large = patterned(1_000_000, 3);
    server.write(large);
    await arrives(chunks, Buffer.concat([Buffer.from('a'), large]));
    server.write('b');
    await arrives(chunks, Buffer.concat([Buffer.from('a'), large, Buffer.from('b')]));
    expect(String(chunks[0])).toBe('a');
    expect(client.bytesRead).toBe(1_000_002);
  });

  test('does not mix with others that read at the same time', async () => {
    const pairs = await Promise.all(Array.from({ length: 8 }, () => connected()));
    const all = pairs.map(({ client }) => listening(client));
    const bytes = pairs.map((_, i) => patterned(300_000 + i, i * 31));
    for (let from = 0; from < 300_100; from += 50_000) {
      pairs.forEach(({ server }, i) => server.write(bytes[i]!.subarray(from, from + 50_000)));
      await pause(1);
    }
    await Promise.all(all.map((chunks, i) => arrives(chunks, bytes[i]!)));
  });

  test('reads as the other side sends, and writes as ever', async () => {
    const { client, server } = await connected();
    const chunks = listening(client);
    const bytes = patterned(500_000, 5);
    server.on('data', (chunk) => server.write(chunk));
    client.write(bytes);
    await arrives(chunks, bytes);
  });

  test('gives nothing while it is paused, and all of it afterwards', async () => {
    const { client, server } = await connected();
    const chunks = listening(client);
    const bytes = patterned(20_000_000, 11);
    const closed = once(client, 'close');
    client.once('data', () => client.pause());
    server.end(bytes);
    await expect.poll(() => chunks.length).toBe(1);
    await pause(50);
    expect(chunks.length).toBe(1);
    expect(client.isPaused()).toBe(true);
    // The kernel holds a few MB; the rest has not left.
    expect(server.writableLength).toBeGreaterThan(0);
    client.resume();
    await arrives(chunks, bytes);
    await closed;
  });

  test('keeps for later what comes while it is paused from the beginning', async () => {
    const { client, server } = await connected((socket) => {
      listening(socket);
      socket.pause();
    });
    const chunks = listening(client);
    const bytes = patterned(3_000_000, 23);
    server.write(bytes);
    await pause(50);
    expect(chunks).toEqual([]);
    client.resume();
    await arrives(chunks, bytes);
  });

  test('keeps for later what comes before anybody listens', async () => {
    const { client, server } = await connected();
    const bytes = patterned(3_000_000, 29);
    server.write(bytes);
    await pause(50);
    await arrives(listening(client), bytes);
  });

  test('can be read from as well', async () => {
    const { client, server } = await connected();
    const bytes = patterned(3_000_000, 37);
    server.end(bytes);
    const chunks: Buffer[] = [];
    for await (const chunk of client as AsyncIterable<Buffer>) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true);
  });

  test('is slowed down by what it is piped into', async () => {
    const { client, server } = await connected();
    const other = await connected();
    const chunks = listening(other.client);
    const bytes = patterned(5_000_000, 17);
    client.pipe(other.server);
    server.write(bytes);
    await arrives(chunks, bytes);
  });

  test('ends and closes after the last bytes', async () => {
    const { client, server } = await connected();
    const said: string[] = [];
    client.on('data', (chunk) => said.push(String(chunk)));
    for (const event of ['end', 'close']) client.on(event, () => said.push(event));
    server.end('last');
    await once(client, 'close');
    expect(said).toEqual(['last', 'end', 'close']);
  });

  test('gives nothing more once a listener has destroyed it', async () => {
    const { client, server } = await connected();
    let times = 0;
    client.on('data', () => (times++, client.destroy()));
    server.on('error', () => undefined).write(patterned(1_000_000, 1));
    await once(client, 'close');
    await pause(20);
    expect(times).toBe(1);
  });

  test('fails when the other side resets it, and when nobody listens', async () => {
    const { client, server } = await connected();
    listening(client);
    server.resetAndDestroy();
    await expect(once(client, 'end')).rejects.toMatchObject({ code: 'ECONNRESET' });
    const place = client.remotePort ?? 1;
    const refused = connectLean({ port: place, host: '127.0.0.1' });
    await expect(once(refused, 'connect')).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('is timed out by silence, and not while bytes come', async () => {
    const { client, server } = await connected();
    listening(client);
    let at = 0;
    client.setTimeout(150, () => (at = performance.now()));
    let last = 0;
    for (let i = 0; i < 10; i++) {
      await pause(30);
      server.write('x');
      last = performance.now();
    }
    expect(at).toBe(0);
    await expect.poll(() => at).not.toBe(0);
    expect(at - last).toBeGreaterThan(100);
  });

  test('comes by a path as by a port', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'lean-reads-'));
    closing.push(() => rm(directory, { recursive: true }));
    const { client, server } = await connected(undefined, join(directory, 'socket'));
    const chunks = listening(client);
    server.write('by path');
    await arrives(chunks, Buffer.from('by path'));
  });
});
