/** What is measured of a cluster; every name begins with `cluster`. */
import { grown, traffic } from './cluster-traffic.js';
import type { Scenario } from './scenarios.js';

export const CLUSTER_SCENARIOS: readonly Scenario[] = [
  { name: 'cluster: POST to ack', runs: 3, measure: traffic },
  {
    name: 'cluster: grown to 3 gateways and 3 routers',
    runs: 3,
    measure: grown({ gateways: 3, routers: 3 }),
  },
];
