/** Real sender libraries against the service; what they encrypted is decrypted by a library that is not ours. */
import { execFileSync } from 'node:child_process';
import { Agent } from 'node:https';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import webpush from 'web-push';
import { Device } from './support/device.js';
import { requires } from './support/machine.js';
import { Receiver } from './support/receiver.js';
import { freeStandalonePorts, startStandalone } from './support/standalone.js';
import type { Standalone } from './support/standalone.js';
import { selfSigned } from './support/tls.js';
import type { Certificate } from './support/tls.js';

const SUBJECT = 'mailto:ops@stocks.example';
const vapid = webpush.generateVAPIDKeys();
const vapidDetails = { subject: SUBJECT, ...vapid };

interface Subscribed {
  readonly device: Device;
  readonly receiver: Receiver;
  readonly channelID: string;
  readonly subscription: webpush.PushSubscription;
}

async function subscribed(device: Device, key?: string): Promise<Subscribed> {
  const receiver = new Receiver();
  const { endpoint, channelID } = await device.register(key);
  return { device, receiver, channelID, subscription: { endpoint, keys: receiver.keys } };
}

describe('web-push over TLS', () => {
  let service: Standalone;
  let certificate: Certificate;
  let agent: Agent;
  let device: Device;

  beforeAll(async () => {
    certificate = await selfSigned();
    const ports = await freeStandalonePorts();
    const env = {
      TLS_CERT_FILE: certificate.certFile,
      TLS_KEY_FILE: certificate.keyFile,
      PUBLIC_ENDPOINT_URL: `https://127.0.0.1:${ports.ingest}`,
      PUBLIC_GATEWAY_URL: `wss://127.0.0.1:${ports.gateway}/`,
    };
    service = await startStandalone({ ports, env });
    agent = new Agent({ ca: certificate.certificate, keepAlive: true });
    device = await Device.open(`wss://127.0.0.1:${ports.gateway}/`, certificate.certificate);
    device.send({ messageType: 'hello', use_webpush: true });
    await device.next('hello');
  });
  afterAll(async () => {
    agent.destroy();
    await service.dispose();
    certificate.remove();
  });

  test.each(['aes128gcm', 'aesgcm'] as const)(
    '%s arrives and decrypts',
    async (contentEncoding) => {
      const { subscription, receiver } = await subscribed(device, vapid.publicKey);
      const text = `ACME 12.34 in ${contentEncoding}`;
      const options = { agent, vapidDetails, contentEncoding, TTL: 60, urgency: 'high' } as const;
      const answer = await webpush.sendNotification(subscription, text, options);
      expect(answer.statusCode).toBe(201);
      expect(receiver.decrypt(await device.next('notification'))).toBe(text);
    },
  );

  test('a notification without a payload, with a topic', async () => {
    const { subscription, channelID } = await subscribed(device, vapid.publicKey);
    const options = { agent, vapidDetails, topic: 'ACME', TTL: 60 };
    expect((await webpush.sendNotification(subscription, null, options)).statusCode).toBe(201);
    const frame = await device.next('notification');
    expect(frame.channelID).toBe(channelID);
    expect(frame.data).toBeUndefined();
  });

  test('is told 410 once the device has unsubscribed', async () => {
    const { subscription, channelID } = await subscribed(device, vapid.publicKey);
    await device.unregister(channelID);
    const sent = webpush.sendNotification(subscription, 'late', { agent, vapidDetails });
    await expect(sent).rejects.toMatchObject({ statusCode: 410 });
  });

  test('is told 401 with the wrong key and 413 when it is too large', async () => {
    const { subscription } = await subscribed(device, vapid.publicKey);
    const other = { subject: SUBJECT, ...webpush.generateVAPIDKeys() };
    const wrong = webpush.sendNotification(subscription, 'x', { agent, vapidDetails: other });
    await expect(wrong).rejects.toMatchObject({ statusCode: 401 });
    const large = webpush.sendNotification(subscription, 'x'.repeat(4100), { agent, vapidDetails });
    await expect(large).rejects.toMatchObject({ statusCode: 413 });
  });
});

describe('over plain HTTP', () => {
  let service: Standalone;
  let device: Device;

  beforeAll(async () => {
    service = await startStandalone();
    device = await Device.greeted(service.gatewayUrl);
  });
  afterAll(() => service.dispose());

  test('what web-push’s generateRequestDetails makes arrives', async () => {
    const { subscription, receiver } = await subscribed(device, vapid.publicKey);
    const options = { vapidDetails, TTL: 60 };
    const details = webpush.generateRequestDetails(subscription, 'ACME 56.78', options);
    const headers = Object.entries(details.headers)
      .filter(([name]) => name !== 'Content-Length')
      .map(([name, value]) => [name, String(value)] as [string, string]);
    const { endpoint, method, body } = details;
    const bytes = body ? new Uint8Array(body) : undefined;
    const answer = await fetch(endpoint, { method, headers, body: bytes });
    expect(answer.status).toBe(201);
    expect(receiver.decrypt(await device.next('notification'))).toBe('ACME 56.78');
  });

  requires('pywebpush')('pywebpush: with its default TTL of 0, and with one', async () => {
    const { subscription, receiver } = await subscribed(device, vapid.publicKey);
    for (const ttl of [0, 60]) {
      const { endpoint, keys } = subscription;
      const order = {
        endpoint,
        keys,
        ttl,
        text: `TTL ${ttl}`,
        key: vapid.privateKey,
        sub: SUBJECT,
      };
      const script = [
        'import json, sys',
        'from pywebpush import webpush',
        'o = json.load(sys.stdin)',
        'info = {"endpoint": o["endpoint"], "keys": o["keys"]}',
        'claims = {"sub": o["sub"]}',
        'a = webpush(info, o["text"], vapid_private_key=o["key"], vapid_claims=claims, ttl=o["ttl"])',
        'print(a.status_code)',
      ];
      const python = process.env.TEST_PYTHON ?? 'python3';
      const input = JSON.stringify(order);
      const said = execFileSync(python, ['-c', script.join('\n')], { input, encoding: 'utf8' });
      expect(said.trim()).toBe('201');
      expect(receiver.decrypt(await device.next('notification'))).toBe(`TTL ${ttl}`);
    }
  });
});
