/** What every storage owes its client. */
import { expect, test } from 'vitest';
import type { ClientStorage, StoredDevice } from './storage.js';

export const STORED: StoredDevice = {
  format: 1,
  uaid: '00112233445566778899aabbccddeeff',
  subscriptions: [
    {
      channelID: '3f0c1de4-98f2-4b36-8b27-3d3aa0f0b1b9',
      endpoint: 'http://127.0.0.1:8081/wpush/v2/AQ',
      applicationServerKey: 'BA',
      p256dh: 'BA',
      auth: 'AA',
      privateKey: { kty: 'EC', crv: 'P-256', d: 'AA', x: 'AA', y: 'AA' },
      settled: [
        ['first', 100],
        ['second', 102],
      ],
    },
  ],
  leaving: ['0d7a5d8c-6c09-4b5b-8f4a-4d5f0f3b8d11'],
};

/** `open` opens the same place again each time. */
export function storageContract(open: () => ClientStorage): void {
  test('has nothing at first', async () => {
    expect(await open().load()).toBeUndefined();
  });

  test('gives back what was saved last, to whoever opens it', async () => {
    await open().save(STORED);
    expect(await open().load()).toEqual(STORED);
    const emptied = { ...STORED, subscriptions: [], leaving: [] };
    await open().save(emptied);
    expect(await open().load()).toEqual(emptied);
  });
}
