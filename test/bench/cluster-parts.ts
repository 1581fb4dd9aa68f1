/** One ingest while nobody reads, and one router that finds the log full. */
import { onCluster, type ClusterBench } from './cluster-bench.js';
import type { SendPlan, SendResult } from './load.js';
import { pause } from './processes.js';
import type { Figures } from './scenarios.js';

/** Few, so that their windows are full soon. */
const DEVICES = 200;
const COUNT = 60_000;
const DELIVERED = 'heliograph_router_delivered_total';
const RECORDS = 'heliograph_router_records_total';

/** The router is away while the log fills; then it comes and finds every device held by a gateway. */
export function parts(): Promise<Figures> {
  return onCluster({}, async (bench) => {
    await bench.crowd(DEVICES);
    const warm: SendPlan = { count: 5_000, connections: 128, bytes: 1024, isDelivered: true };
    await bench.order('send', warm);
    await bench.cluster.settled();
    // What is not acknowledged fills a window and then waits: the gateway has little to do with it.
    await bench.order('mute', { isMute: true });
    await Promise.all(bench.cluster.routers.map((router) => router.stop()));
    const [sent, cpu] = await bench.cpuMicrosEach(COUNT, () =>
      bench.order<SendResult>('send', { ...warm, count: COUNT, isDelivered: false }),
    );
    if (sent.accepted !== COUNT) throw new Error(`${COUNT} sent, ${sent.accepted} accepted`);
    return {
      acceptedPerSecond: COUNT / sent.answeredSeconds,
      ...{ answerMsP50: sent.answerMs.p50, answerMsP99: sent.answerMs.p99 },
      cpuMicrosIngest: cpu.ingest,
      ...{ cpuMicrosKafkaOfIngest: cpu.kafka, cpuMicrosRedisOfIngest: cpu.redis },
      ...(await routed(bench)),
    };
  });
}

/** From its first record to its last. */
async function routed(bench: ClusterBench): Promise<Figures> {
  const { routers } = bench.cluster;
  const records = (): Promise<number> => bench.metric(routers, RECORDS);
  const [router] = routers;
  router?.spawn();
  while (!(await router?.report())) await pause(20);
  const before = bench.cpu();
  while ((await records()) === 0) await pause(10);
  const since = performance.now();
  const first = await records();
  while ((await records()) < COUNT) await pause(20);
  const seconds = (performance.now() - since) / 1000;
  const after = bench.cpu();
  await bench.untilMetric(routers, DELIVERED, (delivered) => delivered >= COUNT);
  return {
    routedPerSecond: (COUNT - first) / seconds,
    cpuMicrosRouter: ((after.router - before.router) / COUNT) * 1e6,
    cpuMicrosRedisOfRouter: ((after.redis - before.redis) / COUNT) * 1e6,
  };
}
