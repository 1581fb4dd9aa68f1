import { setTimeout as pause } from 'node:timers/promises';
import type { INestApplicationContext } from '@nestjs/common';
import { Health, Log, QuietHeap, type ProcessSettings } from '#runtime';

const LOOK_MS = 50;

/**
 * Everything is open. Resolves when every check agrees, and says so with one line per address. What starting left in
 * memory is given back then.
 */
export async function serving(
  app: INestApplicationContext,
  { opsHost, opsPort }: ProcessSettings,
  addresses: Readonly<Record<string, string>> = {},
): Promise<void> {
  const health = app.get(Health);
  health.serving();
  while (!(await health.report('ready')).ok) await pause(LOOK_MS);
  const metrics = `http://${opsHost}:${opsPort}`;
  app.get(Log).serving({ ...addresses, 'metrics and health': metrics });
  new QuietHeap().start();
}
