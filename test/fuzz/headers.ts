/** Headers, paths and addresses that anybody can send. */
import { TrustedProxies, limitKeyOf } from '#runtime';
import {
  REFUSALS,
  fingerprintOf,
  parseHeaderParams,
  parsePushHeaders,
  parseTraceparent,
  refusalBody,
  routeOf,
} from '#webpush';
import { damaged, strung } from './damage.js';
import type { FuzzTarget } from './target.js';

const NAMES = ['salt', 'dh', 'p256ecdsa', 'rs', 'abc', '-_'];
const SIGNS = ['=', '=', '"', ';', ',', ' ', '\t', '/'];
export const HEADER_PIECES = [...NAMES, ...SIGNS];
const NUMBERS = ['0', '10', '-1'];
const WORDS = ['normal', 'high', 'aesgcm', 'aes128gcm', 'topic', 'salt=abc', 'dh=abc'];
const VALUES = [undefined, ...NUMBERS, ...WORDS];

const pushHeaders: FuzzTarget = {
  name: 'push headers',
  kinds: [
    ...['aesgcm', 'aes128gcm', 'headers'],
    ...['ttlInvalid', 'ttlNegative', 'topicInvalid', 'urgencyInvalid', 'cryptoInvalid'],
  ],
  open: () => (dice) => {
    const field = (): string | undefined =>
      dice.isBelow(0.4) ? dice.pick(VALUES) : strung(dice, HEADER_PIECES, 9);
    const fields = {
      ttl: dice.isBelow(0.9) ? '10' : field(),
      topic: dice.isBelow(0.9) ? undefined : field(),
      urgency: dice.isBelow(0.9) ? undefined : field(),
      contentEncoding: dice.isBelow(0.9) ? dice.pick(['aesgcm', 'aes128gcm']) : field(),
      encryption: field(),
      cryptoKey: field(),
    };
    const parsed = parsePushHeaders(fields, { hasBody: dice.isBelow(0.9), ttlSecondsMax: 100 });
    if (parsed.kind === 'refused') {
      JSON.parse(refusalBody(parsed.refusal, parsed.reason));
      if (!(parsed.refusal in REFUSALS)) throw new Error(`refused as ${parsed.refusal}`);
      return parsed.refusal;
    }
    if (/[^\x21-\x7e]|"/.test(`${parsed.encryption}${parsed.cryptoKey}`)) {
      throw new Error(`${parsed.encryption} and ${parsed.cryptoKey} go into frames`);
    }
    return parsed.encoding ?? parsed.kind;
  },
};

const parameterLists: FuzzTarget = {
  name: 'parameter lists',
  kinds: ['read', 'unreadable'],
  open: () => (dice) => {
    const elements = parseHeaderParams(strung(dice, HEADER_PIECES, 12));
    if (!elements) return 'unreadable';
    const written = elements
      .map((element) => element.map(({ name, value }) => `${name}="${value}"`).join(';'))
      .join(',');
    if (JSON.stringify(parseHeaderParams(written)) !== JSON.stringify(elements)) {
      throw new Error(`${written} is read otherwise`);
    }
    return 'read';
  },
};

const METHODS = ['POST', 'get', 'DELETE', 'OPTIONS', 'PUT', ''];
const PATHS = ['/', 'wpush', 'm', 'v1', 'v2', 'abc', '?', '%2F', '..'];

const routes: FuzzTarget = {
  name: 'paths, methods and keys',
  kinds: ['push', 'cancel', 'unifiedpush', 'preflight', 'not found', 'method not allowed'],
  open: () => (dice) => {
    if (dice.isBelow(0.1)) fingerprintOf(damaged(dice, `B${'a'.repeat(86)}`));
    return routeOf(dice.pick(METHODS), `/${strung(dice, PATHS, 5)}`).kind;
  },
};

const HOPS = ['10.0.0.1', '192.0.2.7', '2001:db8::1', '[::1]', '::ffff:10.0.0.2', '"[::1]:80"'];
const HOP_PIECES = [...HOPS, ':80', ',', ', ', '%eth0', ':', '::', '.', 'f', '1'];
const PEERS = ['10.0.0.1', '::1', '::ffff:10.0.0.9', '192.0.2.1', ''];

const forwarded: FuzzTarget = {
  name: 'forwarded addresses',
  kinds: ['the peer', 'a hop'],
  open: () => {
    const proxies = new TrustedProxies(['10.0.0.0/8', '::1']);
    return (dice) => {
      const peer = dice.pick(PEERS);
      const client = proxies.clientOf(peer, strung(dice, HOP_PIECES, 7));
      if (limitKeyOf(client).length > 39) throw new Error(`${client} has a long key`);
      if (client === proxies.clientOf(peer, undefined)) return 'the peer';
      if (!proxies.trusts(peer)) throw new Error(`${client} is believed from ${peer}`);
      return 'a hop';
    };
  },
};

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

const traceparents: FuzzTarget = {
  name: 'traceparent',
  kinds: ['read', 'not sent'],
  open: () => (dice) => {
    const field = damaged(dice, TRACEPARENT);
    const trace = parseTraceparent(field);
    if (trace === undefined) return 'not sent';
    const { traceId, spanId, flags } = trace;
    const ids = `-${traceId}-${spanId}-${flags.toString(16).padStart(2, '0')}`;
    if (field.slice(2, 55) !== ids) throw new Error(field);
    return 'read';
  },
};

export const HEADER_TARGETS: readonly FuzzTarget[] = [
  pushHeaders,
  parameterLists,
  routes,
  forwarded,
  traceparents,
];
