/** What one device may ask for: subscriptions through both doors, and requests that wait for their reply. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Limited } from '../support/limited.js';
import { RawPeer, frame, head, textFrame } from '../support/raw-peer.js';
import { request } from '../support/sender.js';

const SUBSCRIPTIONS_MAX = 3;
/** Fixed: requests that wait for their reply, and their bytes. */
const WAITING_MAX = 2_000;
const WAITING_BYTES_MAX = 1_048_576;

let limited: Limited;
beforeAll(async () => {
  limited = await Limited.start({
    SUBSCRIPTIONS_PER_DEVICE_MAX: String(SUBSCRIPTIONS_MAX),
    FRAMES_PER_SECOND_MAX: '1000000', // the queue is what is tried here
  });
});
afterAll(() => limited.dispose());

interface Registered {
  readonly status: number;
  readonly device: string;
}

async function registerByRest(device?: string): Promise<Registered> {
  const answer = await request('POST', `${limited.service.registrationUrl}/v1/registrations`, {
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ site: 'https://stocks.example', device }),
  });
  return { ...(JSON.parse(answer.body) as { device: string }), status: answer.status };
}

describe('SUBSCRIPTIONS_PER_DEVICE_MAX', () => {
  test('over the socket: one more is 400, and the socket and what there is stay', async () => {
    const device = await limited.greeted();
    const all = [];
    for (let i = 0; i < SUBSCRIPTIONS_MAX; i++) all.push(await device.register());
    expect(all.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await device.register()).status).toBe(400);
    // One that is there may come again, and one that goes makes room.
    expect((await device.register(undefined, all[0]!.channelID)).status).toBe(200);
    await device.unregister(all[1]!.channelID);
    expect((await device.register()).status).toBe(200);
    expect((await device.register()).status).toBe(400);
    await device.leave();
  });

  test('over REST: one more is 409; what came by the socket counts', async () => {
    const { device } = await registerByRest();
    expect((await registerByRest(device)).status).toBe(201);
    const socket = await limited.greeted(device);
    expect((await socket.register()).status).toBe(200);
    expect((await socket.register()).status).toBe(400);
    expect((await registerByRest(device)).status).toBe(409);
    await socket.leave();
  });

  test('is kept by requests that come all at once, through both doors', async () => {
    const { device } = await registerByRest();
    const socket = await limited.greeted(device);
    const body = JSON.stringify({ site: 'https://stocks.example', device });
    const fields = { 'Content-Type': 'application/json', 'Content-Length': body.length };
    const peers = await Promise.all(
      Array.from({ length: 40 }, () => RawPeer.to(limited.service.ports.registration)),
    );
    socket.send({ messageType: 'register', channelID: randomUUID() });
    for (const peer of peers) peer.send(head('POST', '/v1/registrations', fields), body);
    await Promise.all(peers.map((peer) => peer.answered()));
    const made = [(await socket.next('register')).status ?? 0, ...peers.map(statusOf)];
    expect(made.filter((status) => status < 300)).toHaveLength(SUBSCRIPTIONS_MAX - 1);
    expect(made.filter((status) => status >= 500)).toEqual([]);
    const listed = await request('GET', `${limited.service.registrationUrl}/v1/registrations`, {
      headers: { authorization: `Bearer ${device}` },
    });
    const { registrations } = JSON.parse(listed.body) as { registrations: unknown[] };
    expect(registrations).toHaveLength(SUBSCRIPTIONS_MAX);
    for (const peer of peers) peer.destroy();
    await socket.leave();
  });
});

const statusOf = ({ statuses }: RawPeer): number => Number(statuses[0]);

describe('requests that wait for their reply', () => {
  const greeted = async (): Promise<RawPeer> =>
    (await RawPeer.to(limited.service.ports.gateway)).greet();
  const channelID = randomUUID();
  const ask = frame(JSON.stringify({ messageType: 'register', channelID }));
  const replies = (peer: RawPeer) =>
    peer.texts.slice(1).map((text) => JSON.parse(text) as { status: number; channelID: string });

  test(`may be ${WAITING_MAX}: each is answered, those too late for their second with 500`, async () => {
    const peer = await greeted();
    peer.send(...Array.from({ length: WAITING_MAX }, () => ask));
    await peer.until(() => replies(peer).length === WAITING_MAX);
    expect(new Set(replies(peer).map(({ status }) => status)).has(200)).toBe(true);
    expect(replies(peer).every(({ status }) => status === 200 || status === 500)).toBe(true);
    expect(replies(peer).every((reply) => reply.channelID === channelID)).toBe(true);
    expect(peer.isOver).toBe(false);
    peer.destroy();
  });

  test('and no more: then the connection is closed with 1008, and only that one', async () => {
    const other = await limited.greeted();
    const peer = await greeted();
    for (let i = 0; i < 20 && !peer.isOver; i++) {
      peer.send(...Array.from({ length: WAITING_MAX }, () => ask));
    }
    await peer.over();
    expect(peer.closedWith).toBe(1008);
    expect((await other.register()).status).toBe(200);
    await other.leave();
  });

  test(`may be ${WAITING_BYTES_MAX} bytes, and no more`, async () => {
    const long = textFrame({ messageType: 'register', channelID, pad: 'p'.repeat(60_000) });
    const fit = Math.floor(WAITING_BYTES_MAX / 60_200);
    const peer = await greeted();
    peer.send(...Array.from({ length: fit }, () => long));
    await peer.until(() => replies(peer).length === fit);
    for (let i = 0; i < 40 && !peer.isOver; i++)
      peer.send(...Array.from({ length: 20 }, () => long));
    await peer.over();
    expect(peer.closedWith).toBe(1008);
  });

  test('leave no trace behind: the service serves', async () => {
    expect(await limited.serves()).toBe(true);
    await expect.poll(() => limited.metric('gateway_connections')).toBe(0);
  });
});
