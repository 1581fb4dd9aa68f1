import { describe, expect, test } from 'vitest';
import { Device } from '../support/device.js';
import { accepted, inSeconds, post, request, token, vapid, vapidKeys } from '../support/sender.js';
import type { TokenParts } from '../support/sender.js';
import type { Target } from './target.js';

/** contract.md §2, black box. */
export function senderSideConformance(target: () => Target): void {
  const subscribed = async (key?: string): Promise<{ device: Device; endpoint: string }> => {
    const device = await Device.greeted(target().gatewayUrl);
    const { endpoint } = await device.register(key);
    return { device, endpoint };
  };
  const unknown = (): string => `${target().endpointUrl}/wpush/v1/${'A'.repeat(87)}`;

  describe('an accepted POST', () => {
    test('is 201 without a body, with an absolute Location and the effective TTL', async () => {
      const { device, endpoint } = await subscribed();
      const answer = await post(endpoint, 'x', { ttl: '60' });
      expect(answer.status).toBe(201);
      expect(answer.body).toBe('');
      expect(answer.headers.get('ttl')).toBe('60');
      expect(answer.headers.get('location')).toMatch(
        new RegExp(`^${target().endpointUrl}/m/[\\w-]{40,}$`),
      );
      await device.leave();
    });

    test('has its TTL lowered to the longest', async () => {
      const { device, endpoint } = await subscribed();
      const answer = await post(endpoint, 'x', { ttl: '99999999999' });
      expect([answer.status, answer.headers.get('ttl')]).toEqual([201, '2592000']);
      await device.leave();
    });

    test.each(['v1', 'v2', ''])(
      'goes to an unkeyed endpoint under /wpush/%s as its id decides',
      async (version) => {
        const { device, endpoint } = await subscribed();
        const receiver = endpoint.split('/').at(-1) ?? '';
        const path = [target().endpointUrl, 'wpush', version, receiver].filter(Boolean).join('/');
        expect((await post(path, 'x')).status).toBe(version === 'v2' ? 404 : 201);
        await device.leave();
      },
    );

    test('ignores Prefer', async () => {
      const { device, endpoint } = await subscribed();
      expect((await post(endpoint, 'x', { prefer: 'respond-async' })).status).toBe(201);
      await device.leave();
    });

    test.each([
      ['Urgency', { urgency: 'very-low' }],
      ['Urgency', { urgency: 'high' }],
      ['a topic of 32', { topic: 'a'.repeat(32) }],
      ['a padded topic', { topic: 'QUJD=' }],
      ['a p256ecdsa beside aes128gcm', { 'crypto-key': `p256ecdsa=${vapidKeys().publicKey}` }],
    ])('takes %s', async (_, headers) => {
      const { device, endpoint } = await subscribed();
      expect((await post(endpoint, 'x', headers)).status).toBe(201);
      await device.leave();
    });

    test('has message ids that differ', async () => {
      const { device, endpoint } = await subscribed();
      const all = await Promise.all(Array.from({ length: 50 }, () => accepted(endpoint, 'x')));
      expect(new Set(all).size).toBe(50);
      await device.leave();
    });
  });

  describe('a refusal', () => {
    test.each([
      ['TTL missing', { ttl: undefined }, 400, 111],
      ['TTL no number', { ttl: 'soon' }, 400, 111],
      ['TTL negative', { ttl: '-1' }, 400, 112],
      ['topic of 33', { topic: 'a'.repeat(33) }, 400, 113],
      ['topic with a dot', { topic: 'a.b' }, 400, 113],
      ['urgency unknown', { urgency: 'urgent' }, 400, 115],
      ['content encoding missing', { 'content-encoding': undefined }, 400, 110],
      ['content encoding unknown', { 'content-encoding': 'gzip' }, 400, 110],
      ['aesgcm without salt', { 'content-encoding': 'aesgcm', 'crypto-key': 'dh=BAAA' }, 400, 110],
      [
        'aesgcm with a Crypto-Key that has no dh',
        { 'content-encoding': 'aesgcm', encryption: 'salt=AAAA', 'crypto-key': 'keyid=a' },
        400,
        110,
      ],
      ['aes128gcm with Encryption', { encryption: 'salt=AAAA' }, 400, 110],
      ['aes128gcm with a dh', { 'crypto-key': 'dh=BAAA' }, 400, 110],
    ])('%s', async (_, headers, status, errno) => {
      const { device, endpoint } = await subscribed();
      const answer = await post(endpoint, 'x', headers);
      expect(answer).toMatchObject({ status, errno });
      expect(Object.keys(JSON.parse(answer.body) as object).sort()).toEqual([
        'code',
        'errno',
        'error',
        'message',
        'more_info',
      ]);
      await device.leave();
    });

    test('4097 bytes are 413, 4096 are not', async () => {
      const { device, endpoint } = await subscribed();
      expect((await post(endpoint, Buffer.alloc(4096, 1))).status).toBe(201);
      expect(await post(endpoint, Buffer.alloc(4097, 1))).toMatchObject({
        status: 413,
        errno: 104,
      });
      await device.leave();
    });

    test('a receiver id that does not open is 404, with its JSON body', async () => {
      expect(await post(unknown(), 'x')).toMatchObject({ status: 404, errno: 102 });
      const { device, endpoint } = await subscribed();
      const at = endpoint.length - 20;
      const flipped = endpoint[at] === 'A' ? 'B' : 'A';
      const forged = endpoint.slice(0, at) + flipped + endpoint.slice(at + 1);
      expect(await post(forged, 'x')).toMatchObject({ status: 404, errno: 102 });
      expect(await post(endpoint.slice(0, -1), 'x')).toMatchObject({ status: 404, errno: 102 });
      await device.leave();
    });

    test('a subscription that was given up is 410 and may be remembered for a day', async () => {
      const device = await Device.greeted(target().gatewayUrl);
      const { endpoint, channelID } = await device.register();
      await device.unregister(channelID);
      const answer = await post(endpoint, 'x');
      expect(answer).toMatchObject({ status: 410, errno: 106 });
      expect(answer.headers.get('cache-control')).toBe('max-age=86400');
      await device.leave();
    });

    test('an endpoint whose channel was registered again with another key is 410', async () => {
      const [first, second] = [vapidKeys(), vapidKeys()];
      const device = await Device.greeted(target().gatewayUrl);
      const before = await device.register(first.publicKey);
      const after = await device.register(second.publicKey, before.channelID);
      const old = await post(before.endpoint, 'x', {
        authorization: vapid(first, before.endpoint),
      });
      expect(old.status).toBe(410);
      const now = await post(after.endpoint, 'x', { authorization: vapid(second, after.endpoint) });
      expect(now.status).toBe(201);
      await device.leave();
    });
  });

  describe('the order of refusals', () => {
    test('path, receiver id, VAPID, subscription, size, headers', async () => {
      const keys = vapidKeys();
      const tooLarge = Buffer.alloc(5000, 1);
      const wrong = { ttl: 'soon', topic: '!', authorization: 'vapid t=a.b.c, k=x' };
      const status = async (url: string, headers: object): Promise<number> =>
        (await post(url, tooLarge, { ...wrong, ...headers })).status;
      const device = await Device.greeted(target().gatewayUrl);
      const { endpoint, channelID } = await device.register(keys.publicKey);
      const good = { authorization: vapid(keys, endpoint) };

      expect(await status(`${target().endpointUrl}/nowhere`, {})).toBe(404);
      expect(await status(unknown(), {})).toBe(404);
      expect(await status(endpoint, {})).toBe(401);
      expect(await status(endpoint, good)).toBe(413);
      expect((await post(endpoint, 'x', { ...wrong, ...good })).status).toBe(400);
      await device.unregister(channelID);
      expect(await status(endpoint, {})).toBe(401);
      expect(await status(endpoint, good)).toBe(410);
      await device.leave();
    });
  });

  describe('VAPID', () => {
    const keys = vapidKeys();

    test('of the right key is accepted in each of its forms', async () => {
      const { device, endpoint } = await subscribed(keys.publicKey);
      const jwt = token(keys, endpoint);
      const draft = { 'crypto-key': `p256ecdsa=${keys.publicKey}` };
      const standard = Buffer.from(keys.publicKey, 'base64url').toString('base64');
      const forms = [
        { authorization: `vapid t=${jwt}, k=${keys.publicKey}` },
        { authorization: `VAPID t=${jwt},k=${keys.publicKey}` },
        { authorization: `vapid k=${keys.publicKey}, t=${jwt}` },
        { authorization: `vapid t=${jwt}, k=${standard}` },
        { authorization: `vapid t=${jwt}, k=${keys.publicKey}=` },
        { authorization: `Bearer ${jwt}`, ...draft },
        { authorization: `WebPush ${jwt}`, ...draft },
      ];
      for (const headers of forms) {
        expect([headers, (await post(endpoint, 'x', headers)).status]).toEqual([headers, 201]);
      }
      await device.leave();
    });

    test.each<[string, TokenParts]>([
      ['audience of another', { aud: 'https://push.example' }],
      ['audience with a path', { aud: 'SAME/wpush' }],
      ['audience a list', { aud: ['SAME'] }],
      ['no audience', { aud: undefined }],
      ['expired', { exp: inSeconds(-120) }],
      ['more than a day ahead', { exp: inSeconds(25 * 3600) }],
      ['no expiry', { exp: undefined }],
      ['expiry a string', { exp: String(inSeconds(60)) }],
      ['another algorithm', { alg: 'HS256' }],
      ['no algorithm', { alg: 'none' }],
    ])('%s is 401', async (_, parts) => {
      const { device, endpoint } = await subscribed(keys.publicKey);
      const aud = JSON.parse(
        JSON.stringify(parts.aud ?? null).replaceAll('SAME', target().endpointUrl),
      ) as unknown;
      const claims = 'aud' in parts ? { ...parts, aud: aud ?? undefined } : parts;
      const headers = { authorization: vapid(keys, endpoint, claims) };
      expect(await post(endpoint, 'x', headers)).toMatchObject({ status: 401, errno: 109 });
      await device.leave();
    });

    test('missing, garbled, of another key or with a broken signature is 401', async () => {
      const { device, endpoint } = await subscribed(keys.publicKey);
      const jwt = token(keys, endpoint);
      const broken = `${jwt.slice(0, -4)}${jwt.endsWith('AAAA') ? 'BBBB' : 'AAAA'}`;
      const other = vapidKeys();
      const wrong = [
        undefined,
        '',
        'vapid',
        'vapid t=, k=',
        `vapid t=${jwt}`,
        `vapid k=${keys.publicKey}`,
        `vapid t=${broken}, k=${keys.publicKey}`,
        `vapid t=${jwt}, k=${other.publicKey}`,
        vapid(other, endpoint),
        `Basic ${jwt}`,
        `Bearer ${jwt}`,
        `vapid t=${jwt.split('.').slice(0, 2).join('.')}, k=${keys.publicKey}`,
      ];
      for (const authorization of wrong) {
        const answer = await post(endpoint, 'x', { authorization });
        expect([authorization, answer.status, answer.errno]).toEqual([authorization, 401, 109]);
      }
      await device.leave();
    });

    test('is optional without a key and verified when present', async () => {
      const { device, endpoint } = await subscribed();
      expect((await post(endpoint, 'x')).status).toBe(201);
      expect((await post(endpoint, 'x', { authorization: vapid(keys, endpoint) })).status).toBe(
        201,
      );
      const expired = vapid(keys, endpoint, { exp: inSeconds(-120) });
      expect((await post(endpoint, 'x', { authorization: expired })).status).toBe(401);
      await device.leave();
    });

    test('without a subject, and just inside its times, is accepted', async () => {
      const { device, endpoint } = await subscribed(keys.publicKey);
      for (const parts of [
        { sub: undefined },
        { exp: inSeconds(-30) },
        { exp: inSeconds(86_390) },
      ]) {
        const headers = { authorization: vapid(keys, endpoint, parts) };
        expect([parts, (await post(endpoint, 'x', headers)).status]).toEqual([parts, 201]);
      }
      await device.leave();
    });

    test('a keyed receiver id wants its key on any path', async () => {
      const { device, endpoint } = await subscribed(keys.publicKey);
      const receiver = endpoint.split('/').at(-1) ?? '';
      const v1 = `${target().endpointUrl}/wpush/v1/${receiver}`;
      expect((await post(v1, 'x')).status).toBe(401);
      expect((await post(v1, 'x', { authorization: vapid(keys, endpoint) })).status).toBe(201);
      await device.leave();
    });
  });

  describe('the other routes', () => {
    test('GET on an endpoint says that UnifiedPush works here', async () => {
      const answer = await request('GET', unknown());
      expect([answer.status, JSON.parse(answer.body)]).toEqual([
        200,
        { unifiedpush: { version: 1 } },
      ]);
    });

    test('a known path with another method is 405, an unknown path 404', async () => {
      expect((await request('PUT', unknown())).status).toBe(405);
      expect((await request('POST', `${target().endpointUrl}/m/abc`)).status).toBe(405);
      expect((await request('GET', `${target().endpointUrl}/`)).status).toBe(404);
      expect((await request('POST', `${target().endpointUrl}/wpush/v3/a/b`)).status).toBe(404);
    });

    test('DELETE of an id that does not open is 400', async () => {
      expect((await request('DELETE', `${target().endpointUrl}/m/nonsense`)).status).toBe(400);
    });

    test('OPTIONS allows any origin what a sender needs', async () => {
      const headers = { origin: 'https://stocks.example', 'access-control-request-method': 'POST' };
      const answer = await request('OPTIONS', unknown(), { headers });
      expect(answer.status).toBeLessThan(300);
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
      const allowed = (answer.headers.get('access-control-allow-headers') ?? '').toLowerCase();
      for (const name of [
        'authorization',
        'content-encoding',
        'crypto-key',
        'encryption',
        'prefer',
        'topic',
        'ttl',
        'urgency',
      ]) {
        expect(allowed).toContain(name);
      }
      expect(answer.headers.get('access-control-max-age')).toBe('3600');
    });

    test('answers to a browser expose Location, Link, Retry-After and TTL', async () => {
      const { device, endpoint } = await subscribed();
      const answer = await post(endpoint, 'x', { origin: 'https://stocks.example' });
      expect(answer.headers.get('access-control-allow-origin')).toBe('*');
      const exposed = (answer.headers.get('access-control-expose-headers') ?? '').toLowerCase();
      for (const name of ['location', 'link', 'retry-after', 'ttl'])
        expect(exposed).toContain(name);
      await device.leave();
    });
  });
}
