import { setTimeout as pause } from 'node:timers/promises';
import type { Log } from '#runtime';

const UNANSWERED = /timed out|Connection is closed/;
const AGAIN_MS = 500;

/**
 * What `ask` answers. A store that gives no answer in its time is asked again, for as long as that takes; what it
 * does answer, a refusal too, counts.
 */
export async function askedAgain<T>(
  ask: () => Promise<T>,
  { log, againMs = AGAIN_MS }: { readonly log: Log; readonly againMs?: number },
): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!UNANSWERED.test(reason)) throw error;
      log.sampled('start', 'a store did not answer; asked again', { reason });
      await pause(againMs);
    }
  }
}
