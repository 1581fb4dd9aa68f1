import { describe, expect, test } from 'vitest';
import { Device, payloadOf } from '../support/device.js';
import { accepted, post, request } from '../support/sender.js';
import type { Target } from './target.js';

/** contract.md §1 "Rules" and §2 "Semantics", black box. */
export function deliveryConformance(target: () => Target): void {
  const greeted = (uaid?: string): Promise<Device> => Device.greeted(target().gatewayUrl, uaid);
  const subscribed = async (): Promise<{ device: Device; endpoint: string; channelID: string }> => {
    const device = await greeted();
    const { endpoint, channelID } = await device.register();
    return { device, endpoint, channelID };
  };
  const ended = async (outcome: string): Promise<number> =>
    (await target().accounts()).outcomes[outcome] ?? 0;
  /** Resolves when one more than `before` ended so. */
  const endedOneMore = async (outcome: string, before: number): Promise<void> => {
    await expect.poll(() => ended(outcome), { timeout: 10_000 }).toBe(before + 1);
  };

  describe('a notification', () => {
    test('reaches the connected device with exactly the members of the contract', async () => {
      const { device, endpoint, channelID } = await subscribed();
      await accepted(endpoint, 'quote 1');
      expect(await device.next('notification')).toEqual({
        messageType: 'notification',
        channelID,
        version: expect.any(String) as string,
        data: Buffer.from('quote 1').toString('base64url'),
        headers: { encoding: 'aes128gcm' },
      });
      await device.leave();
    });

    test('with an empty body has neither data nor headers', async () => {
      const { device, endpoint, channelID } = await subscribed();
      await accepted(endpoint);
      const frame = await device.next('notification');
      expect(Object.keys(frame).sort()).toEqual(['channelID', 'messageType', 'version']);
      expect(frame.channelID).toBe(channelID);
      await device.leave();
    });

    test('carries bytes in base64url without padding', async () => {
      const { device, endpoint } = await subscribed();
      const bytes = Buffer.from([0xfb, 0xff, 0xfe, 0x00]);
      await accepted(endpoint, bytes);
      expect((await device.next('notification')).data).toBe('-__-AA');
      await device.leave();
    });

    test('of exactly 4096 bytes arrives whole', async () => {
      const { device, endpoint } = await subscribed();
      const body = Buffer.alloc(4096, 0xa7);
      await accepted(endpoint, body);
      const frame = await device.next('notification');
      expect(Buffer.from(frame.data ?? '', 'base64url').equals(body)).toBe(true);
      await device.leave();
    });

    test('in aesgcm carries its salt and key without quotes and padding', async () => {
      const { device, endpoint } = await subscribed();
      const salt = Buffer.alloc(16, 9).toString('base64url');
      const dh = Buffer.alloc(65, 4).toString('base64url');
      await accepted(endpoint, 'old', {
        'content-encoding': 'aesgcm',
        encryption: `keyid=p256dh;salt="${salt}=="`,
        'crypto-key': `keyid=p256dh;dh="${dh}="`,
      });
      const { headers } = await device.next('notification');
      expect(headers?.encoding).toBe('aesgcm');
      expect(headers?.encryption).toContain(`salt=${salt}`);
      expect(headers?.crypto_key).toContain(`dh=${dh}`);
      expect(JSON.stringify(headers)).not.toMatch(/\\"|=="|=;/);
      await device.leave();
    });

    test('accepted while its device is connected leaves at once', async () => {
      const { device, endpoint } = await subscribed();
      const waits: number[] = [];
      for (let i = 0; i < 20; i++) {
        await accepted(endpoint, `n${i}`);
        const since = performance.now();
        await device.next('notification');
        waits.push(performance.now() - since);
      }
      expect(waits.sort((a, b) => a - b)[10]).toBeLessThan(200);
      await device.leave();
    });

    test('posted the moment after register was answered is not refused', async () => {
      for (let i = 0; i < 20; i++) {
        const { device, endpoint } = await subscribed();
        expect((await post(endpoint, 'now')).status).toBe(201);
        await device.next('notification');
        await device.leave();
      }
    });
  });

  describe('acknowledgement', () => {
    test.each([100, 101, 102, undefined])('with code %s ends redelivery', async (code) => {
      const { device, endpoint } = await subscribed();
      await accepted(endpoint, 'first');
      const { channelID, version } = await device.next('notification');
      device.send({ messageType: 'ack', updates: [{ channelID, version, code }] });
      await device.notificationsUntilAnswer();
      await device.leave();
      await accepted(endpoint, 'second');
      const again = await greeted(device.uaid);
      expect(payloadOf(await again.next('notification'))).toBe('second');
      await again.leave();
    });

    test('of one leaves its neighbour waiting', async () => {
      const { device, endpoint } = await subscribed();
      for (const text of ['a', 'b', 'c']) await accepted(endpoint, text);
      const [, b] = await device.notifications(3);
      device.ack(b!);
      await device.notificationsUntilAnswer();
      await device.leave();
      const again = await greeted(device.uaid);
      expect((await again.notifications(2)).map(payloadOf)).toEqual(['a', 'c']);
      await again.leave();
    });

    test('of several in one frame, of unknown versions, and a nack are taken', async () => {
      const { device, endpoint } = await subscribed();
      for (const text of ['a', 'b']) await accepted(endpoint, text);
      const both = await device.notifications(2);
      const known = both.map(({ channelID, version }) => ({ channelID, version, code: 100 }));
      const unknown = { channelID: known[0]?.channelID, version: 'nobody-knows', code: 100 };
      device.send({ messageType: 'ack', updates: [...known, unknown] });
      device.send({ messageType: 'nack', version: known[0]?.version, code: 301 });
      expect(await device.notificationsUntilAnswer()).toEqual([]);
      await device.leave();
      const again = await greeted(device.uaid);
      expect(await again.notificationsUntilAnswer()).toEqual([]);
      await again.leave();
    });
  });

  describe('redelivery', () => {
    test('does not happen on the same connection', async () => {
      const { device, endpoint } = await subscribed();
      await accepted(endpoint, 'once');
      await device.next('notification');
      await accepted(endpoint, 'next');
      expect(payloadOf(await device.next('notification'))).toBe('next');
      expect(await device.notificationsUntilAnswer()).toEqual([]);
      await device.leave();
    });

    test('after a reconnect brings stored and live ones in one order', async () => {
      const { device, endpoint } = await subscribed();
      await device.leave();
      for (let i = 0; i < 5; i++) await accepted(endpoint, `${i}`);
      const again = await greeted(device.uaid);
      for (let i = 5; i < 10; i++) await accepted(endpoint, `${i}`);
      expect((await again.notifications(10)).map(payloadOf)).toEqual([...'0123456789']);
      await again.leave();
    });

    test('brings five hundred stored ones in order, each once, as they are acknowledged', async () => {
      const { device, endpoint } = await subscribed();
      await device.leave();
      for (let from = 0; from < 500; from += 50) {
        for (let i = from; i < from + 50; i++) await accepted(endpoint, `${i}`);
      }
      const again = await greeted(device.uaid);
      const texts: string[] = [];
      while (texts.length < 500) {
        const frame = await again.next('notification');
        texts.push(payloadOf(frame));
        again.ack(frame);
      }
      expect(texts).toEqual(Array.from({ length: 500 }, (_, i) => `${i}`));
      await again.leave();
      const empty = await greeted(device.uaid);
      expect(await empty.notificationsUntilAnswer()).toEqual([]);
      await empty.leave();
    });
  });

  describe('a topic', () => {
    test('replaces the stored message of the same subscription and topic', async () => {
      const { device, endpoint } = await subscribed();
      await device.leave();
      const topic = { topic: 'ACME' };
      await accepted(endpoint, 'a1', topic);
      await accepted(endpoint, 'n1');
      await accepted(endpoint, 'a2', topic);
      await accepted(endpoint, 'a3', topic);
      await accepted(endpoint, 'n2', { topic: 'OTHER' });
      const waiting = async (): Promise<readonly string[]> => {
        const again = await greeted(device.uaid);
        const frames = await again.notificationsUntilAnswer();
        await again.leave();
        return frames.map(payloadOf);
      };
      // A cluster decides a moment after its 201.
      await expect.poll(waiting, { timeout: 5_000 }).toEqual(['n1', 'a3', 'n2']);
    });

    test('of one subscription leaves that of another alone', async () => {
      const { device, endpoint } = await subscribed();
      const other = await device.register();
      await device.leave();
      await accepted(endpoint, 'mine', { topic: 'T' });
      await accepted(other.endpoint, 'theirs', { topic: 'T' });
      const again = await greeted(device.uaid);
      expect((await again.notifications(2)).map(payloadOf)).toEqual(['mine', 'theirs']);
      await again.leave();
    });

    test('replaced while delivered and unacknowledged: only the new one comes again', async () => {
      const { device, endpoint } = await subscribed();
      await accepted(endpoint, 'old', { topic: 'T' });
      const old = await device.next('notification');
      await accepted(endpoint, 'new', { topic: 'T' });
      expect(payloadOf(await device.next('notification'))).toBe('new');
      device.ack(old); // late, for what has been replaced
      await device.notificationsUntilAnswer();
      await device.leave();
      const again = await greeted(device.uaid);
      expect(payloadOf(await again.next('notification'))).toBe('new');
      expect(await again.notificationsUntilAnswer()).toEqual([]);
      await again.leave();
    });
  });

  describe('TTL', () => {
    test('0 reaches a connected device', async () => {
      const { device, endpoint } = await subscribed();
      await accepted(endpoint, 'now', { ttl: '0' });
      const frame = await device.next('notification');
      expect(payloadOf(frame)).toBe('now');
      const before = await ended('delivered');
      device.ack(frame);
      await endedOneMore('delivered', before);
      await device.leave();
    });

    test('0 is accepted and never stored for a device that is away', async () => {
      const { device, endpoint } = await subscribed();
      await device.leave();
      const before = await ended('dropped');
      expect((await post(endpoint, 'now or never', { ttl: '0' })).status).toBe(201);
      await endedOneMore('dropped', before);
      await accepted(endpoint, 'later');
      const again = await greeted(device.uaid);
      expect(payloadOf(await again.next('notification'))).toBe('later');
      await again.leave();
    });

    test('that has passed hides twelve messages and not the live one behind them', async () => {
      const { device, endpoint } = await subscribed();
      await device.leave();
      for (let i = 0; i < 12; i++) await accepted(endpoint, `stale ${i}`, { ttl: '1' });
      await accepted(endpoint, 'live');
      await new Promise((resolve) => setTimeout(resolve, 1200));
      const again = await greeted(device.uaid);
      expect(payloadOf(await again.next('notification'))).toBe('live');
      await again.leave();
    });
  });

  describe('DELETE of a message', () => {
    test('before it is delivered takes it away', async () => {
      const { device, endpoint } = await subscribed();
      await device.leave();
      const before = await ended('deleted');
      const location = await accepted(endpoint, 'withdrawn');
      await accepted(endpoint, 'stays');
      expect((await request('DELETE', location)).status).toBe(204);
      await endedOneMore('deleted', before);
      const again = await greeted(device.uaid);
      expect(payloadOf(await again.next('notification'))).toBe('stays');
      await again.leave();
    });

    test('after it was acknowledged is 204 as well, and twice', async () => {
      const { device, endpoint } = await subscribed();
      const location = await accepted(endpoint, 'read');
      device.ack(await device.next('notification'));
      await device.notificationsUntilAnswer();
      expect((await request('DELETE', location)).status).toBe(204);
      expect((await request('DELETE', location)).status).toBe(204);
      await device.leave();
    });

    test('of a replaced one never touches its replacement', async () => {
      const { device, endpoint } = await subscribed();
      await device.leave();
      const before = await ended('replaced');
      const old = await accepted(endpoint, 'old', { topic: 'T' });
      await accepted(endpoint, 'new', { topic: 'T' });
      await endedOneMore('replaced', before);
      expect((await request('DELETE', old)).status).toBe(204);
      const again = await greeted(device.uaid);
      expect(payloadOf(await again.next('notification'))).toBe('new');
      await again.leave();
    });
  });

  describe('the same device twice', () => {
    test('gets what is waiting on the newer connection only', async () => {
      const { device, endpoint } = await subscribed();
      const newer = await greeted(device.uaid);
      await device.closed;
      await accepted(endpoint, 'for the newer');
      expect(payloadOf(await newer.next('notification'))).toBe('for the newer');
      expect(device.frames.filter((one) => one.messageType === 'notification')).toEqual([]);
      await newer.leave();
    });
  });

  describe('unregister', () => {
    test('takes what was waiting with it', async () => {
      const { device, endpoint, channelID } = await subscribed();
      const other = await device.register();
      await accepted(endpoint, 'waiting');
      await device.next('notification');
      expect(await device.unregister(channelID)).toBe(200);
      expect(await post(endpoint, 'late')).toMatchObject({ status: 410, errno: 106 });
      await device.leave();
      await accepted(other.endpoint, 'other');
      const again = await greeted(device.uaid);
      expect(payloadOf(await again.next('notification'))).toBe('other');
      await again.leave();
    });
  });
}
