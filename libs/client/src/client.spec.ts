import { randomBytes, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import webpush from 'web-push';
import { notificationFrame, type ClientMessage } from '#wire';
import { ManualClock } from '../test/manual-clock.js';
import { Sender } from '../test/sender.js';
import { SmallService } from '../../../test/support/small-service.js';
import { clientContract, Shown } from './client.contract.js';
import { HeliographClient, MemoryStorage, type StoredDevice } from './index.js';

clientContract('the small service', async () => {
  const service = new SmallService();
  await service.start();
  return {
    get gatewayUrl() {
      return service.gatewayUrl;
    },
    get endpointUrl() {
      return service.endpointUrl;
    },
    start: () => service.start(),
    kill: () => service.stop(),
    close: () => service.stop(),
  };
});

let service: SmallService;
let sender: Sender;
const opened: HeliographClient[] = [];

function shown(storage = new MemoryStorage()): Shown {
  const one = new Shown(service.gatewayUrl, storage);
  opened.push(one.client);
  return one;
}

function withClock(clock: ManualClock, storage = new MemoryStorage()): HeliographClient {
  const client = new HeliographClient({ url: service.gatewayUrl, storage, clock });
  opened.push(client);
  return client;
}

const heard = (type: ClientMessage['messageType']): ClientMessage[] =>
  service.heard.filter(({ messageType }) => messageType === type);
const codes = (): number[] => service.acks.map(({ code }) => code);
const acked = (count: number): Promise<void> =>
  vi.waitFor(() => expect(service.acks).toHaveLength(count));

beforeEach(async () => {
  service = new SmallService();
  sender = new Sender();
  await service.start();
});
afterEach(async () => {
  for (const client of opened.splice(0)) client.close();
  await service.stop();
});

describe('acks', () => {
  test('are 100 when the listeners are done, and not before', async () => {
    const { client, text } = shown();
    let finish = (): void => undefined;
    const work = new Promise<void>((resolve) => (finish = resolve));
    client.addEventListener('push', (event) => {
      if (event.data?.text() === 'slow') event.waitUntil(work);
    });
    const subscription = await client.subscribe();
    for (const payload of ['slow', 'quick']) await sender.send(subscription.toJSON(), payload);
    // The second is shown and acked while the first is still worked on.
    expect([await text(), await text()]).toEqual(['slow', 'quick']);
    await acked(1);
    const [quick] = service.acks;
    finish();
    await acked(2);
    expect(codes()).toEqual([100, 100]);
    expect(service.acks[1]?.version).not.toBe(quick?.version);
  });

  test('are 102 when the work of a listener rejects', async () => {
    const { client } = shown();
    client.addEventListener('push', (event) => event.waitUntil(Promise.reject(new Error('no'))));
    const subscription = await client.subscribe();
    await sender.send(subscription.toJSON(), 'in vain');
    await acked(1);
    expect(codes()).toEqual([102]);
  });

  test('are 101 for what cannot be decrypted, and 102 for a channel that is not ours', async () => {
    const { client, events } = shown();
    const { stored } = await client.subscribe();
    const { channelID } = stored;
    const garbage = randomBytes(120).toString('base64url');
    const version = 'garbage';
    service.sendFrame(
      notificationFrame({ channelID, version, data: garbage, encoding: 'aes128gcm' }),
    );
    const ours = `{"messageType":"notification","channelID":"${channelID}"`;
    service.sendFrame(`${ours},"version":"no headers","data":"AAAA"}`);
    const headers = '"headers":{"encoding":"aes128gcm"}';
    service.sendFrame(`${ours},"version":"no base64url","data":"*",${headers}}`);
    service.sendFrame(notificationFrame({ channelID: randomUUID(), version: 'whose?' }));
    await acked(4);
    expect(codes()).toEqual([101, 101, 101, 102]);
    expect(events).toEqual([]);
  });

  test('lost with the connection are said again, and the message is not shown again', async () => {
    const storage = new MemoryStorage();
    const first = shown(storage);
    first.client.addEventListener('push', (event) => {
      if (event.data?.text() === 'fails') event.waitUntil(Promise.reject(new Error('no')));
    });
    const subscription = await first.client.subscribe();
    service.losesAcks = true;
    for (const text of ['works', 'fails']) await sender.send(subscription.toJSON(), text);
    await acked(2);
    // In the same client, and in one that starts from what was stored.
    service.closeAll();
    await acked(4);
    first.client.close();
    const second = shown(storage);
    service.losesAcks = false;
    await second.client.connect();
    await acked(6);
    expect(codes().sort()).toEqual([100, 100, 100, 102, 102, 102]);
    expect(first.events).toHaveLength(2);
    expect(second.events).toEqual([]);
  });

  test('of a message that comes again while it is worked on are said once, on the new connection', async () => {
    const { client, events, next } = shown();
    let finish = (): void => undefined;
    const work = new Promise<void>((resolve) => (finish = resolve));
    client.addEventListener('push', (event) => event.waitUntil(work));
    const subscription = await client.subscribe();
    await sender.send(subscription.toJSON(), 'slow');
    await next();
    service.closeAll();
    await vi.waitFor(() => expect(heard('hello')).toHaveLength(2));
    await vi.waitFor(() => expect(client.state).toBe('open'));
    finish();
    await acked(1);
    expect(codes()).toEqual([100]);
    expect(events).toHaveLength(1);
  });

  test('are remembered for the last hundred messages of a subscription', async () => {
    const storage = new MemoryStorage();
    const { client } = shown(storage);
    const subscription = await client.subscribe();
    const { p256dh, auth } = subscription.toJSON().keys;
    for (let version = 0; version < 120; version++) {
      const { cipherText } = webpush.encrypt(p256dh, auth, `${version}`, 'aes128gcm');
      const data = cipherText.toString('base64url');
      const { channelID } = subscription.stored;
      const frame = { channelID, version: `v${version}`, data, encoding: 'aes128gcm' } as const;
      service.sendFrame(notificationFrame(frame));
    }
    await acked(120);
    const stored = await storage.load();
    expect(stored?.subscriptions[0]?.settled).toHaveLength(100);
    expect(stored?.subscriptions[0]?.settled.at(-1)).toEqual(['v119', 100]);
    expect(stored?.subscriptions[0]?.settled[0]).toEqual(['v20', 100]);
  });

  test('are said although what was shown could not be remembered, and the failure is told', async () => {
    const storage = new MemoryStorage();
    const { client } = shown(storage);
    const subscription = await client.subscribe();
    const errors: unknown[] = [];
    client.addEventListener('error', (event) => errors.push(event.error));
    storage.save = () => Promise.reject(new Error('disk full'));
    await sender.send(subscription.toJSON(), 'shown');
    await acked(1);
    expect(codes()).toEqual([100]);
    expect(errors).toEqual([new Error('disk full')]);
  });
});

describe('a service that does not know the device any more', () => {
  test('makes the client drop its subscriptions and tell of each', async () => {
    const storage = new MemoryStorage();
    const { client } = shown(storage);
    const one = await client.subscribe();
    const other = await client.subscribe({ applicationServerKey: sender.publicKey });
    const lost: unknown[] = [];
    client.addEventListener('subscriptionchange', (event) => {
      lost.push(event.oldSubscription, event.newSubscription);
    });
    service.closeAll();
    service.forgetDevices();
    await vi.waitFor(() => expect(lost).toEqual([one, null, other, null]));
    expect(await client.subscriptions()).toEqual([]);
    await vi.waitFor(async () => expect((await storage.load())?.subscriptions).toEqual([]));
    const again = await client.subscribe();
    expect(again.endpoint).not.toBe(one.endpoint);
    expect(await sender.send(again.toJSON(), 'works again')).toBe(201);
  });

  test('says nothing new to a client without subscriptions', async () => {
    const { client } = shown();
    await client.connect();
    let changes = 0;
    client.addEventListener('subscriptionchange', () => changes++);
    service.closeAll();
    service.forgetDevices();
    await vi.waitFor(() => expect(heard('hello')).toHaveLength(2));
    await vi.waitFor(() => expect(client.state).toBe('open'));
    expect(changes).toBe(0);
  });
});

describe('asking', () => {
  test('is repeated on the next connection, with the same channel', async () => {
    const { client } = shown();
    service.status = undefined;
    const subscribing = client.subscribe();
    await vi.waitFor(() => expect(heard('register')).toHaveLength(1));
    service.status = 200;
    service.closeAll();
    await subscribing;
    const [first, second] = heard('register');
    expect(second).toEqual(first);
  });

  test('is refused with the status of the service', async () => {
    const { client } = shown();
    service.status = 400;
    await expect(client.subscribe()).rejects.toThrow('refused to register: status 400');
    expect(await client.subscriptions()).toEqual([]);
  });

  test('is given up in time, and a late answer leaves nothing behind at the service', async () => {
    const clock = new ManualClock();
    const client = withClock(clock);
    await client.connect();
    service.status = undefined;
    const subscribing = client.subscribe();
    await vi.waitFor(() => expect(heard('register')).toHaveLength(1));
    clock.advance(10_000);
    await expect(subscribing).rejects.toThrow('no answer to register in 10000 ms');
    const [asked] = heard('register');
    const channelID = asked?.messageType === 'register' ? asked.channelID : '';
    service.sendFrame(
      JSON.stringify({
        messageType: 'register',
        channelID,
        status: 200,
        pushEndpoint: 'http://late/',
      }),
    );
    await vi.waitFor(() => expect(heard('unregister')).toMatchObject([{ channelID }]));
  });

  test('with something that is no key fails before the service is asked', async () => {
    const { client } = shown();
    for (const applicationServerKey of ['', '!', 'AAAA', new Uint8Array(65), 'A'.repeat(87)]) {
      await expect(client.subscribe({ applicationServerKey })).rejects.toThrow(TypeError);
    }
    expect(service.heard).toEqual([]);
  });

  test('to unsubscribe is said at the next connection when the service is away', async () => {
    const storage = new MemoryStorage();
    const { client } = shown(storage);
    const subscription = await client.subscribe();
    await service.stop();
    const leaving = subscription.unsubscribe();
    leaving.catch(() => undefined);
    await vi.waitFor(async () => expect((await storage.load())?.leaving).toHaveLength(1));
    client.close();
    await expect(leaving).rejects.toThrow('closed');
    await service.start();
    const later = shown(storage);
    await later.client.connect();
    expect(await later.client.subscriptions()).toEqual([]);
    await vi.waitFor(async () => expect((await storage.load())?.leaving).toEqual([]));
    expect(await sender.send(subscription.toJSON(), 'too late')).toBe(410);
  });
});

describe('what is stored', () => {
  test('is everything that a new client needs', async () => {
    const storage = new MemoryStorage();
    const { client } = shown(storage);
    const subscription = await client.subscribe({ applicationServerKey: sender.publicKey });
    client.close();
    const { client: next } = shown(storage);
    const [restored] = await next.subscriptions();
    expect(restored?.toJSON()).toEqual(subscription.toJSON());
    expect((await next.subscribe({ applicationServerKey: sender.publicKey })).endpoint).toBe(
      subscription.endpoint,
    );
  });

  test('is not touched any more by a client that was displaced', async () => {
    const storage = new MemoryStorage();
    const older = shown(storage);
    let finish = (): void => undefined;
    const work = new Promise<void>((resolve) => (finish = resolve));
    older.client.addEventListener('push', (event) => event.waitUntil(work));
    const subscription = await older.client.subscribe();
    await sender.send(subscription.toJSON(), 'slow');
    await older.next();
    const newer = shown(storage);
    await newer.client.connect();
    await older.until('displaced');
    await newer.client.subscribe({ applicationServerKey: sender.publicKey });
    const before: StoredDevice | undefined = await storage.load();
    expect(before?.subscriptions).toHaveLength(2);
    finish();
    // The older one settles the message now: a turn later it would have written what it knows.
    await new Promise(setImmediate);
    expect(await storage.load()).toEqual(before);
    expect(await older.client.subscriptions()).toHaveLength(2);
  });
});
