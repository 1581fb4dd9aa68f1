import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CLOSE_CODES } from '#wire';
import { ManualClock } from '../test/manual-clock.js';
import { SmallService } from '../../../test/support/small-service.js';
import {
  HeliographClient,
  MemoryStorage,
  type ClientOptions,
  type StateChangeEvent,
} from './index.js';

let service: SmallService;
let clock: ManualClock;
let client: HeliographClient;
let states: StateChangeEvent[];

function open(options: Partial<ClientOptions> = {}): HeliographClient {
  const storage = new MemoryStorage();
  client = new HeliographClient({ url: service.gatewayUrl, storage, clock, ...options });
  client.addEventListener('statechange', (event) => states.push(event));
  return client;
}

const becomes = (state: HeliographClient['state']): Promise<void> =>
  vi.waitFor(() => expect(client.state).toBe(state));
/** Waits until the link waits, then lets exactly that time pass: more would fall into the next attempt. */
async function retried(): Promise<number> {
  await becomes('waiting');
  const { retryInMs = NaN } = states.at(-1) ?? {};
  clock.advance(retryInMs);
  return retryInMs;
}
const hellos = (): number => service.heard.filter((m) => m.messageType === 'hello').length;
const pings = (): number => service.heard.filter((m) => m.messageType === 'ping').length;

beforeEach(async () => {
  service = new SmallService();
  clock = new ManualClock(0.5);
  states = [];
  await service.start();
});
afterEach(async () => {
  client.close();
  await service.stop();
});

describe('a link', () => {
  test('waits longer after each failure, up to a minute, by chance below the bound', async () => {
    open();
    await service.stop();
    const connecting = client.connect();
    connecting.catch(() => undefined);
    const waits: number[] = [];
    for (let attempt = 0; attempt < 8; attempt++) waits.push(await retried());
    // Half (the chance of this clock) of 2 s, 4 s, 8 s, … at most one minute.
    expect(waits).toEqual([1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000]);
    await becomes('waiting');
    await service.start();
    await retried();
    await connecting;
    expect(client.state).toBe('open');
  });

  test('starts anew with short waits after a connection that held', async () => {
    await open().connect();
    clock.advance(10_000);
    service.closeAll();
    await becomes('waiting');
    expect(states.at(-1)).toMatchObject({ retryInMs: 500, code: 1006 });
  });

  test('does not come back at once to a service that takes its hello and closes', async () => {
    await open().connect();
    const waits: number[] = [];
    for (let round = 0; round < 3; round++) {
      service.closeAll(CLOSE_CODES.unreadable.code);
      waits.push(await retried());
      await becomes('open');
    }
    expect(waits).toEqual([1000, 2000, 4000]);
  });

  test('waits longer when it is told to come back later', async () => {
    await open().connect();
    clock.advance(60_000);
    service.closeAll(CLOSE_CODES.notReady.code);
    await becomes('waiting');
    expect(states.at(-1)).toMatchObject({ retryInMs: 4000, code: 1013 });
  });

  test('stays away when a newer connection holds its device', async () => {
    await open().connect();
    service.closeAll(CLOSE_CODES.displaced.code);
    await becomes('displaced');
    clock.advance(3_600_000);
    expect(hellos()).toBe(1);
    await client.connect();
    expect(hellos()).toBe(2);
  });

  test('asks a silent service for a sign of life, and stays when it answers', async () => {
    const pongs: string[] = [];
    const onFrame = (_: string, text: string): void => void pongs.push(text);
    await open({ onFrame }).connect();
    clock.advance(239_999);
    clock.advance(1);
    await vi.waitFor(() => expect(pongs.at(-1)).toBe('{}'));
    expect(pings()).toBe(1);
    clock.advance(239_999);
    expect(client.state).toBe('open');
    clock.advance(1);
    await vi.waitFor(() => expect(pings()).toBe(2));
  });

  test('takes a silent service as gone when it does not answer', async () => {
    await open().connect();
    service.isMute = true;
    clock.advance(240_000);
    clock.advance(9_999);
    expect(client.state).toBe('open');
    clock.advance(1);
    expect(client.state).toBe('waiting');
    service.isMute = false;
    await retried();
    await becomes('open');
  });

  test('gives up on a service that does not answer hello', async () => {
    service.isMute = true;
    const connecting = open().connect();
    await vi.waitFor(() => expect(hellos()).toBe(1));
    clock.advance(10_000);
    await becomes('waiting');
    service.isMute = false;
    await retried();
    await connecting;
  });

  test('refuses to ping more often than the service allows', () => {
    expect(() => open({ pingIntervalMs: 59_999 })).toThrow(RangeError);
    open({ pingIntervalMs: 60_000 });
  });

  test('makes its next attempt at once when it is asked to connect', async () => {
    await open().connect();
    service.closeAll();
    await becomes('waiting');
    await client.connect();
    expect(hellos()).toBe(2);
  });

  test('closed by the application, it stays closed', async () => {
    await open().connect();
    client.close();
    clock.advance(3_600_000);
    expect(client.state).toBe('closed');
    expect(hellos()).toBe(1);
    const connecting = client.connect();
    client.close();
    await expect(connecting).rejects.toThrow('closed');
  });

  test('refuses a URL that is none', async () => {
    client = new HeliographClient({ url: 'nowhere', storage: new MemoryStorage(), clock });
    await expect(client.connect()).rejects.toThrow();
  });
});
