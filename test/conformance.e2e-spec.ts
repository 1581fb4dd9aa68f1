/** The contract, black box, against the standalone service. */
import { afterAll, beforeAll, describe } from 'vitest';
import { deliveryConformance } from './conformance/delivery.js';
import { deviceSideConformance } from './conformance/device-side.js';
import { senderSideConformance } from './conformance/sender-side.js';
import type { Target } from './conformance/target.js';
import { startStandalone } from './support/standalone.js';
import type { Standalone } from './support/standalone.js';

describe('standalone conforms', () => {
  let service: Standalone;
  beforeAll(async () => {
    service = await startStandalone();
  });
  afterAll(() => service.dispose());
  const target = (): Target => ({
    gatewayUrl: service.gatewayUrl,
    endpointUrl: service.ingestUrl,
    accounts: () => service.accounts(),
  });

  describe('towards devices', () => deviceSideConformance(target));
  describe('towards senders', () => senderSideConformance(target));
  describe('in delivery', () => deliveryConformance(target));
});
