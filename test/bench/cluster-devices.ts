/** Many devices: what they cost while idle, how fast they come back, and what happens when a gateway dies. */
import { onCluster, type ClusterBench } from './cluster-bench.js';
import type { MoveResult, SendPlan, SendResult } from './load.js';
import { pause } from './processes.js';
import type { Figures } from './scenarios.js';

const DEVICES = 15_000;
/** Stored while nobody is connected. */
const STORED = 50_000;
const STORED_DEVICES = 1_000;
const MOVED = 5_000;

/** Each service started again in a cluster that runs: start to ready, and its memory when nothing happens. */
export function idle(): Promise<Figures> {
  return onCluster({}, async (bench) => {
    const { services } = bench.cluster;
    const startMs: [string, number][] = [];
    for (const service of services) {
      await service.stop();
      const since = performance.now();
      await service.start();
      startMs.push([`${roleOf(service)} startMs`, performance.now() - since]);
    }
    const before = bench.cpu();
    const bytes = await bench.settledBytes(...services);
    const idleSeconds = bench.cpu().ours - before.ours;
    return {
      ...Object.fromEntries(startMs),
      ...Object.fromEntries(
        services.map((one, i) => [`${roleOf(one)} idleMegabytes`, bytes[i]! / 1e6]),
      ),
      cpuPercentOfFourIdleServices: (idleSeconds / 25) * 100,
    };
  });
}

function roleOf({ name }: { readonly name: string }): string {
  return name.replace(/ \d+$/, '');
}

/** Memory in a gateway and in Redis, and all of them back at once. */
export function devices(): Promise<Figures> {
  return onCluster({}, async (bench) => {
    const [gateway] = bench.cluster.gateways;
    const [before = 0] = await bench.settledBytes(gateway!);
    await bench.crowd(1); // from here on Redis knows the scripts
    const redisBefore = await bench.redisBytes();
    await bench.crowd(DEVICES - 1);
    const [after = 0] = await bench.settledBytes(gateway!);
    const redisPerDevice = ((await bench.redisBytes()) - redisBefore) / DEVICES;
    await bench.order('cut');
    await pause(1_000);
    const [seconds, cpu] = await bench.cpuMicrosEach(DEVICES, () =>
      bench.order<number>('reconnect', { expected: 0 }),
    );
    return {
      residentBytesPerDevice: (after - before) / DEVICES,
      redisBytesPerDevice: redisPerDevice,
      reconnectsPerSecond: DEVICES / seconds,
      cpuMicrosPerReconnect: cpu.ours,
    };
  });
}

/** What was stored meanwhile, fetched and acknowledged. */
export function drain(): Promise<Figures> {
  return onCluster({}, async (bench) => {
    await bench.crowd(STORED_DEVICES);
    await bench.order('cut');
    await pause(1_000);
    const redisBefore = await bench.redisBytes();
    const plan: SendPlan = { count: STORED, connections: 128, bytes: 1024, isDelivered: false };
    const sent = await bench.order<SendResult>('send', plan);
    await bench.cluster.settled(sent.accepted);
    const { routers } = bench.cluster;
    await bench.untilMetric(routers, 'heliograph_pending', (sum) => sum === sent.accepted);
    const redisPerStored = ((await bench.redisBytes()) - redisBefore) / sent.accepted;
    const [seconds, cpu] = await bench.cpuMicrosEach(sent.accepted, () =>
      bench.order<number>('reconnect', { expected: sent.accepted }),
    );
    await bench.cluster.settled();
    return {
      redisBytesPerStored: redisPerStored,
      drainedPerSecond: sent.accepted / seconds,
      cpuMicrosPerDrained: cpu.ours,
    };
  });
}

/** A gateway is killed while notifications come for its devices, who come back at another at once. */
export function failover(): Promise<Figures> {
  return onCluster({ gateways: 2 }, async (bench) => {
    await bench.orderAt(0, 'connect', { count: MOVED });
    await bench.order('register', { isKeyed: false });
    const plan: SendPlan = {
      ...{ count: MOVED, connections: 64, bytes: 1024, isDelivered: true, rate: 1_000 },
    };
    const moving = bench.orderAt<MoveResult>(1, 'sendWhileMoving', plan);
    await pause(1_000);
    await bench.cluster.gateways[0]!.kill();
    const moved = await moving;
    return figuresOf(bench, moved);
  });
}

async function figuresOf({ cluster }: ClusterBench, moved: MoveResult): Promise<Figures> {
  const { accepted, delivered } = moved;
  await cluster.settled();
  return {
    devicesMoved: moved.moved,
    secondsFromKillUntilAllAreBack: moved.backSeconds,
    secondsFromThenUntilAllIsDelivered: moved.drainedSeconds,
    ...{ accepted, lost: accepted - delivered },
    frameMsP99: moved.frameMs.p99,
  };
}
