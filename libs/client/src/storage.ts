import type { AckCode } from '#wire';

/** One subscription as it is stored: it can be written as JSON, and cloned into IndexedDB. */
export interface StoredSubscription {
  readonly channelID: string;
  readonly endpoint: string;
  /** base64url; absent: subscribed without one. */
  readonly applicationServerKey?: string;
  readonly p256dh: string;
  readonly auth: string;
  readonly privateKey: JsonWebKey;
  /** The latest messages that are settled, oldest first: what comes again is acked alike, and not shown. */
  readonly settled: readonly (readonly [version: string, code: AckCode])[];
}

/** All that a push client must not forget. */
export interface StoredDevice {
  readonly format: 1;
  /** The device's secret: whoever presents it is the device. */
  readonly uaid?: string | undefined;
  readonly subscriptions: readonly StoredSubscription[];
  /** Channels given up while the service was away: it is told at the next connection. */
  readonly leaving: readonly string[];
}

/**
 * Where one push client keeps what it must not forget. One storage belongs to one client at a time: a
 * second one would present the same device, and displace the first.
 */
export interface ClientStorage {
  /** What was saved last; undefined: nothing yet. */
  load(): Promise<StoredDevice | undefined>;
  /** Replaces all of it at once: after a crash either the old or the new is there. Never called twice at a time. */
  save(device: StoredDevice): Promise<void>;
}

/** Forgets with the process, or the page: every start is a new device. */
export class MemoryStorage implements ClientStorage {
  private text: string | undefined;

  async load(): Promise<StoredDevice | undefined> {
    return this.text === undefined ? undefined : (JSON.parse(this.text) as StoredDevice);
  }

  async save(device: StoredDevice): Promise<void> {
    this.text = JSON.stringify(device);
  }
}
