/** Whatever comes over the socket: a message or undefined, never an exception. Seeded: a failure repeats. */
import { describe, expect, test } from 'vitest';
import { encodeClientMessage, type ClientMessage } from './client-message.js';
import { parseClientMessage } from './parse-client-message.js';
import { parseServerMessage } from './parse-server-message.js';
import { registerFrame } from './server-message.js';
import { subscriptionIdOf, uuidOf } from './uuid.js';

const INPUTS = 100_000;

/** mulberry32: numbers from 0 (in) to 1 (out). */
function dice(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
type Dice = ReturnType<typeof dice>;

const pick = <T>(roll: Dice, from: readonly T[]): T => from[Math.floor(roll() * from.length)]!;

const TYPES = [
  'hello',
  'register',
  'unregister',
  'ack',
  'nack',
  'broadcast_subscribe',
  'ping',
  'x',
];
const UUID = '0a1b2c3d-4e5f-4071-8293-a4b5c6d7e8f9';
const UPDATE = { channelID: UUID, version: 'v', code: 101 };
/** A fitting value for each name. */
const FITTING: Record<string, unknown> = {
  uaid: '0a',
  channelID: UUID,
  channelIDs: [UUID],
  updates: [UPDATE, UPDATE],
  version: 'v',
  code: 100,
  key: 'B',
  broadcasts: { a: 'b' },
  use_webpush: true,
  status: 200,
  data: 'AA',
  headers: { encoding: 'aesgcm' },
};
const NAMES = Object.keys(FITTING);
const VALUES = ['', null, 0, 1.5, 'é\ud800', [], {}, ...Object.values(FITTING)];

/** A document with the words of the protocol, half of the time in their places. */
function members(roll: Dice, depth: number): Record<string, unknown> {
  const made: Record<string, unknown> = roll() < 0.9 ? { messageType: pick(roll, TYPES) } : {};
  for (let n = Math.floor(roll() * 4); n > 0; n--) {
    const name = pick(roll, NAMES);
    made[name] = roll() < 0.5 ? FITTING[name] : value(roll, depth);
  }
  return made;
}

function value(roll: Dice, depth: number): unknown {
  if (depth === 0 || roll() < 0.6) return pick(roll, VALUES);
  const inner = members(roll, depth - 1);
  return roll() < 0.5 ? [inner] : inner;
}

function damaged(roll: Dice, text: string): string {
  const at = Math.floor(roll() * text.length);
  const put = pick(roll, ['', '"', '{', '}', ',', '\\', '\0', '1e999', 'null', 'é']);
  return text.slice(0, at) + put + text.slice(at + Math.floor(roll() * 3));
}

describe('100,000 seeded inputs', () => {
  test('from devices are read into what can be written and read again, or not at all', () => {
    const roll = dice(1);
    const read = new Map<string, number>();
    for (let i = 0; i < INPUTS; i++) {
      const text = JSON.stringify(members(roll, 2));
      const message = parseClientMessage(roll() < 0.7 ? text : damaged(roll, text));
      const type = message?.messageType ?? 'unreadable';
      read.set(type, (read.get(type) ?? 0) + 1);
      if (message && !isStable(message)) expect.fail(text);
    }
    for (const type of [...TYPES.slice(0, -1), 'unreadable'])
      expect(read.get(type)).toBeGreaterThan(50);
    expect(read.size).toBe(TYPES.length);
  });

  function isStable(message: ClientMessage): boolean {
    const again = parseClientMessage(encodeClientMessage(message));
    return JSON.stringify(again) === JSON.stringify(message);
  }

  test('from a server are read or ignored', () => {
    const roll = dice(2);
    let read = 0;
    for (let i = 0; i < INPUTS; i++) {
      const text = JSON.stringify(members(roll, 2)).replace('"ack"', '"notification"');
      if (parseServerMessage(roll() < 0.7 ? text : damaged(roll, text))) read++;
    }
    expect(read).toBeGreaterThan(1000);
  });

  test('as channelIDs are echoed verbatim and are subscription ids only as UUIDs', () => {
    const roll = dice(3);
    for (let i = 0; i < INPUTS; i++) {
      const channelID = damaged(roll, UUID);
      const id = subscriptionIdOf(channelID);
      if (id !== undefined && uuidOf(id) !== channelID) expect.fail(channelID);
      const echoed = JSON.parse(registerFrame({ channelID, status: 400 })) as { channelID: string };
      if (echoed.channelID !== channelID) expect.fail(channelID);
    }
  });
});
