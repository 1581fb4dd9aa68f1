/** The keys of a subscription, and decryption by a library that is not ours (RFC 8291). */
import { createECDH, randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';
import type { Frame } from './device.js';

interface HttpEce {
  decrypt(body: Buffer, options: object): Buffer;
}
const ece = createRequire(import.meta.url)('http_ece') as HttpEce;

export class Receiver {
  private readonly pair = createECDH('prime256v1');
  private readonly secret = randomBytes(16);
  readonly keys: { readonly p256dh: string; readonly auth: string };

  constructor() {
    const p256dh = this.pair.generateKeys().toString('base64url');
    this.keys = { p256dh, auth: this.secret.toString('base64url') };
  }

  /** The text in a notification frame of either encoding. */
  decrypt({ data = '', headers = {} }: Frame): string {
    const body = Buffer.from(data, 'base64url');
    const common = { version: headers.encoding, privateKey: this.pair, authSecret: this.keys.auth };
    if (headers.encoding !== 'aesgcm') return ece.decrypt(body, common).toString();
    const dh = /dh=([\w-]+)/.exec(headers.crypto_key ?? '')?.[1];
    const salt = /salt=([\w-]+)/.exec(headers.encryption ?? '')?.[1];
    return ece.decrypt(body, { ...common, dh, salt }).toString();
  }
}
