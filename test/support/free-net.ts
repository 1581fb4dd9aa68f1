/**
 * A network for a test's containers, `10.213.n`: none that this machine routes to already. A bridge that a killed
 * engine has left would take the packets, and the containers could not reach each other.
 */
import { existsSync, readFileSync } from 'node:fs';
import { randomInt } from 'node:crypto';

/** Linux; elsewhere containers run in a machine of their own. Addresses are hexadecimal, the last byte first. */
const ROUTES = '/proc/net/route';
const NETS = Array.from({ length: 100 }, (_, i) => `10.213.${i + 1}`);

/** The first three bytes. */
export function freeNet(): string {
  const table = existsSync(ROUTES) ? readFileSync(ROUTES, 'latin1') : '';
  const free = netsBeside(table);
  const net = free[randomInt(Math.max(1, free.length))];
  if (net === undefined) throw new Error('no network from 10.213.1 to 10.213.100 is free');
  return net;
}

export function netsBeside(routes: string): readonly string[] {
  const destinations = [...routes.matchAll(/^\S+\t([0-9A-F]{8})\t/gm)].map(([, hex = '']) =>
    [...Buffer.from(hex, 'hex')].toReversed().slice(0, 3).join('.'),
  );
  return NETS.filter((net) => !destinations.includes(net));
}
