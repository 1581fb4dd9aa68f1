/**
 * What devices say (contract §1 "Client → server"). The messages have the members of the wire; a gateway
 * turns `uaid` and `channelID` into its own words.
 *
 * Reading is strict about the members named there (a wrong type or an unknown messageType makes the frame
 * unreadable: close 1011) and blind to all others. A null in place of an optional member counts as absent.
 */
import type { Outcome } from '#webpush';

export interface Hello {
  readonly messageType: 'hello';
  /** Any text: absent, empty, malformed or unknown gives a new one. */
  readonly uaid?: string;
  readonly channelIDs?: readonly string[];
  readonly broadcasts?: Readonly<Record<string, string>>;
  readonly use_webpush?: boolean;
}
export interface Register {
  readonly messageType: 'register';
  /** Any text, echoed verbatim: what is no UUID (see subscriptionIdOf) is answered with status 400. */
  readonly channelID: string;
  /** Any text: what is no VAPID key is answered with status 400. */
  readonly key?: string;
}
export interface Unregister {
  readonly messageType: 'unregister';
  /** Any text: an unknown channel is answered with 200. */
  readonly channelID: string;
  /** 200 by the user, 201 quota, 202 permission revoked; any other number is let through. */
  readonly code?: number;
}

/** 100 delivered, 101 could not decrypt, 102 not delivered. Each ends redelivery. */
export const ACK_OUTCOMES = {
  100: 'delivered',
  101: 'undecryptable',
  102: 'rejected',
} as const satisfies Record<number, Outcome>;
export type AckCode = keyof typeof ACK_OUTCOMES;

export interface AckUpdate {
  readonly channelID: string;
  /** Any text; unknown ones are ignored. */
  readonly version: string;
  readonly code: AckCode;
}
export interface Ack {
  readonly messageType: 'ack';
  readonly updates: readonly AckUpdate[];
}
export interface Nack {
  readonly messageType: 'nack';
  readonly version: string;
  /** 301–303; any other number is let through and counted. */
  readonly code?: number;
}
export interface BroadcastSubscribe {
  readonly messageType: 'broadcast_subscribe';
  readonly broadcasts: Readonly<Record<string, string>>;
}
/** `{}` or `{"messageType":"ping"}`. */
export interface Ping {
  readonly messageType: 'ping';
}

export type ClientMessage = Hello | Register | Unregister | Ack | Nack | BroadcastSubscribe | Ping;

type Members = Readonly<Record<string, unknown>>;

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

/** The frame of a message. */
export function encodeClientMessage(message: ClientMessage): string {
  return message.messageType === 'ping' ? '{}' : JSON.stringify(message);
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
  return typeof code === 'number' ? { messageType: 'unregister', channelID, code } : undefined;
}

function parseNack({ version, code }: Members): Nack | undefined {
  if (!isText(version)) return undefined;
  if (isAbsent(code)) return { messageType: 'nack', version };
  return typeof code === 'number' ? { messageType: 'nack', version, code } : undefined;
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
  if (typeof code !== 'number') return undefined;
  return code === 101 ? 101 : 102;
}

function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isTexts(value: unknown): value is Readonly<Record<string, string>> {
  return isMembers(value) && Object.values(value).every(isText);
}
