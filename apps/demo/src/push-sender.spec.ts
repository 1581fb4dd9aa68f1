import { readFileSync } from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import webpush from 'web-push';
import { selfSigned, type Certificate } from '../../../test/support/tls.js';
import { PushSender } from './push-sender.js';

const { publicKey: p256dh } = webpush.generateVAPIDKeys();
const subscriber = (endpoint: string) => ({
  id: 'one',
  subscription: { endpoint, keys: { p256dh, auth: 'A'.repeat(22) } },
});
const message = { payload: 'NOON', ttlSeconds: 60, urgency: 'normal', topic: 'NOON' } as const;

describe('a push to an endpoint with TLS', () => {
  let certificate: Certificate;
  let service: https.Server;
  let endpoint: string;
  let heard: { authorization?: string; ttl?: unknown }[];

  beforeAll(async () => {
    certificate = await selfSigned();
    heard = [];
    const [cert, key] = [certificate.certFile, certificate.keyFile].map((path) =>
      readFileSync(path),
    );
    service = https.createServer({ cert, key }, (request, response) => {
      heard.push({ authorization: request.headers.authorization, ttl: request.headers['ttl'] });
      const status = request.url === '/wpush/v2/gone' ? 410 : 201;
      response.writeHead(status, { location: 'https://push/m/1' }).end('said');
    });
    await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
    endpoint = `https://127.0.0.1:${(service.address() as AddressInfo).port}/wpush/v2`;
  });
  afterAll(async () => {
    https.globalAgent.options.ca = undefined;
    service.closeAllConnections();
    await new Promise((resolve) => service.close(resolve));
    certificate.remove();
  });

  const sender = new PushSender(webpush.generateVAPIDKeys());

  test('to a certificate that nobody vouches for is not sent', async () => {
    const { answer, failure } = await sender.post(subscriber(`${endpoint}/one`), message);
    expect(answer).toBeUndefined();
    expect(failure).toContain('certificate');
    expect(heard).toEqual([]);
  });

  test('answers as the service did', async () => {
    https.globalAgent.options.ca = certificate.certificate;
    const taken = await sender.post(subscriber(`${endpoint}/one`), message);
    expect(taken.answer).toMatchObject({ status: 201, headers: { location: 'https://push/m/1' } });
    expect(taken.headers).toMatchObject({ TTL: '60', Topic: 'NOON' });
    const gone = await sender.post(subscriber(`${endpoint}/gone`), message);
    expect(gone.answer).toMatchObject({ status: 410, body: 'said' });
    expect(heard[0]?.authorization).toMatch(/^vapid t=/);
    expect(heard[0]?.ttl).toBe('60');
  });
});
