/** What a push client and a push service owe each other: run on the small service here, on the real one too. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Sender } from '../test/sender.js';
import { HeliographClient, MemoryStorage, type ClientStorage, type PushEvent } from './index.js';

export interface ServiceUnderTest {
  readonly gatewayUrl: string;
  readonly endpointUrl: string;
  /** Serves again at the same addresses, with all that it knew. */
  start(): Promise<void>;
  /** Ends without a word to anybody. */
  kill(): Promise<void>;
  close(): Promise<void>;
}

export function clientContract(name: string, open: () => Promise<ServiceUnderTest>): void {
  describe(`a push client of ${name}`, () => {
    let service: ServiceUnderTest;
    let sender: Sender;
    const clients: HeliographClient[] = [];

    /** Keeps what it is shown; `next` is the one after those already asked for. */
    function client(storage: ClientStorage = new MemoryStorage()): Shown {
      const shown = new Shown(service.gatewayUrl, storage);
      clients.push(shown.client);
      return shown;
    }

    beforeEach(async () => {
      service = await open();
      sender = new Sender();
    });
    afterEach(async () => {
      for (const one of clients.splice(0)) one.close();
      await service.close();
    });

    test('subscribes, and serialises to what an application server stores', async () => {
      const { client: ours } = client();
      const { publicKey: applicationServerKey } = sender;
      const subscription = await ours.subscribe({ applicationServerKey });
      expect(new URL(subscription.endpoint).origin).toBe(service.endpointUrl);
      const json = JSON.parse(JSON.stringify(subscription)) as Record<string, unknown>;
      expect(json).toEqual({
        endpoint: subscription.endpoint,
        expirationTime: null,
        keys: { p256dh: expect.any(String) as string, auth: expect.any(String) as string },
      });
      expect(subscription.getKey('p256dh').byteLength).toBe(65);
      expect(subscription.getKey('auth').byteLength).toBe(16);
      const own = Buffer.from(subscription.options.applicationServerKey ?? new ArrayBuffer());
      expect(own.toString('base64url')).toBe(applicationServerKey);
    });

    test('is given the same subscription for the same key, another for another key', async () => {
      const { client: ours } = client();
      const applicationServerKey = sender.publicKey;
      const both = [
        ours.subscribe({ applicationServerKey }),
        ours.subscribe({ applicationServerKey }),
      ];
      const [one, same] = await Promise.all(both);
      expect(same).toBe(one);
      const other = await ours.subscribe({ applicationServerKey: new Sender().publicKey });
      expect(other.endpoint).not.toBe(one?.endpoint);
      expect(await ours.subscriptions()).toHaveLength(2);
    });

    for (const encoding of ['aes128gcm', 'aesgcm'] as const) {
      test(`shows what was sealed with ${encoding}`, async () => {
        const { client: ours, next } = client();
        const subscription = await ours.subscribe({ applicationServerKey: sender.publicKey });
        expect(await sender.send(subscription.toJSON(), '{"symbol":"HELI"}', encoding)).toBe(201);
        const event = await next();
        expect(event.data?.json()).toEqual({ symbol: 'HELI' });
        expect(event.subscription).toBe(subscription);
      });
    }

    test('shows a push without payload with null data', async () => {
      const { client: ours, next } = client();
      const subscription = await ours.subscribe();
      expect(await sender.send(subscription.toJSON())).toBe(201);
      expect((await next()).data).toBeNull();
    });

    test('shows what was sent while it was away, in order, and once', async () => {
      const storage = new MemoryStorage();
      const first = client(storage);
      const subscription = await first.client.subscribe({ applicationServerKey: sender.publicKey });
      first.client.close();
      for (const text of ['1', '2', '3']) await sender.send(subscription.toJSON(), text);
      const second = client(storage);
      await second.client.connect();
      const texts = [await second.text(), await second.text(), await second.text()];
      expect(texts).toEqual(['1', '2', '3']);
      second.client.close();
      const third = client(storage);
      await third.client.connect();
      await sender.send(subscription.toJSON(), 'last');
      expect(await third.text()).toBe('last');
    });

    test('comes back after the service was killed, and misses nothing', async () => {
      const { client: ours, text } = client();
      const subscription = await ours.subscribe({ applicationServerKey: sender.publicKey });
      await sender.send(subscription.toJSON(), 'before');
      expect(await text()).toBe('before');
      await service.kill();
      await service.start();
      expect(await sender.send(subscription.toJSON(), 'after')).toBe(201);
      expect(await text()).toBe('after');
    });

    test('unsubscribed, it is gone for the sender', async () => {
      const { client: ours } = client();
      const subscription = await ours.subscribe({ applicationServerKey: sender.publicKey });
      expect(await subscription.unsubscribe()).toBe(true);
      expect(await sender.send(subscription.toJSON(), 'too late')).toBe(410);
      expect(await subscription.unsubscribe()).toBe(false);
      expect(await ours.subscriptions()).toEqual([]);
    });

    test('is displaced by a newer one with the same state, and takes the device back', async () => {
      const storage = new MemoryStorage();
      const [older, newer] = [client(storage), client(storage)];
      const subscription = await older.client.subscribe({ applicationServerKey: sender.publicKey });
      await newer.client.connect();
      await older.until('displaced');
      await sender.send(subscription.toJSON(), 'to the newer');
      expect(await newer.text()).toBe('to the newer');
      await older.client.connect();
      await newer.until('displaced');
      await sender.send(subscription.toJSON(), 'to the older');
      expect(await older.text()).toBe('to the older');
    });
  });
}

/** A client with what it was shown. */
export class Shown {
  readonly client: HeliographClient;
  readonly events: PushEvent[] = [];
  private taken = 0;

  constructor(url: string, storage: ClientStorage) {
    this.client = new HeliographClient({ url, storage, retryBaseMs: 50, retryMaxMs: 500 });
    this.client.addEventListener('push', (event) => this.events.push(event));
  }

  readonly next = async (): Promise<PushEvent> => {
    const at = this.taken++;
    while (this.events.length <= at) await this.happened('push');
    return this.events[at] as PushEvent;
  };

  readonly text = async (): Promise<string | undefined> => (await this.next()).data?.text();

  async until(state: HeliographClient['state']): Promise<void> {
    while (this.client.state !== state) await this.happened('statechange');
  }

  private happened(name: 'push' | 'statechange'): Promise<void> {
    return new Promise((resolve) => {
      this.client.addEventListener(name, () => resolve(), { once: true });
    });
  }
}
