/** Tokens: nothing opens and nothing verifies but what was sealed and signed, to the last bit. */
import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import {
  KeyRing,
  VapidVerifier,
  fingerprintOf,
  openMessageId,
  openReceiverId,
  sealMessageId,
  sealReceiverId,
  type DeviceId,
  type KeyFingerprint,
  type SubscriptionId,
} from '#webpush';
import { damaged, strung } from './damage.js';
import { HEADER_PIECES } from './headers.js';
import type { FuzzTarget } from './target.js';

const OWNER = {
  device: '0123456789abcdef0123456789abcdef' as DeviceId,
  subscription: 'fedcba9876543210fedcba9876543210' as SubscriptionId,
};

const sealedIds: FuzzTarget = {
  name: 'receiver and message ids',
  kinds: ['opened', 'unopenable', 'unknown key'],
  open: () => {
    const ring = KeyRing.parse(Buffer.alloc(32, 1).toString('base64url'));
    const nonce = createHash('sha256').digest().subarray(0, 12);
    const fingerprint = `${'x'.repeat(42)}w` as KeyFingerprint;
    const receivers = [
      sealReceiverId(ring, OWNER, nonce),
      sealReceiverId(ring, { ...OWNER, fingerprint }, nonce),
    ];
    const tokens = [...receivers, sealMessageId(ring, OWNER, nonce)];
    return (dice) => {
      const token = damaged(dice, dice.pick(tokens));
      const receiver = openReceiverId(ring, token);
      const message = openMessageId(ring, token);
      if (receiver.kind === 'opened' && !receivers.includes(token)) throw new Error(token);
      if (message.kind === 'opened' && token !== tokens[2]) throw new Error(token);
      return receiver.kind;
    };
  },
};

const AUDIENCE = 'https://push.example.net';
const NOW_MS = 1_000_000;

const vapidTokens: FuzzTarget = {
  name: 'VAPID tokens',
  kinds: ['verified', 'refused', 'none'],
  open: () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const spki = publicKey.export({ type: 'spki', format: 'der' });
    const key = spki.subarray(-65).toString('base64url');
    const part = (value: unknown): string =>
      Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ alg: 'ES256' })}.${part({ aud: AUDIENCE, exp: NOW_MS / 1_000 + 60 })}`;
    const how = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const;
    const token = `${signed}.${sign('sha256', Buffer.from(signed), how).toString('base64url')}`;
    const verifier = new VapidVerifier({ audience: AUDIENCE, cacheMax: 10 });
    const headers = [
      { authorization: `vapid t=${token}, k=${key}`, cryptoKey: '' },
      { authorization: `WebPush ${token}`, cryptoKey: `p256ecdsa=${key}` },
      { authorization: `Bearer ${token}`, cryptoKey: `dh=abc;p256ecdsa=${key}` },
    ];
    return (dice) => {
      const sent = dice.pick(headers);
      const authorization = dice.isBelow(0.02) ? undefined : damaged(dice, sent.authorization, 1);
      const cryptoKey = dice.isBelow(0.8) ? sent.cryptoKey : strung(dice, HEADER_PIECES, 6);
      const result = verifier.verify({ authorization, cryptoKey }, NOW_MS);
      if (result.kind !== 'verified') return result.kind;
      const isOurs = authorization?.includes(token) && result.fingerprint === fingerprintOf(key);
      if (!isOurs) throw new Error(`${authorization} is verified`);
      return 'verified';
    };
  },
};

export const TOKEN_TARGETS: readonly FuzzTarget[] = [sealedIds, vapidTokens];
