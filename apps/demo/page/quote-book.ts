/**
 * What has arrived, kept in IndexedDB: the service worker writes while no page is open, and a page that opens
 * reads it.
 */
import type { Arrival } from './arrival.js';

const STORE = 'arrivals';
const KEPT_MAX = 300;

export class QuoteBook {
  private database: Promise<IDBDatabase> | undefined;

  async remember(arrival: Arrival): Promise<void> {
    const store = await this.store('readwrite');
    store.add(arrival);
    const keys = store.getAllKeys();
    keys.onsuccess = () => {
      for (const key of keys.result.slice(0, -KEPT_MAX)) store.delete(key);
    };
    await new Promise<void>((resolve, reject) => {
      store.transaction.oncomplete = () => resolve();
      store.transaction.onabort = () => reject(store.transaction.error ?? new Error('aborted'));
    });
  }

  /** Oldest first. */
  async recall(): Promise<readonly Arrival[]> {
    return answered((await this.store('readonly')).getAll() as IDBRequest<Arrival[]>);
  }

  private async store(mode: IDBTransactionMode): Promise<IDBObjectStore> {
    const database = await (this.database ??= open());
    return database.transaction(STORE, mode).objectStore(STORE);
  }
}

async function open(): Promise<IDBDatabase> {
  const opening = indexedDB.open('meridian-quotes', 1);
  opening.onupgradeneeded = () => {
    opening.result.createObjectStore(STORE, { autoIncrement: true });
  };
  return answered(opening);
}

function answered<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('IndexedDB refused'));
  });
}
