/** A reason not to start, or to stop, that is not a bug: `exitOnFailure` says the sentence, without a stack. */
export class StartRefused extends Error {
  override readonly name: string = 'StartRefused';
}

/** Everything that is wrong with the environment, in one message, so that one restart repairs it all. */
export class ConfigError extends StartRefused {
  override readonly name = 'ConfigError';

  constructor(readonly problems: readonly string[]) {
    const count = problems.length === 1 ? '1 setting is' : `${problems.length} settings are`;
    super([`${count} wrong:`, ...problems.map((problem) => `  ${problem}`)].join('\n'));
  }
}

/**
 * The sentence for a failed listen. `what`: what would have listened, with the setting that names its
 * port, e.g. `the device WebSocket (GATEWAY_PORT)`. `cause`: Node's error, absent for libraries that give none.
 */
export function listenRefused(
  what: string,
  at: { readonly host: string; readonly port: number },
  cause?: unknown,
): StartRefused {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  const why: Record<string, string> = {
    EADDRINUSE: 'the port is in use: stop what listens there or choose another',
    EACCES: 'this user may not open that port: choose one above 1023',
    EADDRNOTAVAIL: 'this machine has no such address: choose another host',
  };
  const reason = why[code ?? 'EADDRINUSE'] ?? `listen failed with ${code}`;
  return new StartRefused(`Cannot open ${at.host}:${at.port} for ${what}: ${reason}.`, { cause });
}
