import { open, readFile, rename } from 'node:fs/promises';
import type { ClientStorage, StoredDevice } from './storage.js';

/** For Node: one JSON file that only its owner may read, since it holds private keys. */
export class FileStorage implements ClientStorage {
  /** `path`: the file; its directory exists. */
  constructor(private readonly path: string) {}

  async load(): Promise<StoredDevice | undefined> {
    try {
      return JSON.parse(await readFile(this.path, 'utf8')) as StoredDevice;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw new Error(`${this.path} does not hold the state of a push client`, { cause });
    }
  }

  async save(device: StoredDevice): Promise<void> {
    const fresh = `${this.path}.new`;
    const file = await open(fresh, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(device));
      // The rename must not reach the disk before the bytes do.
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(fresh, this.path);
  }
}
