import type { ChildProcess } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

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

/**
 * Resolves after a SIGSTOP when every thread has halted: on a loaded machine a server of many goes on for 20 ms, and
 * answers what it was not to answer.
 */
export async function signalTo(
  child: ChildProcess | undefined,
  signal: NodeJS.Signals,
): Promise<void> {
  child?.kill(signal);
  const threads = `/proc/${child?.pid}/task`;
  if (signal !== 'SIGSTOP' || !existsSync(threads)) return;
  while (!readdirSync(threads).every((id) => hasHalted(`${threads}/${id}/stat`))) await pause(1);
}

function hasHalted(file: string): boolean {
  try {
    return /\) T /.test(readFileSync(file, 'latin1'));
  } catch {
    return true; // a thread that has ended meanwhile
  }
}
