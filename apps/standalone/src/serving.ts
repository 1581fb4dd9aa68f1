import { setTimeout as pause } from 'node:timers/promises';
import type { Health } from '#runtime';
import type { StandaloneConfig } from './config.js';

const LOOK_MS = 5;

/** Resolves when every check agrees: the views are rebuilt, the log takes records. */
export async function untilReady(health: Health): Promise<void> {
  while (!(await health.report('ready')).ok) await pause(LOOK_MS);
}

/** One line per address, by whom it is for. */
export function addressesOf(config: StandaloneConfig): Readonly<Record<string, string>> {
  const { gateway, ingest, registration } = config;
  const { opsHost, opsPort } = config.process;
  const { door, port } = registration;
  return {
    devices: gateway.publicUrl,
    'application servers': ingest.publicEndpointUrl,
    registration: `${door.tls ? 'https' : 'http'}://${inUrl(door.host)}:${port}`,
    'metrics and health': `http://${inUrl(opsHost)}:${opsPort}`,
  };
}

/** An address that a person can open: what stands for all of them is this machine. */
function inUrl(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
}
