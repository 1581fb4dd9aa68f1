import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StartRefused } from '#runtime';
import type { PushSubscriptionJson } from './endpoint.js';

export interface Subscriber {
  /** Derived from the endpoint, so whoever knows it knows the endpoint. */
  readonly id: string;
  readonly subscription: PushSubscriptionJson;
}

/** The endpoints that this site was given, in memory and in one file. */
export class Subscribers {
  private readonly byId = new Map<string, Subscriber>();
  private writing: Promise<void> | undefined;
  private isChanged = false;
  private isClosed = false;

  private constructor(
    private readonly path: string,
    private readonly max: number,
  ) {}

  /** `isOurs`: whether this site still sends to an endpoint; its push service may have moved since. */
  static open(
    path: string,
    { max, isOurs }: { readonly max: number; readonly isOurs: (endpoint: string) => boolean },
  ): Subscribers {
    const subscribers = new Subscribers(path, max);
    const ours = read(path).filter(({ endpoint }) => isOurs(endpoint));
    for (const subscription of ours) subscribers.keep(subscription);
    return subscribers;
  }

  get count(): number {
    return this.byId.size;
  }

  all(): readonly Subscriber[] {
    return [...this.byId.values()];
  }

  get(id: string): Subscriber | undefined {
    return this.byId.get(id);
  }

  /** Fulfilled when it is on disk. The same endpoint again replaces its keys. undefined: there is no room. */
  async add(subscription: PushSubscriptionJson): Promise<Subscriber | undefined> {
    const isNew = !this.byId.has(idOf(subscription.endpoint));
    if (isNew && this.byId.size >= this.max) return undefined;
    const subscriber = this.keep(subscription);
    await this.save();
    return subscriber;
  }

  async remove(id: string): Promise<void> {
    if (this.byId.delete(id)) await this.save();
  }

  /** Fulfilled when nothing is being written any more. What changes from now on is not kept. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.writing;
  }

  private keep(subscription: PushSubscriptionJson): Subscriber {
    const subscriber = { id: idOf(subscription.endpoint), subscription };
    this.byId.set(subscriber.id, subscriber);
    return subscriber;
  }

  /** One write at a time; what changes meanwhile is in the next, which its callers share. */
  private save(): Promise<void> {
    if (this.isClosed) return Promise.resolve();
    this.isChanged = true;
    return (this.writing ??= this.writeAll().finally(() => (this.writing = undefined)));
  }

  private async writeAll(): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 });
    while (this.isChanged) {
      this.isChanged = false;
      const text = JSON.stringify(this.all().map(({ subscription }) => subscription));
      await writeFile(`${this.path}.new`, text, { mode: 0o600 });
      await rename(`${this.path}.new`, this.path);
    }
  }
}

function read(path: string): readonly PushSubscriptionJson[] {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as readonly PushSubscriptionJson[];
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return [];
    const said = `${path} does not hold the demo's subscribers. Repair or remove that file.`;
    throw new StartRefused(said, { cause });
  }
}

function idOf(endpoint: string): string {
  return createHash('sha256').update(endpoint).digest('base64url').slice(0, 22);
}
