/** Whatever a sender sends: an answer comes, never an exception. Seeded, so that a failure repeats. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { parseHeaderParams } from './header-params.js';
import { parsePushHeaders } from './headers.js';
import type { DeviceId, KeyFingerprint, SubscriptionId } from './ids.js';
import { KeyRing } from './key-ring.js';
import { openMessageId, sealMessageId } from './message-id.js';
import { openReceiverId, sealReceiverId } from './receiver-id.js';
import { REFUSALS, refusalBody } from './refusals.js';
import { routeOf } from './route.js';
import { fingerprintOf } from './vapid-key.js';
import { VapidVerifier } from './vapid.js';

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

/** Pieces of the grammars, now and then any character, strung together. */
function pieces(roll: Dice, from: readonly string[], countMax: number): string {
  let text = '';
  for (let n = Math.floor(roll() * countMax); n >= 0; n--) {
    text += roll() < 0.9 ? pick(roll, from) : String.fromCharCode(Math.floor(roll() * 300));
  }
  return text;
}

/** The text with some of its characters changed, doubled or left out. */
function damaged(roll: Dice, text: string): string {
  for (let n = Math.floor(roll() * 3); n > 0; n--) {
    const at = Math.floor(roll() * text.length);
    const put = pick(roll, ['', text[at] ?? '', 'A', '-', '=', '.', '"', '\0', 'é', text]);
    text = text.slice(0, at) + put + text.slice(at + Math.floor(roll() * 2));
  }
  return text;
}

const HEADER_PIECES = [
  'salt',
  'dh',
  'p256ecdsa',
  'rs',
  '=',
  '=',
  '"',
  ';',
  ',',
  ' ',
  '\t',
  'abc',
  '-_',
  '/',
];
const VALUES = [
  '0',
  '10',
  '-1',
  'normal',
  'high',
  'aesgcm',
  'aes128gcm',
  'topic',
  'salt=abc',
  'dh=abc',
];

describe('100,000 seeded inputs', () => {
  test('as headers are parsed or refused with a row of the table', () => {
    const roll = dice(1);
    const field = () =>
      roll() < 0.4 ? pick(roll, [undefined, ...VALUES]) : pieces(roll, HEADER_PIECES, 9);
    const kinds = new Set<string>();
    for (let i = 0; i < INPUTS; i++) {
      const fields = {
        ttl: roll() < 0.9 ? '10' : field(),
        topic: roll() < 0.9 ? undefined : field(),
        urgency: roll() < 0.9 ? undefined : field(),
        contentEncoding: roll() < 0.9 ? pick(roll, ['aesgcm', 'aes128gcm']) : field(),
        encryption: field(),
        cryptoKey: field(),
      };
      const parsed = parsePushHeaders(fields, { hasBody: roll() < 0.9, ttlSecondsMax: 100 });
      kinds.add(parsed.kind === 'refused' ? parsed.refusal : (parsed.encoding ?? parsed.kind));
      if (parsed.kind === 'refused') JSON.parse(refusalBody(parsed.refusal, parsed.reason));
      else if (/[^\x21-\x7e]|"/.test(`${parsed.encryption}${parsed.cryptoKey}`))
        expect.fail(JSON.stringify(fields));
    }
    const refusals = [
      'ttlInvalid',
      'ttlNegative',
      'topicInvalid',
      'urgencyInvalid',
      'cryptoInvalid',
    ];
    for (const name of refusals) expect(REFUSALS).toHaveProperty(name);
    expect(kinds).toEqual(new Set([...refusals, 'headers', 'aesgcm', 'aes128gcm']));
  });

  test('as parameter lists come out as they went in, or not at all', () => {
    const roll = dice(2);
    let read = 0;
    for (let i = 0; i < INPUTS; i++) {
      const elements = parseHeaderParams(pieces(roll, HEADER_PIECES, 12));
      if (!elements) continue;
      read++;
      const written = elements
        .map((e) => e.map((p) => `${p.name}="${p.value}"`).join(';'))
        .join(',');
      if (JSON.stringify(parseHeaderParams(written)) !== JSON.stringify(elements))
        expect.fail(written);
    }
    expect(read).toBeGreaterThan(INPUTS / 100);
  });

  test('as receiver and message ids never open but as the token that was sealed', () => {
    const roll = dice(3);
    const ring = KeyRing.parse(Buffer.alloc(32, 1).toString('base64url'));
    const owner = {
      device: '0123456789abcdef0123456789abcdef' as DeviceId,
      subscription: 'fedcba9876543210fedcba9876543210' as SubscriptionId,
    };
    const fingerprint = ('x'.repeat(42) + 'w') as KeyFingerprint;
    const nonce = createHash('sha256').digest().subarray(0, 12);
    const tokens = [
      sealReceiverId(ring, owner, nonce),
      sealReceiverId(ring, { ...owner, fingerprint }, nonce),
      sealMessageId(ring, owner, nonce),
    ];
    const kinds = { opened: 0, unopenable: 0, 'unknown key': 0 };
    for (let i = 0; i < INPUTS; i++) {
      const token = damaged(roll, pick(roll, tokens));
      const receiver = openReceiverId(ring, token);
      const message = openMessageId(ring, token);
      if (receiver.kind === 'opened' && !tokens.slice(0, 2).includes(token)) expect.fail(token);
      if (message.kind === 'opened' && token !== tokens[2]) expect.fail(token);
      kinds[receiver.kind]++;
    }
    expect(Math.min(...Object.values(kinds))).toBeGreaterThan(100);
  });

  test('as VAPID are never verified', () => {
    const roll = dice(4);
    const verifier = new VapidVerifier({ audience: 'https://push.example.net', cacheMax: 10 });
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = { aud: 'https://push.example.net', exp: 1000 };
    const token = `${part({ alg: 'ES256' })}.${part(claims)}.${'a'.repeat(85)}A`;
    const reasons = new Set<string>();
    for (let i = 0; i < INPUTS; i++) {
      const scheme = pick(roll, ['vapid t=', 'vapid t=', 'WebPush ', 'Bearer ', '']);
      const authorization = damaged(roll, `${scheme}${token}${pick(roll, [', k=abc', ''])}`);
      const cryptoKey = pieces(roll, HEADER_PIECES, 6);
      const result = verifier.verify({ authorization, cryptoKey }, 0);
      if (result.kind !== 'refused') expect.fail(authorization);
      reasons.add(result.reason.slice(0, 12));
    }
    expect(reasons.size).toBeGreaterThan(10);
  });

  test('as paths, methods and keys get their answer', () => {
    const roll = dice(5);
    const paths = ['/', 'wpush', 'm', 'v1', 'v2', 'abc', '?', '%2F', '..'];
    const kinds = new Set<string>();
    for (let i = 0; i < INPUTS; i++) {
      const method = pick(roll, ['POST', 'get', 'DELETE', 'OPTIONS', 'PUT', '']);
      kinds.add(routeOf(method, `/${pieces(roll, paths, 5)}`).kind);
      if (i % 10 === 0) fingerprintOf(damaged(roll, `B${'a'.repeat(86)}`));
    }
    expect(kinds.size).toBe(6);
  });
});
