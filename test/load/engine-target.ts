/** A cluster that somebody else runs: it is driven, and neither measured nor ended. */
import { lookup } from 'node:dns/promises';
import { Engine, type Part, type Use } from './engine.js';
import type { Address } from './messages.js';
import type { Plan } from './options.js';

const NOT_OURS = 'this cluster was not started here, and is not ended here';

export class TargetEngine extends Engine {
  readonly parts: readonly Part[] = [];
  readonly says: string;

  private constructor(
    private readonly gateway: Address,
    private readonly ingest: Address,
  ) {
    super();
    this.says = `the cluster at ${gateway.host}:${gateway.port} and ${ingest.host}:${ingest.port}`;
  }

  /**
   * Rejects with a sentence when an address is not of this machine; `ownAddresses` are those of its containers. What a
   * name stands for is looked up once, and that address is used.
   */
  static async at(
    { target, isOwn }: Pick<Plan, 'target' | 'isOwn'>,
    ownAddresses: () => Promise<ReadonlySet<string>>,
  ): Promise<TargetEngine> {
    const [gateway, ingest] = await Promise.all(
      [target?.gateway ?? '', target?.ingest ?? ''].map(async (url) => {
        const { hostname, port } = new URL(url);
        const host = await addressOf(hostname.replace(/^\[|\]$/g, ''));
        if (!isOwn && !isLoopback(host) && !(await ownAddresses()).has(host)) {
          throw new Error(
            `${url} is neither loopback nor a container of this machine: load may harm whoever runs it. ` +
              'If it is yours, say --i-own-this.',
          );
        }
        return { host, port: Number(port || 80) };
      }),
    );
    return new TargetEngine(gateway!, ingest!);
  }

  gateways(): readonly Address[] {
    return [this.gateway];
  }

  ingests(): readonly Address[] {
    return [this.ingest];
  }

  kill(): Promise<void> {
    return Promise.reject(new Error(NOT_OURS));
  }

  stop(): Promise<number | null> {
    return Promise.reject(new Error(NOT_OURS));
  }

  start(): Promise<void> {
    return Promise.reject(new Error(NOT_OURS));
  }

  use(): Promise<ReadonlyMap<string, Use>> {
    return Promise.resolve(new Map());
  }

  accounts(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  said(): Promise<string> {
    return Promise.resolve('');
  }

  dispose(): Promise<void> {
    return Promise.resolve();
  }
}

export function isLoopback(address: string): boolean {
  return /^127(\.\d{1,3}){3}$/.test(address) || address === '::1';
}

async function addressOf(host: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (error) {
    throw new Error(`${host} is a name that stands for no address`, { cause: error });
  }
}
