/** Which of ingest's doors a request stands before (contract §2 "Routes"). */

export type Route =
  /** The sealed id decides whether a key is needed; `needsKey`: the path (`v2`) says that there is one. */
  | { readonly kind: 'push'; readonly receiver: string; readonly needsKey: boolean }
  | { readonly kind: 'cancel'; readonly message: string }
  /** GET on an endpoint: the UnifiedPush discovery answer. */
  | { readonly kind: 'unifiedpush' }
  /** OPTIONS on a known path. */
  | { readonly kind: 'preflight' }
  | { readonly kind: 'not found' }
  | { readonly kind: 'method not allowed'; readonly allow: string };

/** The body of `GET` on any endpoint. */
export const UNIFIEDPUSH_BODY = '{"unifiedpush":{"version":1}}';

/** What `OPTIONS` answers, and (the first two) what every answer carries. */
export const CORS_HEADERS = {
  'access-control-allow-origin': '*',
  'access-control-expose-headers': 'Location, Link, Retry-After, TTL',
} as const;
export const PREFLIGHT_HEADERS = {
  'access-control-allow-headers':
    'authorization, content-encoding, crypto-key, encryption, prefer, topic, ttl, urgency',
  'access-control-allow-methods': 'GET, POST, DELETE, OPTIONS',
  'access-control-max-age': '3600',
} as const;

const NOT_FOUND: Route = { kind: 'not found' };
const PREFLIGHT: Route = { kind: 'preflight' };
const UNIFIEDPUSH: Route = { kind: 'unifiedpush' };
const PUSH_ONLY: Route = { kind: 'method not allowed', allow: 'POST, GET, OPTIONS' };
const CANCEL_ONLY: Route = { kind: 'method not allowed', allow: 'DELETE, OPTIONS' };

const PUSH = '/wpush/';
const MESSAGE = '/m/';

/** `method` in upper or lower case; `path` as sent, a query is ignored. Nothing is percent-decoded. */
export function routeOf(method: string, path: string): Route {
  const query = path.indexOf('?');
  const bare = query < 0 ? path : path.slice(0, query);
  if (bare.startsWith(PUSH)) return pushRoute(method.toUpperCase(), bare);
  if (bare.startsWith(MESSAGE)) return messageRoute(method.toUpperCase(), bare);
  return NOT_FOUND;
}

function pushRoute(method: string, path: string): Route {
  const needsKey = path.startsWith('v2/', PUSH.length);
  const isVersioned = needsKey || path.startsWith('v1/', PUSH.length);
  const receiver = path.slice(isVersioned ? PUSH.length + 3 : PUSH.length);
  if (!isSegment(receiver)) return NOT_FOUND;
  if (method === 'POST') return { kind: 'push', receiver, needsKey };
  if (method === 'GET') return UNIFIEDPUSH;
  return method === 'OPTIONS' ? PREFLIGHT : PUSH_ONLY;
}

function messageRoute(method: string, path: string): Route {
  const message = path.slice(MESSAGE.length);
  if (!isSegment(message)) return NOT_FOUND;
  if (method === 'DELETE') return { kind: 'cancel', message };
  return method === 'OPTIONS' ? PREFLIGHT : CANCEL_ONLY;
}

function isSegment(text: string): boolean {
  return text.length > 0 && !text.includes('/');
}
