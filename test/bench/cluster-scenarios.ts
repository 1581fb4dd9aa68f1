/** What is measured of a cluster; every name begins with `cluster`. */
import { devices, drain, failover, idle } from './cluster-devices.js';
import { parts } from './cluster-parts.js';
import { rebuild } from './cluster-rebuild.js';
import { aThirdComingBack, grown, traffic } from './cluster-traffic.js';
import type { Scenario } from './scenarios.js';

export const CLUSTER_SCENARIOS: readonly Scenario[] = [
  { name: 'cluster: POST to ack', runs: 3, measure: traffic },
  {
    name: 'cluster: grown to 3 gateways and 3 routers',
    runs: 3,
    measure: grown({ gateways: 3, routers: 3 }),
  },
  { name: 'cluster: a third of the devices', runs: 3, measure: aThirdComingBack },
  { name: 'cluster: one ingest, then one router', runs: 3, measure: parts },
  { name: 'cluster: idle services', runs: 3, measure: idle },
  { name: 'cluster: 15,000 devices', runs: 3, measure: devices },
  { name: 'cluster: drain of 1,000 devices × 50', runs: 3, measure: drain },
  { name: 'cluster: a gateway of 5,000 devices is killed', runs: 3, measure: failover },
  { name: 'cluster: views rebuilt from a million records', runs: 1, measure: rebuild },
];
