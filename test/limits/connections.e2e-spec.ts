/** How many may be connected at all, by setting and by what file descriptors there are. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Limited } from '../support/limited.js';
import { RawPeer, head, upgrade } from '../support/raw-peer.js';

type Door = 'gateway' | 'ingest';
const MAX = 3;

let limited: Limited;
const peers: RawPeer[] = [];
async function connect(door: Door): Promise<RawPeer> {
  const peer = await RawPeer.to(limited.service.ports[door]);
  peers.push(peer);
  return peer;
}
const leave = (): void => peers.splice(0).forEach((peer) => peer.destroy());

describe('by setting', () => {
  beforeAll(async () => {
    const max = String(MAX);
    limited = await Limited.start({ CONNECTIONS_MAX: max, SENDER_CONNECTIONS_MAX: max });
  });
  afterEach(leave);
  afterAll(() => limited.dispose());

  test('CONNECTIONS_MAX devices are let in, one more is 429, and has room when one has left', async () => {
    const answers: string[] = [];
    for (let count = 0; count < MAX + 1; count++) {
      const peer = await connect('gateway');
      answers.push((await peer.send(upgrade()).answered()).statuses[0] ?? '');
    }
    expect(answers).toEqual(['101', '101', '101', '429']);
    expect(await limited.metric('gateway_refused_connections_total')).toBe(1);
    peers[0]?.destroy();
    await expect.poll(() => limited.metric('gateway_connections')).toBe(MAX - 1);
    const next = await connect('gateway');
    expect((await next.send(upgrade()).answered()).statuses).toEqual(['101']);
  });

  test('SENDER_CONNECTIONS_MAX senders are answered, one more is closed, and has room when one has left', async () => {
    for (let count = 0; count < MAX; count++) {
      const peer = await connect('ingest');
      expect((await peer.send(head('GET', '/none')).answered()).statuses).toEqual(['404']);
    }
    expect((await (await connect('ingest')).over()).said).toBe('');
    expect(await limited.metric('ingest_refused_connections_total')).toBe(1);
    await expect.poll(() => limited.metric('ingest_connections')).toBeLessThanOrEqual(MAX);
    peers[0]?.destroy();
    await expect
      .poll(async () => {
        const next = await connect('ingest');
        return (await next.send(head('GET', '/none')).answered()).statuses[0];
      })
      .toBe('404');
  });
});

describe('without a setting, where a process may have 256 file descriptors', () => {
  const DESCRIPTORS = 256;
  beforeAll(async () => {
    const within = ['prlimit', `--nofile=${DESCRIPTORS}:${DESCRIPTORS}`];
    limited = await Limited.start({}, { within });
  });
  afterAll(() => limited.dispose());

  test.each(['gateway', 'ingest'] as const)(
    'many more at the port of %s leave the others working, and room when they have gone',
    async (door) => {
      for (let count = 0; count < 2 * DESCRIPTORS; count++) await connect(door);
      expect((await fetch(`${limited.service.opsUrl}/health/live`)).status).toBe(200);
      await expect
        .poll(() => limited.metric(`${door}_refused_connections_total`))
        .toBeGreaterThan(DESCRIPTORS);
      expect(peers.filter((peer) => !peer.isOver).length).toBeGreaterThan(DESCRIPTORS / 20);
      leave();
      await expect.poll(() => limited.serves().catch(() => false)).toBe(true);
      expect((await limited.accounts()).unaccounted).toBe(0);
    },
  );
});
