/** How a push client reads what a gateway says. Small: it is part of the bundle of libs/client. */
import { isMembers } from './members.js';

export interface NotificationHeaders {
  readonly encoding?: string;
  readonly encryption?: string;
  readonly crypto_key?: string;
}
export type ServerMessage =
  | { readonly messageType: 'hello'; readonly uaid: string; readonly status: number }
  | {
      readonly messageType: 'register';
      readonly channelID: string;
      readonly status: number;
      readonly pushEndpoint?: string;
    }
  | { readonly messageType: 'unregister'; readonly channelID: string; readonly status: number }
  | {
      readonly messageType: 'notification';
      readonly channelID: string;
      readonly version: string;
      readonly data?: string;
      readonly headers?: NotificationHeaders;
    }
  | { readonly messageType: 'broadcast' }
  | { readonly messageType: 'pong' };

/** By messageType, the members that a client relies on; with `?` they may be absent. */
const SHAPES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  hello: { uaid: 'string', status: 'number' },
  register: { channelID: 'string', status: 'number', pushEndpoint: 'string?' },
  unregister: { channelID: 'string', status: 'number' },
  notification: { channelID: 'string', version: 'string', data: 'string?', headers: 'object?' },
  broadcast: {},
};
const HEADERS_SHAPE = { encoding: 'string?', encryption: 'string?', crypto_key: 'string?' };

/** undefined: nothing that a client knows; it ignores the frame. Never throws. `{}` is a pong. */
export function parseServerMessage(text: string): ServerMessage | undefined {
  if (text === '{}') return { messageType: 'pong' };
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!isMembers(message)) return undefined;
  const type = message['messageType'];
  const shape = typeof type === 'string' && Object.hasOwn(SHAPES, type) ? SHAPES[type] : undefined;
  if (!shape || !fits(message, shape) || !fits(message['headers'] ?? {}, HEADERS_SHAPE)) {
    return undefined;
  }
  return message as unknown as ServerMessage;
}

function fits(value: unknown, shape: Readonly<Record<string, string>>): boolean {
  return (
    isMembers(value) &&
    Object.entries(shape).every(([name, wanted]) => {
      const type = typeof value[name];
      return (
        type === wanted || type + '?' === wanted || (type === 'undefined' && wanted.endsWith('?'))
      );
    })
  );
}
