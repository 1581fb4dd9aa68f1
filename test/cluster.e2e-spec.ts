/** The same services as processes of a cluster, on a real Kafka and a real Redis. */
import { afterAll, beforeAll, describe } from 'vitest';
import { deliveryConformance } from './conformance/delivery.js';
import { deviceSideConformance } from './conformance/device-side.js';
import { senderSideConformance } from './conformance/sender-side.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { requires } from './support/machine.js';

requires('kafka', 'redis').describe('a cluster', () => {
  let cluster: Cluster;
  beforeAll(async () => {
    cluster = await startCluster({ gateways: 3, ingests: 2, routers: 2, registrations: 1 });
  }, 120_000);
  afterAll(() => cluster.dispose());

  describe('conforms', () => {
    const target = (): { gatewayUrl: string; endpointUrl: string } => ({
      gatewayUrl: cluster.gatewayUrl(0),
      endpointUrl: cluster.ingestUrl(0),
    });
    describe('towards devices', () => deviceSideConformance(target));
    describe('towards senders', () => senderSideConformance(target));
    describe('in delivery', () => deliveryConformance(target));
  });
});
