/** The push client library against the real service: the contract that it keeps with the small one. */
import { afterAll } from 'vitest';
import { clientContract } from '#client.contract';
import { startStandalone, type Standalone } from './support/standalone.js';

/** One service for all tests: each uses devices of its own. */
let started: Promise<Standalone> | undefined;

afterAll(async () => {
  await (await started)?.dispose();
});

clientContract('the standalone service', async () => {
  const service = await (started ??= startStandalone({ env: { DRAIN_SECONDS: '1' } }));
  return {
    gatewayUrl: service.gatewayUrl,
    endpointUrl: service.ingestUrl,
    start: () => service.start(),
    kill: () => service.kill(),
    close: () => Promise.resolve(),
  };
});
