/** What the most used sender library makes is what these parsers take. */
import { createECDH, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import webPush from 'web-push';
import { parsePushHeaders } from './headers.js';
import { fingerprintOf } from './vapid-key.js';
import { VapidVerifier } from './vapid.js';

const vapidKeys = webPush.generateVAPIDKeys();
const device = createECDH('prime256v1');
const subscription = {
  endpoint: 'http://127.0.0.1:8081/wpush/v2/abc',
  keys: {
    p256dh: device.generateKeys('base64url'),
    auth: randomBytes(16).toString('base64url'),
  },
};

describe.each(['aes128gcm', 'aesgcm'] as const)(
  'a request of web-push with %s',
  (contentEncoding) => {
    const { headers } = webPush.generateRequestDetails(subscription, 'quote', {
      contentEncoding,
      vapidDetails: { subject: 'mailto:a@example.com', ...vapidKeys },
      TTL: 60,
      topic: 'quotes',
      urgency: 'high',
    });
    const field = (name: string) =>
      headers[name] === undefined ? undefined : String(headers[name]);
    const cryptoKey = field('Crypto-Key');

    test('has its VAPID verified', () => {
      const verifier = new VapidVerifier({ audience: 'http://127.0.0.1:8081', cacheMax: 1 });
      const fields = { authorization: field('Authorization'), cryptoKey };
      expect(verifier.verify(fields, Date.now())).toEqual({
        kind: 'verified',
        fingerprint: fingerprintOf(vapidKeys.publicKey),
      });
    });

    test('has its headers taken', () => {
      const fields = {
        ttl: field('TTL'),
        topic: field('Topic'),
        urgency: field('Urgency'),
        contentEncoding: field('Content-Encoding'),
        encryption: field('Encryption'),
        cryptoKey,
      };
      const parsed = parsePushHeaders(fields, { hasBody: true, ttlSecondsMax: 100 });
      expect(parsed).toEqual({
        kind: 'headers',
        ttlSeconds: 60,
        topic: 'quotes',
        urgency: 'high',
        encoding: contentEncoding,
        ...(contentEncoding === 'aesgcm' && {
          encryption: expect.stringMatching(/^salt=[\w-]{22}$/),
          cryptoKey: expect.stringMatching(/^dh=[\w-]{87}(;p256ecdsa=[\w-]{87})?$/),
        }),
      });
    });
  },
);
