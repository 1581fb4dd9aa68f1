import type { Socket } from 'node:net';
import { AbstractConnector, type StandaloneConnectionOptions } from 'ioredis';
import { connectLean } from './lean-reads.js';

/** Redis has filled them in. */
type Options = StandaloneConnectionOptions & { readonly disconnectTimeout: number };

/** How ioredis comes to a socket without TLS: as by its own connector, but to one of lean reads. */
export class LeanConnector extends AbstractConnector {
  private readonly options: Options;

  constructor(options: unknown) {
    super((options as Options).disconnectTimeout);
    this.options = options as Options;
  }

  override async connect(): Promise<Socket> {
    this.connecting = true;
    await Promise.resolve(); // who leaves in the turn in which he came has opened nothing
    if (!this.connecting) throw new Error('Connection is closed.');
    const { path, port = 6379, host, family } = this.options;
    const socket = connectLean(path ? { path } : { port, host, family });
    socket.once('error', (error) => (this.firstError = error));
    return (this.stream = socket);
  }
}
