import { randomUUID } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { Device } from '../support/device.js';
import { vapidKeys } from '../support/sender.js';
import type { Target } from './target.js';

/** contract.md §1, black box. */
export function deviceSideConformance(target: () => Target): void {
  const open = (): Promise<Device> => Device.open(target().gatewayUrl);
  const greeted = (uaid?: string): Promise<Device> => Device.greeted(target().gatewayUrl, uaid);

  describe('hello', () => {
    test('is answered by exactly the members of the contract, as the first frame', async () => {
      const device = await greeted();
      expect(device.frames[0]).toEqual({
        messageType: 'hello',
        uaid: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
        status: 200,
        use_webpush: true,
        broadcasts: {},
      });
      await device.leave();
    });

    test('echoes the offered subprotocol and accepts a client that offers none', async () => {
      const device = await open();
      expect(device.socket.protocol).toBe('push-notification');
      await device.leave();
      const plain = new WebSocket(target().gatewayUrl);
      await new Promise((resolve) => plain.once('open', resolve));
      expect(plain.protocol).toBe('');
      plain.terminate();
    });

    test.each([
      ['absent', undefined],
      ['empty', ''],
      ['malformed', 'not-a-device'],
      ['in upper case', 'ABCDEF0123456789ABCDEF0123456789'],
      ['unknown', '0123456789abcdef0123456789abcdef'],
    ])('with an %s uaid gives a new one', async (_, uaid) => {
      const device = await open();
      device.send({ messageType: 'hello', use_webpush: true, uaid });
      const answer = await device.next('hello');
      expect(answer.status).toBe(200);
      expect(answer.uaid).toMatch(/^[0-9a-f]{32}$/);
      expect(answer.uaid).not.toBe(uaid);
      await device.leave();
    });

    test('keeps a uaid that has registered, and takes a fresh one that has not', async () => {
      const first = await greeted();
      await first.register();
      await first.leave();
      const again = await greeted(first.uaid);
      expect(again.uaid).toBe(first.uaid);
      await again.leave();

      const unregistered = await greeted();
      await unregistered.leave();
      const fresh = await greeted(unregistered.uaid);
      expect(fresh.uaid).not.toBe(unregistered.uaid);
      await fresh.leave();
    });

    test('tolerates unknown members, a channel list and broadcasts', async () => {
      const device = await open();
      const broadcasts = { 'remote-settings/monitor_changes': '"0"' };
      device.send({ messageType: 'hello', channelIDs: [randomUUID()], broadcasts, extra: [1] });
      expect((await device.next('hello')).status).toBe(200);
      device.send({ messageType: 'broadcast_subscribe', broadcasts });
      expect((await device.register()).status).toBe(200);
      await device.leave();
    });

    test('twice closes with 1011', async () => {
      const device = await greeted();
      device.send({ messageType: 'hello', use_webpush: true });
      expect((await device.closed).code).toBe(1011);
    });

    test('that is not the first frame closes with 1011', async () => {
      const device = await open();
      device.send({ messageType: 'register', channelID: randomUUID() });
      expect((await device.closed).code).toBe(1011);
      expect(device.frames).toEqual([]);
    });

    test('that does not come within five seconds closes', async () => {
      const device = await open();
      const since = Date.now();
      await device.closed;
      const waited = Date.now() - since;
      expect(waited).toBeGreaterThan(4000);
      expect(waited).toBeLessThan(9000);
      expect(device.frames).toEqual([]);
    });

    test('of the same device on a second connection closes the first', async () => {
      const first = await greeted();
      await first.register();
      const second = await greeted(first.uaid);
      await first.closed;
      expect((await second.register()).status).toBe(200);
      await second.leave();
    });
  });

  describe('register', () => {
    test('answers the same channel twice with a working endpoint', async () => {
      const device = await greeted();
      const first = await device.register();
      const again = await device.register(undefined, first.channelID);
      expect([first.status, again.status]).toEqual([200, 200]);
      for (const one of [first, again])
        expect(new URL(one.endpoint).origin).toBe(target().endpointUrl);
      await device.leave();
    });

    test('echoes the channel id verbatim', async () => {
      const device = await greeted();
      const channelID = randomUUID();
      device.send({ messageType: 'register', channelID });
      expect((await device.next('register')).channelID).toBe(channelID);
      await device.leave();
    });

    test.each([
      ['', 'without padding'],
      ['=', 'with padding'],
    ])('takes a VAPID key %s(%s)', async (padding) => {
      const device = await greeted();
      expect((await device.register(vapidKeys().publicKey + padding)).status).toBe(200);
      await device.leave();
    });

    test.each([
      ['no base64url', '!!!'],
      ['too short', Buffer.alloc(64, 4).toString('base64url')],
      ['too long', Buffer.alloc(66, 4).toString('base64url')],
      ['not on the curve', Buffer.alloc(65, 4).toString('base64url')],
      ['compressed', Buffer.concat([Buffer.from([2]), Buffer.alloc(32, 7)]).toString('base64url')],
    ])('answers 400 to a key that is %s, and the socket stays open', async (_, key) => {
      const device = await greeted();
      expect((await device.register(key)).status).toBe(400);
      expect((await device.register()).status).toBe(200);
      await device.leave();
    });

    test('answers 400 to a channel id that is no lower-case UUID', async () => {
      const device = await greeted();
      for (const channelID of ['x', randomUUID().toUpperCase(), randomUUID().replaceAll('-', '')]) {
        expect((await device.register(undefined, channelID)).status).toBe(400);
      }
      await device.leave();
    });
  });

  describe('unregister', () => {
    test('answers 200, also for a channel that nobody knows', async () => {
      const device = await greeted();
      const { channelID } = await device.register();
      expect(await device.unregister(channelID)).toBe(200);
      expect(await device.unregister(channelID)).toBe(200);
      expect(await device.unregister(randomUUID())).toBe(200);
      await device.leave();
    });

    test.each([200, 201, 202])('takes the code %i', async (code) => {
      const device = await greeted();
      const { channelID } = await device.register();
      device.send({ messageType: 'unregister', channelID, code });
      expect(await device.next('unregister')).toMatchObject({ channelID, status: 200 });
      await device.leave();
    });
  });

  describe('frames', () => {
    test.each(['{}', '{"messageType":"ping"}'])('%s is answered by {}', async (ping) => {
      const device = await greeted();
      device.socket.send(ping);
      await expect.poll(() => device.frames.at(-1)).toEqual({});
      await device.leave();
    });

    test('pings more often than allowed close with 1011', async () => {
      const device = await greeted();
      device.socket.send('{}');
      device.socket.send('{}');
      expect((await device.closed).code).toBe(1011);
    });

    test.each([
      ['no JSON', 'hello'],
      ['half a document', '{"messageType":'],
      ['an array', '[]'],
      ['a number as channelID', '{"messageType":"register","channelID":5}'],
      ['a number as key', `{"messageType":"register","channelID":"${randomUUID()}","key":1}`],
      ['updates that are no list', '{"messageType":"ack","updates":{}}'],
      ['an empty frame', ''],
    ])('%s closes with 1011', async (_, text) => {
      const device = await greeted();
      device.socket.send(text);
      expect((await device.closed).code).toBe(1011);
    });

    test('a binary frame closes with 1003', async () => {
      const device = await greeted();
      device.socket.send(Buffer.from('{}'), { binary: true });
      expect((await device.closed).code).toBe(1003);
    });

    test('a frame of 64 KiB is read, one byte more closes', async () => {
      const device = await greeted();
      const frame = (bytes: number): string => {
        const channelID = randomUUID();
        const head = `{"messageType":"unregister","channelID":"${channelID}","pad":"`;
        return `${head}${'x'.repeat(bytes - head.length - 2)}"}`;
      };
      device.socket.send(frame(65_536));
      expect((await device.next('unregister')).status).toBe(200);
      device.socket.send(frame(65_537));
      await device.closed;
    });

    test('a plain GET is answered 404 and the socket port serves nothing else', async () => {
      const http = target().gatewayUrl.replace(/^ws/, 'http');
      expect((await fetch(new URL('/metrics', http))).status).toBe(404);
      expect((await fetch(new URL('/somewhere', http))).status).toBe(404);
    });

    test('compression is not agreed', async () => {
      const socket = new WebSocket(target().gatewayUrl, { perMessageDeflate: true });
      await new Promise((resolve) => socket.once('open', resolve));
      expect(socket.extensions).toBe('');
      socket.terminate();
    });
  });
}
