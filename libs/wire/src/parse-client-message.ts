/**
 * Reads what devices send. Strict about the members that the contract names (a wrong type or an unknown
 * messageType makes the frame unreadable: close 1011), blind to all others. A null in place of an optional
 * member counts as absent.
 */
import type {
  Ack,
  AckCode,
  AckUpdate,
  BroadcastSubscribe,
  ClientMessage,
  Hello,
  Nack,
  Ping,
  Register,
  Unregister,
} from './client-message.js';
import { isAbsent, isMembers, isNumber, isText, isTexts, type Members } from './members.js';

const PING: Ping = { messageType: 'ping' };

/** undefined: unreadable, close 1011. Never throws. */
export function parseClientMessage(text: string): ClientMessage | undefined {
  if (text === '{}') return PING;
  let members: unknown;
  try {
    members = JSON.parse(text);
  } catch {
    return undefined;
  }
  return isMembers(members) ? parseMembers(members) : undefined;
}

function parseMembers(members: Members): ClientMessage | undefined {
  switch (members['messageType']) {
    case 'ack':
      return parseAck(members['updates']);
    case 'hello':
      return parseHello(members);
    case 'register':
      return parseRegister(members);
    case 'unregister':
      return parseUnregister(members);
    case 'nack':
      return parseNack(members);
    case 'broadcast_subscribe':
      return parseBroadcasts(members['broadcasts']);
    case 'ping':
      return PING;
    case undefined:
      return Object.keys(members).length === 0 ? PING : undefined;
    default:
      return undefined;
  }
}

function parseHello({ uaid, channelIDs, broadcasts, use_webpush }: Members): Hello | undefined {
  if (!isAbsent(uaid) && typeof uaid !== 'string') return undefined;
  if (!isAbsent(channelIDs) && !(Array.isArray(channelIDs) && channelIDs.every(isText))) {
    return undefined;
  }
  if (!isAbsent(broadcasts) && !isTexts(broadcasts)) return undefined;
  if (!isAbsent(use_webpush) && typeof use_webpush !== 'boolean') return undefined;
  return {
    messageType: 'hello',
    ...(!isAbsent(uaid) && { uaid }),
    ...(!isAbsent(channelIDs) && { channelIDs }),
    ...(!isAbsent(broadcasts) && { broadcasts }),
    ...(!isAbsent(use_webpush) && { use_webpush }),
  };
}

function parseRegister({ channelID, key }: Members): Register | undefined {
  if (!isText(channelID)) return undefined;
  if (isAbsent(key)) return { messageType: 'register', channelID };
  return isText(key) ? { messageType: 'register', channelID, key } : undefined;
}

function parseUnregister({ channelID, code }: Members): Unregister | undefined {
  if (!isText(channelID)) return undefined;
  if (isAbsent(code)) return { messageType: 'unregister', channelID };
  return isNumber(code) ? { messageType: 'unregister', channelID, code } : undefined;
}

function parseNack({ version, code }: Members): Nack | undefined {
  if (!isText(version)) return undefined;
  if (isAbsent(code)) return { messageType: 'nack', version };
  return isNumber(code) ? { messageType: 'nack', version, code } : undefined;
}

function parseBroadcasts(broadcasts: unknown): BroadcastSubscribe | undefined {
  return isTexts(broadcasts) ? { messageType: 'broadcast_subscribe', broadcasts } : undefined;
}

function parseAck(updates: unknown): Ack | undefined {
  if (!Array.isArray(updates)) return undefined;
  const read: AckUpdate[] = [];
  for (const update of updates as readonly unknown[]) {
    if (!isMembers(update)) return undefined;
    const { channelID, version } = update;
    const code = parseAckCode(update['code']);
    if (!isText(channelID) || !isText(version) || code === undefined) return undefined;
    read.push({ channelID, version, code });
  }
  return { messageType: 'ack', updates: read };
}

/**
 * A number that we do not know still says that the device is done with the message, and not that it was
 * shown: it counts as 102.
 */
function parseAckCode(code: unknown): AckCode | undefined {
  if (code === 100 || isAbsent(code)) return 100;
  if (!isNumber(code)) return undefined;
  return code === 101 ? 101 : 102;
}
