import { createECDH, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import webpush from 'web-push';
import { fromBase64url, toBase64url } from './base64url.js';
import { decrypt, type ReceiverKeys } from './decrypt.js';
import { freshKeys, Subscription } from './subscription.js';

const ece = createRequire(import.meta.url)('http_ece') as {
  encrypt(text: Buffer, how: object): Buffer;
};
/** salt, rs, idlen, keyid. */
const HEADER_BYTES = 16 + 4 + 1 + 65;

/** RFC 8291, Appendix A. */
const RFC_8291 = {
  d: 'q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94',
  p256dh: 'BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4',
  auth: 'BTBZMqHH6r4Tts7J_aSIgg',
  body:
    'DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS' +
    '6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qu' +
    'lcy4a-fN',
  text: 'When I grow up, I want to be a watermelon',
};

async function receiver(): Promise<{ keys: ReceiverKeys; p256dh: string; auth: string }> {
  const fresh = await freshKeys();
  const stored = { channelID: '', endpoint: '', settled: [], ...fresh };
  const keys = await new Subscription(stored, () => Promise.resolve(true)).receiverKeys();
  return { keys, ...fresh };
}

const bytes = (buffer: Buffer): Uint8Array<ArrayBuffer> => Uint8Array.from(buffer);

describe('decrypting', () => {
  test('opens the message of RFC 8291, appendix A', async () => {
    const publicKey = fromBase64url(RFC_8291.p256dh);
    const [x, y] = [publicKey.slice(1, 33), publicKey.slice(33)].map(toBase64url);
    const jwk = { kty: 'EC', crv: 'P-256', d: RFC_8291.d, x, y };
    const p256 = { name: 'ECDH', namedCurve: 'P-256' };
    const privateKey = await crypto.subtle.importKey('jwk', jwk, p256, false, ['deriveBits']);
    const keys = { privateKey, publicKey, auth: fromBase64url(RFC_8291.auth) };
    const text = await decrypt(keys, fromBase64url(RFC_8291.body), { encoding: 'aes128gcm' });
    expect(new TextDecoder().decode(text)).toBe(RFC_8291.text);
  });

  for (const encoding of ['aes128gcm', 'aesgcm'] as const) {
    test(`opens what web-push seals with ${encoding}, of every size up to the limit`, async () => {
      const { keys, p256dh, auth } = await receiver();
      for (const size of [0, 1, 2, 15, 16, 17, 3000, 3993]) {
        const sent = randomBytes(size);
        const sealed = webpush.encrypt(p256dh, auth, sent, encoding);
        const headers = draftHeaders(encoding, sealed);
        const text = await decrypt(keys, bytes(sealed.cipherText), headers);
        expect(Buffer.from(text).equals(sent)).toBe(true);
      }
    });

    test(`refuses ${encoding} with any single bit changed, or cut short anywhere`, async () => {
      const { keys, p256dh, auth } = await receiver();
      const sealed = webpush.encrypt(p256dh, auth, 'HELI 12.50', encoding);
      const whole = bytes(sealed.cipherText);
      const headers = draftHeaders(encoding, sealed);
      for (let at = 0; at < whole.length; at++) {
        // The record size (bytes 16–19) does not take part when there is a single record.
        if (encoding === 'aes128gcm' && at >= 16 && at < 20) continue;
        const changed = whole.slice();
        changed[at] = (changed[at] ?? 0) ^ (1 << (at & 7));
        await expect(decrypt(keys, changed, headers)).rejects.toThrow();
        await expect(decrypt(keys, whole.slice(0, at), headers)).rejects.toThrow();
      }
    });
  }

  test('refuses a message that was cut off after one of its records', async () => {
    const { keys, p256dh, auth } = await receiver();
    const [sender, rs] = [createECDH('prime256v1'), 60];
    sender.generateKeys();
    const how = { version: 'aes128gcm', dh: p256dh, privateKey: sender, authSecret: auth, rs };
    const whole = ece.encrypt(randomBytes(100), how);
    const headers = { encoding: 'aes128gcm' };
    const first = whole.subarray(0, HEADER_BYTES + rs);
    await expect(decrypt(keys, bytes(first), headers)).rejects.toThrow('not the last one');
    // Of more than one record, as RFC 8291 does not allow it, nothing is shown either.
    await expect(decrypt(keys, bytes(whole), headers)).rejects.toThrow();
  });

  test('refuses what was sealed for another subscription', async () => {
    const [ours, theirs] = [await receiver(), await receiver()];
    const { cipherText } = webpush.encrypt(theirs.p256dh, theirs.auth, 'HELI', 'aes128gcm');
    const headers = { encoding: 'aes128gcm' };
    await expect(decrypt(ours.keys, bytes(cipherText), headers)).rejects.toThrow();
  });

  test('refuses an encoding that it does not know', async () => {
    const { keys } = await receiver();
    const opening = decrypt(keys, bytes(randomBytes(120)), { encoding: 'aes256gcm' });
    await expect(opening).rejects.toThrow('content encoding aes256gcm is neither');
  });

  test('finds salt and dh among other parameters of aesgcm', async () => {
    const { keys, p256dh, auth } = await receiver();
    const sealed = webpush.encrypt(p256dh, auth, 'HELI', 'aesgcm');
    const { encryption, crypto_key } = draftHeaders('aesgcm', sealed);
    const text = await decrypt(keys, bytes(sealed.cipherText), {
      encoding: 'aesgcm',
      encryption: `keyid=p256dh;${encryption};rs=4096`,
      crypto_key: `p256ecdsa=BAAA,keyid=p256dh; ${crypto_key}`,
    });
    expect(new TextDecoder().decode(text)).toBe('HELI');
  });
});

function draftHeaders(
  encoding: string,
  sealed: webpush.EncryptionResult,
): { encoding: string; encryption?: string; crypto_key?: string } {
  if (encoding !== 'aesgcm') return { encoding };
  const dh = Buffer.from(sealed.localPublicKey as unknown as Uint8Array).toString('base64url');
  return { encoding, encryption: `salt=${sealed.salt}`, crypto_key: `dh=${dh}` };
}
