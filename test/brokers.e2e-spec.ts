/**
 * Services on three brokers, as in production: each record has three copies, two of which must be there. One broker is
 * killed under load, and one hangs: what was accepted arrives, in order, and the accounts add up.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startCluster, type Cluster } from './support/cluster.js';
import { Crowd } from './support/crowd.js';
import { Device } from './support/device.js';
import { startKafkaBrokers, type KafkaBrokers } from './support/kafka.js';
import { requires } from './support/machine.js';
import { whileStopped } from './support/while-stopped.js';

const DEVICES = 40;
const PER_SECOND = 100;
/** A broker that is gone is noticed, and its partitions are led by others. */
const ELECTION_MS = 3_000;
/** Longer than a broker's session (2 s) and than the deadline of an append. */
const HANGS_MS = 8_000;

requires('kafka', 'redis').describe('a cluster on three brokers', () => {
  let kafka: KafkaBrokers;
  let cluster: Cluster;
  let crowd: Crowd;

  beforeAll(async () => {
    kafka = await startKafkaBrokers();
    const counts = { gateways: 2, ingests: 2, routers: 2, registrations: 1 };
    const env = { REPLICATION_FACTOR: '3' };
    cluster = await startCluster({ ...counts, kafka, env });
    await vi.waitFor(registers, { timeout: 60_000, interval: 200 });
    crowd = await Crowd.gather(cluster, { devices: DEVICES, isRestless: true });
  }, 180_000);
  afterAll(async () => {
    await crowd?.leave();
    await (cluster ? cluster.dispose() : kafka?.stop());
  }, 60_000);

  /** Brokers that have just met take a moment to agree on the leaders of new streams. */
  const registers = async (): Promise<void> => {
    const device = await Device.greeted(cluster.gatewayUrl(0));
    const { status } = await device.register();
    await device.leave();
    expect(status).toBe(200);
  };

  const through = async (fault: () => Promise<unknown>): Promise<void> => {
    const acceptedBefore = crowd.accepted;
    const load = crowd.send({ perSecond: PER_SECOND });
    await pause(500);
    await fault();
    await pause(1_000);
    await load.stop();
    await crowd.satisfied();
    expect(crowd.complaints()).toEqual([]);
    expect(crowd.accepted - acceptedBefore).toBeGreaterThan(PER_SECOND);
    await cluster.settled(0, 60_000);
    await cluster.ready();
  };

  /** Two copies are enough. */
  const acceptsMore = async (): Promise<void> => {
    await pause(ELECTION_MS);
    const { accepted } = crowd;
    await expect.poll(() => crowd.accepted, { timeout: 30_000 }).toBeGreaterThan(accepted + 50);
  };

  test('loses nothing when a broker is killed, and accepts without it', async () => {
    const [, broker] = kafka.members;
    await through(async () => {
      await broker!.end('SIGKILL');
      await acceptsMore();
      await broker!.start();
    });
  }, 180_000);

  test('loses nothing when a broker hangs and comes to', async () => {
    const [broker] = kafka.members;
    await through(async () => {
      await whileStopped(broker!, async () => {
        await pause(HANGS_MS);
        await acceptsMore();
      });
    });
  }, 180_000);
});
