/** Where a compose test's network may lie. */
import { expect, test } from 'vitest';
import { freeNet, netsBeside } from './support/free-net.js';

const ROUTES = [
  'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask',
  'eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000',
  'br-76e3a4f9d7d1\t0038D50A\t00000000\t0001\t0\t0\t0\t00FFFFFF',
].join('\n');

test('a network that the machine routes to, such as a bridge that was left, is not taken again', () => {
  expect(netsBeside('')).toHaveLength(100);
  expect(netsBeside(ROUTES)).toHaveLength(99);
  expect(netsBeside(ROUTES)).not.toContain('10.213.56');
});

test('there is one on this machine', () => {
  expect(freeNet()).toMatch(/^10\.213\.\d{1,3}$/);
});
