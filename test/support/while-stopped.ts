/** A server or service that can be halted for a while; containers get their signal by way of the engine. */
export interface Stoppable {
  signal(signal: NodeJS.Signals): void | Promise<void>;
}

/** Goes on afterwards in any case: whoever comes next needs it. */
export async function whileStopped<T>(what: Stoppable, act: () => Promise<T>): Promise<T> {
  await what.signal('SIGSTOP');
  try {
    return await act();
  } finally {
    await what.signal('SIGCONT');
  }
}
