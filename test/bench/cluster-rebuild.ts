/** Redis loses everything while the log holds a million records: how long until the views are back. */
import { onCluster } from './cluster-bench.js';
import type { FillPlan, FillResult } from './load.js';
import type { Figures } from './scenarios.js';

const DEVICES = 1_000;
const NOTIFICATIONS = 550_000;
/** Of them; each of these has its outcome in the log, so there are a million records. */
const SETTLED = 450_000;
const WAITING = NOTIFICATIONS - SETTLED;
const PARTITIONS = 'heliograph_router_partitions';

/** Routers are alive; the log is filled past them faster than they read. */
export function rebuild(): Promise<Figures> {
  return onCluster({}, async (bench) => {
    const { cluster } = bench;
    const { routers, gateways } = cluster;
    await bench.crowd(DEVICES);
    const { env } = cluster;
    const plan: FillPlan = {
      ...{ brokers: cluster.kafka.brokers, prefix: env.STREAM_PREFIX! },
      ...{ partitions: Number(env.PARTITIONS), endpointKeys: env.ENDPOINT_KEYS! },
      ...{ notifications: NOTIFICATIONS, settled: SETTLED, bytes: 1024 },
    };
    const filled = await bench.order<FillResult>('fill', plan);
    const closesBefore = await bench.metric(gateways, 'heliograph_gateway_closes_total');
    const rebuiltBefore = await bench.metric(routers, 'heliograph_router_rebuilds_total');
    const cpuBefore = bench.cpu();
    const since = performance.now();
    await cluster.redis.flush();
    const isRebuilt = (sum: number): boolean => sum >= rebuiltBefore + plan.partitions;
    await bench.untilMetric(routers, 'heliograph_router_rebuilds_total', isRebuilt);
    const seconds = (performance.now() - since) / 1000;
    const cpu = bench.cpu();
    const ready = await bench.metric(routers, `${PARTITIONS}{state="ready"}`);
    await cluster.settled(0, 120_000);
    const closes = (await bench.metric(gateways, 'heliograph_gateway_closes_total')) - closesBefore;
    return {
      ...{ records: filled.records, secondsUntilReady: seconds, readyPartitions: ready },
      secondsUntilAllIsDelivered: (performance.now() - since) / 1000,
      ...{ waiting: WAITING, connectionsClosed: closes },
      cpuSecondsRouter: cpu.router - cpuBefore.router,
      cpuSecondsKafka: cpu.kafka - cpuBefore.kafka,
      cpuSecondsRedis: cpu.redis - cpuBefore.redis,
      fillSeconds: filled.seconds,
    };
  });
}
