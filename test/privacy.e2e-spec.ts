/**
 * An application server can neither learn the device from a receiver id, nor see that two of them belong to one
 * device (design §1, §6). Looked for in what it gets to see: receiver ids, message ids, answers.
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Device } from './support/device.js';
import { post, vapidKeys } from './support/sender.js';
import { startStandalone } from './support/standalone.js';
import type { Standalone } from './support/standalone.js';

const DEVICES = 1000;
/** Version and key id: the same for everybody. */
const PUBLIC_BYTES = 5;

interface Pair {
  readonly uaid: string;
  readonly endpoints: readonly [string, string];
  readonly messages: readonly [string, string];
  readonly answers: readonly [string, string];
}

describe('two subscriptions of one device', () => {
  let service: Standalone;
  let pairs: Pair[] = [];

  beforeAll(async () => {
    service = await startStandalone({ env: { LOG_LEVEL: 'debug' } });
    for (let i = 0; i < DEVICES; i += 50) {
      pairs = pairs.concat(await Promise.all(Array.from({ length: 50 }, subscribeTwice)));
    }
  }, 120_000);
  afterAll(() => service.dispose());

  async function subscribeTwice(): Promise<Pair> {
    const device = await Device.greeted(service.gatewayUrl);
    const endpoints = [
      (await device.register()).endpoint,
      (await device.register()).endpoint,
    ] as const;
    const answers = [await post(endpoints[0], 'x'), await post(endpoints[1], 'x')] as const;
    const messages = answers.map((one) => one.headers.get('location') ?? '') as [string, string];
    const seen = answers.map((one) => seenIn(one.status, one.headers, one.body)) as [
      string,
      string,
    ];
    await device.leave();
    return { uaid: device.uaid, endpoints, messages, answers: seen };
  }

  /** What an answer shows but its message id and the time of day. */
  function seenIn(status: number, headers: Headers, body: string): string {
    const shown = [...headers].filter(([name]) => name !== 'date' && name !== 'location');
    return JSON.stringify([status, shown, body]);
  }

  const token = (url: string): Buffer => Buffer.from(url.split('/').at(-1) ?? '', 'base64url');

  /** How many bytes at the same place are equal, over all pairs. */
  function equalBytes(couples: readonly (readonly [Buffer, Buffer])[]): {
    equal: number;
    of: number;
  } {
    let equal = 0;
    let of = 0;
    for (const [a, b] of couples) {
      for (let i = PUBLIC_BYTES; i < Math.min(a.length, b.length); i++) {
        of++;
        if (a[i] === b[i]) equal++;
      }
    }
    return { equal, of };
  }

  function expectNoMoreThanChance(couples: readonly (readonly [Buffer, Buffer])[]): void {
    const { equal, of } = equalBytes(couples);
    const chance = of / 256;
    expect(of).toBeGreaterThan(DEVICES * 30);
    expect(Math.abs(equal - chance)).toBeLessThan(6 * Math.sqrt(chance));
  }

  test('share no more bytes in their receiver ids than chance', () => {
    expectNoMoreThanChance(pairs.map(({ endpoints: [a, b] }) => [token(a), token(b)]));
  });

  test('share no more bytes in their message ids than chance', () => {
    expectNoMoreThanChance(pairs.map(({ messages: [a, b] }) => [token(a), token(b)]));
  });

  test('share no more bytes between receiver id and message id than chance', () => {
    expectNoMoreThanChance(
      pairs.map(({ endpoints, messages }) => [token(endpoints[0]), token(messages[1])]),
    );
  });

  test('have receiver ids of one length, and message ids of one length', () => {
    const lengths = (of: (pair: Pair) => readonly string[]): Set<number> =>
      new Set(pairs.flatMap(of).map((url) => url.length));
    expect(lengths((pair) => pair.endpoints).size).toBe(1);
    expect(lengths((pair) => pair.messages).size).toBe(1);
  });

  test('have keyed receiver ids of one length, whatever the key', async () => {
    const device = await Device.greeted(service.gatewayUrl);
    const lengths = new Set<number>();
    for (let i = 0; i < 20; i++) {
      lengths.add((await device.register(vapidKeys().publicKey)).endpoint.length);
    }
    expect(lengths.size).toBe(1);
    await device.leave();
  });

  test('are answered alike', () => {
    expect(new Set(pairs.flatMap(({ answers }) => answers)).size).toBe(1);
  });

  test('hide the device: no part of its secret is in what a sender sees', () => {
    for (const { uaid, endpoints, messages } of pairs) {
      const secret = Buffer.from(uaid, 'hex');
      for (const url of [...endpoints, ...messages]) {
        expect(url).not.toContain(uaid);
        expect(token(url).includes(secret.subarray(0, 8))).toBe(false);
        expect(token(url).includes(secret.subarray(8))).toBe(false);
      }
    }
  });

  test('leave no device secret in any log or file', async () => {
    await service.stop();
    const files = readdirSync(service.dataDir, { recursive: true, withFileTypes: true })
      .filter((file) => file.isFile())
      .map((file) => join(file.parentPath, file.name));
    expect(files.length).toBeGreaterThan(0);
    const contents = files.map((file) => readFileSync(file));
    for (const { uaid } of pairs) {
      expect(service.output().includes(uaid)).toBe(false);
      for (const content of contents) {
        expect(content.includes(uaid)).toBe(false);
        expect(content.includes(Buffer.from(uaid, 'hex'))).toBe(false);
      }
    }
    expect(files.some((file) => pairs.some(({ uaid }) => file.includes(uaid)))).toBe(false);
  });
});
