/** Devices that do not read what they are sent: they hold so much memory and no more, are closed, and lose nothing. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { payloadOf } from '../support/device.js';
import { Limited, takeAll } from '../support/limited.js';
import { RawPeer, frame, textFrame } from '../support/raw-peer.js';
import { accepted } from '../support/sender.js';

const BUFFER_BYTES_MAX = 65_536;
const MEGABYTE = 1_048_576;
/** What the kernel takes for both ends of one connection on this machine, at most. */
const KERNEL_BYTES = 12 * MEGABYTE;

let limited: Limited;
beforeAll(async () => {
  limited = await Limited.start({
    SOCKET_BUFFER_BYTES_MAX: String(BUFFER_BYTES_MAX),
    WINDOW_MAX: '10000',
    WINDOW_BYTES_MAX: String(64 * MEGABYTE),
    MAILBOX_BYTES_MAX: String(64 * MEGABYTE),
    PAYLOAD_BYTES_MAX: '65536',
    FRAMES_PER_SECOND_MAX: '1000000',
  });
});
afterAll(() => limited.dispose());

const slowReaders = (): Promise<number> =>
  limited.metric('gateway_closes_total{reason="slowReader"}');

async function deaf(uaid?: string): Promise<RawPeer> {
  const peer = await (await RawPeer.to(limited.service.ports.gateway)).greet({ uaid });
  peer.socket.pause();
  return peer;
}

describe('SOCKET_BUFFER_BYTES_MAX', () => {
  test('closes a device that stops reading what comes live, and it loses nothing', async () => {
    const { uaid, endpoint } = await limited.away();
    const peer = await deaf(uaid);
    const body = 'q'.repeat(60_000);
    let sent = 0;
    while ((await slowReaders()) === 0 && sent < 400) {
      await accepted(endpoint, `${sent++} ${body}`);
    }
    expect(await slowReaders()).toBe(1);
    expect(sent * body.length).toBeLessThan(2 * (KERNEL_BYTES + BUFFER_BYTES_MAX));
    await accepted(endpoint, `${sent++} after`);
    const device = await limited.greeted(uaid);
    const numbers = (await takeAll(device, sent)).map((one) => Number.parseInt(payloadOf(one), 10));
    expect(numbers).toEqual(Array.from({ length: sent }, (_, i) => i));
    expect(await limited.accounts()).toMatchObject({ pending: 0, unaccounted: 0 });
    await device.leave();
    peer.destroy();
  });

  test('closes devices that ask and never read the answers, before they hold more', async () => {
    expect(await limited.serves()).toBe(true);
    const [before, closed] = [limited.residentBytes(), await slowReaders()];
    const peers = await Promise.all(Array.from({ length: 5 }, () => deaf()));
    // The answer carries the channel id as it was sent.
    const ask = textFrame({ messageType: 'unregister', channelID: 'c'.repeat(60_000) });
    let largest = before;
    for (let i = 0; i < 200 && peers.some(({ socket }) => !socket.destroyed); i++) {
      for (const { socket } of peers) if (socket.writableLength < MEGABYTE) socket.write(ask);
      largest = Math.max(largest, limited.residentBytes());
      await pause(2);
      if ((await slowReaders()) === closed + peers.length) break;
    }
    expect(await slowReaders()).toBe(closed + peers.length);
    expect(largest - before).toBeLessThan(48 * MEGABYTE);
    for (const peer of peers) peer.destroy();
  });

  test('bounds the pongs of a device that pings for ever and never reads', async () => {
    const peer = await deaf();
    const before = limited.residentBytes();
    const pings = Buffer.concat(Array.from({ length: 2_000 }, () => frame('p'.repeat(125), 9)));
    let sent = 0;
    while (sent < 64 * MEGABYTE && !peer.socket.destroyed) {
      if (!peer.socket.write(pings)) {
        await Promise.race([
          new Promise((resolve) => peer.socket.once('drain', resolve)),
          pause(500),
        ]);
      }
      sent += pings.length;
    }
    expect(limited.residentBytes() - before).toBeLessThan(32 * MEGABYTE);
    expect(await limited.serves()).toBe(true);
    peer.destroy();
  });
});

test('a device that reads slowly gets its whole backlog, in order', async () => {
  const { uaid, endpoint } = await limited.away();
  const count = 60;
  const closed = await slowReaders();
  for (let i = 0; i < count; i++) await accepted(endpoint, `${i} ${'q'.repeat(40_000)}`);
  const peer = await deaf(uaid);
  const slowly = setInterval(() => {
    peer.socket.resume();
    setImmediate(() => peer.socket.pause());
  }, 10);
  const came = (): readonly number[] =>
    [...peer.said.matchAll(/"data":"([\w-]{8})/g)].map(([, data = '']) =>
      Number.parseInt(Buffer.from(data, 'base64url').toString(), 10),
    );
  await peer.until(() => came().length === count);
  clearInterval(slowly);
  expect(came()).toEqual(Array.from({ length: count }, (_, i) => i));
  expect(await slowReaders()).toBe(closed);
  peer.destroy();
});

test('after all that nothing is held any more', async () => {
  await expect.poll(() => limited.metric('gateway_connections')).toBe(0);
  expect(await limited.serves()).toBe(true);
  expect((await limited.service.accounts()).unaccounted).toBe(0);
});
