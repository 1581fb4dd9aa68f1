/** What comes over the socket, from devices to the gateway and from a server to the client library. */
import {
  encodeClientMessage,
  parseClientMessage,
  parseServerMessage,
  registerFrame,
  subscriptionIdOf,
  uuidOf,
} from '#wire';
import { damaged, damagedJson } from './damage.js';
import type { Dice } from './dice.js';
import type { FuzzTarget } from './target.js';

const REQUESTS = ['hello', 'register', 'unregister', 'ack', 'nack', 'broadcast_subscribe', 'ping'];
const TYPES = [...REQUESTS, 'x'];
const UUID = '0a1b2c3d-4e5f-4071-8293-a4b5c6d7e8f9';
const UPDATE = { channelID: UUID, version: 'v', code: 101 };
/** A fitting value for each name. */
const FITTING: Readonly<Record<string, unknown>> = {
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
function members(dice: Dice, depth: number): Record<string, unknown> {
  const made: Record<string, unknown> = dice.isBelow(0.9) ? { messageType: dice.pick(TYPES) } : {};
  for (let n = dice.below(4); n > 0; n--) {
    const name = dice.pick(NAMES);
    made[name] = dice.isBelow(0.5) ? FITTING[name] : value(dice, depth);
  }
  return made;
}

function value(dice: Dice, depth: number): unknown {
  if (depth === 0 || dice.isBelow(0.6)) return dice.pick(VALUES);
  const inner = members(dice, depth - 1);
  return dice.isBelow(0.5) ? [inner] : inner;
}

function document(dice: Dice): string {
  const text = JSON.stringify(members(dice, 2));
  return dice.isBelow(0.7) ? text : damagedJson(dice, text);
}

const clientMessages: FuzzTarget = {
  name: 'client messages',
  kinds: [...REQUESTS, 'unreadable'],
  open: () => (dice) => {
    const message = parseClientMessage(document(dice));
    if (message === undefined) return 'unreadable';
    const again = parseClientMessage(encodeClientMessage(message));
    if (JSON.stringify(again) !== JSON.stringify(message)) throw new Error(JSON.stringify(message));
    return message.messageType;
  },
};

const serverMessages: FuzzTarget = {
  name: 'server messages',
  kinds: ['read', 'ignored'],
  open: () => (dice) =>
    parseServerMessage(document(dice).replace('"ack"', '"notification"')) ? 'read' : 'ignored',
};

const channelIds: FuzzTarget = {
  name: 'channel ids',
  kinds: ['a UUID', 'no UUID'],
  open: () => (dice) => {
    const channelID = damaged(dice, UUID);
    const id = subscriptionIdOf(channelID);
    if (id !== undefined && uuidOf(id) !== channelID) throw new Error(channelID);
    const echoed = JSON.parse(registerFrame({ channelID, status: 400 })) as { channelID: string };
    if (echoed.channelID !== channelID) throw new Error(channelID);
    return id === undefined ? 'no UUID' : 'a UUID';
  },
};

export const MESSAGE_TARGETS: readonly FuzzTarget[] = [clientMessages, serverMessages, channelIds];
