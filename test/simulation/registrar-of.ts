import { Registrar } from '#subscriptions';
import { REPLY_WITHIN_MS } from '../../apps/gateway/src/on-client-message.js';
import { ENDPOINT_URL, type Scene, type Ports } from './scene.js';

export function registrarOf(scene: Scene, ports: Ports): Registrar {
  const { producer, subscriptions: view, lookup } = ports;
  return new Registrar(
    { producer, view, lookup },
    {
      keyRing: scene.keyRing,
      publicEndpointUrl: ENDPOINT_URL,
      partitions: scene.plan.partitions,
      subscriptionsPerDeviceMax: 100,
      deadlineMs: REPLY_WITHIN_MS,
    },
  );
}
