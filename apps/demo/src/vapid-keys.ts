import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import webpush from 'web-push';
import { StartRefused } from '#runtime';

/** The key pair that identifies this site: subscriptions are bound to the public key. */
export class VapidKeys {
  constructor(
    readonly publicKey: string,
    readonly privateKey: string,
  ) {}
}

/** Those of a directory; new ones if it has none. A lost pair makes every subscription useless, so it is kept. */
export function vapidKeysIn(dataDir: string): VapidKeys {
  const path = join(dataDir, 'vapid.json');
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    return readKeys(path) ?? writeKeys(path);
  } catch (cause) {
    throw new StartRefused(
      `${path}: the demo's VAPID keys cannot be read or made. Repair or remove that file.`,
      { cause },
    );
  }
}

function readKeys(path: string): VapidKeys | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  chmodSync(path, 0o600);
  const { publicKey, privateKey } = JSON.parse(text) as VapidKeys;
  // Throws for what is no key pair of VAPID.
  webpush.setVapidDetails('https://meridian.example', publicKey, privateKey);
  return new VapidKeys(publicKey, privateKey);
}

function writeKeys(path: string): VapidKeys {
  const keys = webpush.generateVAPIDKeys();
  writeFileSync(path, JSON.stringify(keys), { mode: 0o600, flag: 'wx' });
  return new VapidKeys(keys.publicKey, keys.privateKey);
}
