import type { ClientStorage, StoredDevice } from './storage.js';

const STORE = 'device';

/** For a page or a worker: one entry in a database of its own. */
export class IndexedDbStorage implements ClientStorage {
  private database: Promise<IDBDatabase> | undefined;

  constructor(private readonly name = 'heliograph') {}

  async load(): Promise<StoredDevice | undefined> {
    const store = await this.store('readonly');
    return answered(store.get(STORE) as IDBRequest<StoredDevice | undefined>);
  }

  async save(device: StoredDevice): Promise<void> {
    const store = await this.store('readwrite');
    store.put(device, STORE);
    await new Promise<void>((resolve, reject) => {
      store.transaction.oncomplete = () => resolve();
      store.transaction.onabort = () => reject(store.transaction.error ?? new Error('aborted'));
    });
  }

  private async store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    const database = await (this.database ??= this.open());
    return database.transaction(STORE, mode).objectStore(STORE);
  }

  private async open(): Promise<IDBDatabase> {
    const opening = indexedDB.open(this.name, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    const database = await answered(opening);
    // The browser closes it when the user clears the site's data: the next use opens it anew.
    database.onclose = () => (this.database = undefined);
    return database;
  }
}

function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB refused'));
  });
}
