/**
 * The keys that seal receiver ids and message ids (design §6). The first seals, all open, so that keys
 * rotate in three steps: add the new one everywhere (last), move it first, remove the old one when nothing
 * sealed with it lives.
 */
import { createHash, createSecretKey, type KeyObject } from 'node:crypto';

const KEY_BYTES = 32;
/** 32 bytes are 43 characters without padding. */
const KEY_TEXT = /^[A-Za-z0-9_-]{43}=?$/;

export interface RingKey {
  /** First 4 bytes of SHA-256 of the key, as 8 lower-case hex digits. */
  readonly id: string;
  /** The same 4 bytes as they stand in a token, big-endian. */
  readonly idNumber: number;
  /** SHA-256 of the key, 64 hex digits: what services compare to agree on a key without showing it. */
  readonly fingerprint: string;
  readonly secret: KeyObject;
}

export class KeyRing {
  private readonly byId = new Map<number, RingKey>();
  /** The key that seals. */
  readonly sealing: RingKey;

  private constructor(readonly keys: readonly [RingKey, ...RingKey[]]) {
    for (const key of keys) {
      if (this.byId.has(key.idNumber)) {
        throw new Error(`two keys have the id ${key.id}: name each key once, or make another`);
      }
      this.byId.set(key.idNumber, key);
    }
    this.sealing = keys[0];
  }

  /**
   * Reads `ENDPOINT_KEYS`: comma-separated, each 32 bytes in base64url. Throws an Error that names the
   * position of a bad key and never its text, which is a secret.
   */
  static parse(list: string): KeyRing {
    const [first, ...others] = list.split(',').map((text, i) => ringKey(text.trim(), i + 1));
    if (!first) throw new Error('no key: give at least one, 32 bytes in base64url');
    return new KeyRing([first, ...others]);
  }

  get sealingKeyId(): string {
    return this.sealing.id;
  }

  find(idNumber: number): RingKey | undefined {
    return this.byId.get(idNumber);
  }
}

function ringKey(text: string, position: number): RingKey {
  const key = Buffer.from(text, 'base64url');
  if (!KEY_TEXT.test(text) || key.length !== KEY_BYTES) {
    throw new Error(
      `key ${position} is not ${KEY_BYTES} bytes in base64url (${text.length} characters given): ` +
        `node -p "crypto.randomBytes(32).toString('base64url')" makes one`,
    );
  }
  const digest = createHash('sha256').update(key).digest();
  return {
    id: digest.toString('hex', 0, 4),
    idNumber: digest.readUInt32BE(0),
    fingerprint: digest.toString('hex'),
    secret: createSecretKey(key),
  };
}
