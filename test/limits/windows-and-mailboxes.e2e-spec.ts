/** How much may be on its way to a device, and how much may wait for it: at each limit and one beyond it. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { payloadOf, type Frame } from '../support/device.js';
import { Limited, takeAll } from '../support/limited.js';
import { accepted } from '../support/sender.js';

const WINDOW_MAX = 8;
const WINDOW_BYTES_MAX = 8_192;
const MAILBOX_MAX = 40;
const MAILBOX_BYTES_MAX = 131_072;
/** What a record has besides its payload (39 bytes and the message id), by the grammar above its codec. */
const overhead = (location: string): number =>
  39 + Buffer.from(location.slice(location.lastIndexOf('/') + 1), 'base64url').length;

let limited: Limited;
let recordOverhead: number;
beforeAll(async () => {
  limited = await Limited.start({
    WINDOW_MAX: String(WINDOW_MAX),
    WINDOW_BYTES_MAX: String(WINDOW_BYTES_MAX),
    MAILBOX_MAX: String(MAILBOX_MAX),
    MAILBOX_BYTES_MAX: String(MAILBOX_BYTES_MAX),
  });
  const { endpoint, device } = await limited.subscribed();
  recordOverhead = overhead(await accepted(endpoint, 'measured'));
  await takeAll(device, 1);
  await device.leave();
});
afterAll(() => limited.dispose());

/** However a test ends, everything that was accepted has an outcome, or waits. */
afterEach(async () => {
  expect((await limited.service.accounts()).unaccounted).toBe(0);
});

/** Payloads that begin with their number, each in a record of so many bytes. */
const records = (sizes: readonly number[]): readonly Buffer[] =>
  sizes.map((size, i) => Buffer.from(`${i} `.padEnd(size - recordOverhead, 'q')));
const numbers = (frames: readonly Frame[]): readonly number[] =>
  frames.map((frame) => Number.parseInt(payloadOf(frame), 10));
const upTo = (count: number, from = 0): readonly number[] =>
  Array.from({ length: count }, (_, i) => from + i);
const dropped = (): Promise<number> => limited.metric('outcomes_total{outcome="dropped"}');

async function waiting(sizes: readonly number[]) {
  const { uaid, endpoint } = await limited.away();
  for (const payload of records(sizes)) await accepted(endpoint, payload);
  return { uaid, endpoint };
}

describe('WINDOW_MAX', () => {
  test('bounds what is sent and not acknowledged; each ack makes room for one', async () => {
    const { uaid } = await waiting(Array<number>(WINDOW_MAX + 3).fill(100));
    const device = await limited.greeted(uaid);
    const sent = await device.notifications(WINDOW_MAX);
    expect(await device.notificationsUntilAnswer()).toEqual([]);
    device.ack(sent[3]!);
    const [ninth] = await device.notifications(1);
    expect(await device.notificationsUntilAnswer()).toEqual([]);
    expect(numbers([...sent, ninth!])).toEqual(upTo(WINDOW_MAX + 1));
    for (const one of [...sent, ninth!]) device.ack(one);
    expect(numbers(await takeAll(device, 2))).toEqual([WINDOW_MAX + 1, WINDOW_MAX + 2]);
    expect(await limited.accounts()).toMatchObject({ pending: 0 });
    await device.leave();
  });

  test('bounds what comes live as well: what has no room waits, in order', async () => {
    const { device, endpoint } = await limited.subscribed();
    for (const payload of records(Array<number>(WINDOW_MAX + 2).fill(100))) {
      await accepted(endpoint, payload);
    }
    const sent = await device.notifications(WINDOW_MAX);
    expect(await device.notificationsUntilAnswer()).toEqual([]);
    for (const one of sent) device.ack(one);
    expect(numbers(await takeAll(device, 2))).toEqual([WINDOW_MAX, WINDOW_MAX + 1]);
    await device.leave();
  });
});

describe('WINDOW_BYTES_MAX', () => {
  test.each([
    ['when they are reached exactly, the next one waits', 4_096, 2],
    ['one byte less has room for one more', 4_095, 3],
  ])('%s', async (_, first, sentAtOnce) => {
    const { uaid } = await waiting([first, 4_096, 4_096, 4_096]);
    const device = await limited.greeted(uaid);
    const sent = await device.notifications(sentAtOnce);
    expect(await device.notificationsUntilAnswer()).toEqual([]);
    for (const one of sent) device.ack(one);
    const rest = await takeAll(device, 4 - sentAtOnce);
    expect(numbers([...sent, ...rest])).toEqual([0, 1, 2, 3]);
    await device.leave();
  });
});

describe('MAILBOX_MAX', () => {
  test('keeps so many, and drops the oldest for one more', async () => {
    const before = await dropped();
    const full = await waiting(Array<number>(MAILBOX_MAX).fill(100));
    expect(await dropped()).toBe(before);
    await accepted(full.endpoint, `${MAILBOX_MAX} more`);
    await expect.poll(dropped).toBe(before + 1);
    const device = await limited.greeted(full.uaid);
    expect(device.uaid).toBe(full.uaid); // it loses a notification, not its identity
    expect(numbers(await takeAll(device, MAILBOX_MAX))).toEqual(upTo(MAILBOX_MAX, 1));
    await device.leave();
  });

  test('counts neither what has another topic’s place nor what is now or never', async () => {
    const before = await dropped();
    const { uaid, endpoint } = await waiting(Array<number>(MAILBOX_MAX - 1).fill(100));
    for (let i = 0; i < 3; i++)
      await accepted(endpoint, `${MAILBOX_MAX - 1} v${i}`, { topic: 'T' });
    await accepted(endpoint, 'never', { ttl: '0' });
    await expect.poll(dropped).toBe(before + 1); // the last one: nobody was there
    const device = await limited.greeted(uaid);
    expect(numbers(await takeAll(device, MAILBOX_MAX))).toEqual(upTo(MAILBOX_MAX));
    await device.leave();
  });
});

describe('MAILBOX_BYTES_MAX', () => {
  const fits = MAILBOX_BYTES_MAX / 4_096;

  test.each([
    ['are kept to the last byte', 4_096, 0],
    ['one byte more drops the oldest', 4_097, 1],
  ])('%s', async (_, last, lost) => {
    const before = await dropped();
    const sizes = [...Array<number>(fits - 1).fill(4_096), last];
    const { uaid } = await waiting(sizes);
    const device = await limited.greeted(uaid);
    expect(numbers(await takeAll(device, fits - lost))).toEqual(upTo(fits - lost, lost));
    expect(await dropped()).toBe(before + lost);
    await device.leave();
  });

  test('are the same after a restart, when the mailbox is rebuilt from the log', async () => {
    const { uaid } = await waiting(Array<number>(fits).fill(4_096));
    await limited.service.kill();
    await limited.service.start({ MAILBOX_MAX: '10' });
    const device = await limited.greeted(uaid);
    expect(numbers(await takeAll(device, 10))).toEqual(upTo(10, fits - 10));
    const { outcomes, unaccounted } = await limited.accounts();
    expect([outcomes['dropped'], unaccounted]).toEqual([fits - 10, 0]);
    await device.leave();
  });
});
