import { writeSync } from 'node:fs';
import { nodeRefusal } from './node-version.js';
import { listenRefused, StartRefused } from './start-refused.js';

/**
 * Runs a `main`. What it refuses on purpose ends the process with the sentence alone and code 1; a bug or
 * an outage ends it with its stack and its causes, also code 1. A main that returns leaves the process to
 * what it opened.
 */
export function exitOnFailure(main: () => Promise<void>): void {
  const refusal = nodeRefusal();
  if (refusal) return leave(refusal);
  stopWithParent();
  stopAtOnceUntilServing();
  main().catch(exitBecause);
}

/** Ends the process the same way when it finds later that it cannot go on. */
export function exitBecause(error: unknown): never {
  leave(saidOf(error));
}

/** `npm start` keeps a channel to each service: if it is killed, they drain and end, and free the ports. */
function stopWithParent(): void {
  if (!process.connected) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel?.unref();
}

/** While a service starts, or waits for its stores, nobody else listens to signals, and there is nothing to drain. */
function stopAtOnceUntilServing(): void {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (process.listenerCount(signal) === 1) process.exit(0);
    });
  }
}

/** What a person needs to read about a failure. */
export function saidOf(error: unknown): string {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (at instanceof StartRefused) return at.message;
    const { code, address, port } = at as NodeJS.ErrnoException & {
      address?: string;
      port?: number;
    };
    if (code === 'EADDRINUSE' && port !== undefined) {
      return listenRefused('this service', { host: address ?? '*', port }, at).message;
    }
  }
  return error instanceof Error ? withCauses(error) : String(error);
}

function withCauses(error: Error): string {
  const said = error.stack ?? error.message;
  return error.cause instanceof Error ? `${said}\ncaused by ${withCauses(error.cause)}` : said;
}

/** Written synchronously: `process.exit` would cut off what is still buffered. */
function leave(said: string): never {
  writeSync(process.stderr.fd, `${said}\n`);
  process.exit(1);
}
