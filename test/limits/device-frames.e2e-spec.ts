/** What one connection of a device may say, and how fast: at each limit and one beyond it. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Device } from '../support/device.js';
import { Limited } from '../support/limited.js';
import { RawPeer, frame, textFrame, upgrade } from '../support/raw-peer.js';
import { accepted } from '../support/sender.js';

let limited: Limited;
beforeAll(async () => {
  limited = await Limited.start({
    FRAME_BYTES_MAX: '2048',
    FRAMES_PER_SECOND_MAX: '1',
    HELLO_TIMEOUT_MS: '700',
    CLIENT_PING_MIN_MS: '2000',
  });
});
afterAll(() => limited.dispose());

const connected = async (): Promise<RawPeer> =>
  (await RawPeer.to(limited.service.ports.gateway)).greet();
/** Answered by an echo of its channel, which nobody knows. */
const asking = (bytes: number): string => {
  const message = { messageType: 'unregister', channelID: 'x', pad: '' };
  const pad = 'p'.repeat(bytes - JSON.stringify(message).length);
  return JSON.stringify({ ...message, pad });
};
const closes = (reason: string): Promise<number> =>
  limited.metric(`gateway_closes_total{reason="${reason}"}`);

describe('a frame', () => {
  test('of FRAME_BYTES_MAX is read, in one piece or in two', async () => {
    const whole = await connected();
    whole.send(frame(asking(2_048)));
    await whole.until(() => whole.texts.length === 2);
    const parts = await connected();
    const text = asking(2_048);
    const first = frame(text.slice(0, 1_000));
    first[0] = 0x01; // not the last fragment
    parts.send(first, frame(text.slice(1_000), 0));
    await parts.until(() => parts.texts.length === 2);
    for (const peer of [whole, parts]) peer.destroy();
  });

  test('one byte longer closes with 1009; a length beyond all reason cuts off at once', async () => {
    const before = await closes('tooLarge');
    const over = await connected();
    await over.send(frame(asking(2_049))).over();
    expect(over.closedWith).toBe(1009);
    expect(await closes('tooLarge')).toBe(before + 1);
    const announced = await connected();
    const header = Buffer.from([
      0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0,
    ]);
    await announced.send(header).over();
  });

  test('that is refused costs the device nothing that waits for it', async () => {
    const { device, endpoint } = await limited.subscribed();
    await accepted(endpoint, 'waits');
    await device.next('notification');
    device.socket.send(asking(2_049));
    expect((await device.closed).code).toBe(1009);
    const again = await limited.greeted(device.uaid);
    again.ack(await again.next('notification'));
    expect(await limited.accounts()).toMatchObject({ pending: 0, unaccounted: 0 });
    await again.leave();
  });
});

describe('FRAMES_PER_SECOND_MAX', () => {
  test('lets twice as many through at once, and one more closes with 1008', async () => {
    const atLimit = await connected(); // the hello was the first of two
    atLimit.send(frame(asking(60)));
    await atLimit.until(() => atLimit.texts.length === 2);
    const beyond = await connected();
    await beyond.send(frame(asking(60)), frame(asking(60))).over();
    expect([beyond.closedWith, beyond.texts.length]).toEqual([1008, 2]);
    expect(await closes('tooFast')).toBe(1);
    atLimit.destroy();
  });

  test('does not count acks of what was sent, and counts all others', async () => {
    const { device, endpoint } = await limited.subscribed();
    const sent = [];
    for (let i = 0; i < 30; i++) await accepted(endpoint, `${i}`);
    for (let i = 0; i < 30; i++) sent.push(await device.next('notification'));
    for (const one of sent) device.ack(one);
    expect(await limited.accounts()).toMatchObject({ pending: 0, unaccounted: 0 });
    expect(device.socket.readyState).toBe(device.socket.OPEN);
    for (const one of sent.slice(0, 3)) device.ack(one); // again: nobody waits for these
    expect((await device.closed).code).toBe(1008);
  });
});

describe.concurrent('what takes its time', () => {
  test('FRAMES_PER_SECOND_MAX lets one a second through for ever', async () => {
    const peer = await connected();
    for (let answers = 2; answers < 4; answers++) {
      peer.send(frame(asking(60)));
      await peer.until(() => peer.texts.length === answers);
      await pause(1_020);
    }
    peer.destroy();
  });

  test('HELLO_TIMEOUT_MS closes who says nothing, or no whole frame, and nobody who says hello in time', async () => {
    const { gateway } = limited.service.ports;
    const mute = await RawPeer.to(gateway);
    const slow = await RawPeer.to(gateway);
    const since = performance.now();
    await Promise.all([mute, slow].map((peer) => peer.send(upgrade()).answered()));
    slow.send(textFrame({ messageType: 'hello' }).subarray(0, 12));
    const inTime = await Device.open(limited.service.gatewayUrl);
    await pause(450);
    inTime.send({ messageType: 'hello' });
    await Promise.all([mute.over(), slow.over()]);
    const waited = performance.now() - since;
    expect(waited).toBeGreaterThan(690);
    expect(waited).toBeLessThan(3_000);
    expect([mute.closedWith, slow.closedWith]).toEqual([1008, 1008]);
    expect((await inTime.next('hello')).status).toBe(200);
    expect(await closes('helloTimeout')).toBe(2);
    expect((await inTime.register()).status).toBe(200);
    await inTime.leave();
  });

  test('CLIENT_PING_MIN_MS answers a ping that comes later, and closes with 1011 for one that comes sooner', async () => {
    const peer = await connected();
    peer.send(frame('{}'));
    await peer.until(() => peer.texts.length === 2);
    await pause(2_020);
    peer.send(frame('{}'));
    await peer.until(() => peer.texts.length === 3);
    await peer.send(frame('{"messageType":"ping"}')).over();
    expect(peer.texts.slice(1)).toEqual(['{}', '{}']);
    expect(peer.closedWith).toBe(1011);
    expect(await closes('pingTooSoon')).toBe(1);
  });
});
