/** From the POST to the ack through every process: throughput, latency and what each notification costs. */
import { type ClusterBench, type Cpu, onCluster, type Shape } from './cluster-bench.js';
import type { SendPlan, SendResult } from './load.js';
import { pause } from './processes.js';
import type { Figures } from './scenarios.js';

const DEVICES = 3_000;
/** V8 has compiled what is hot only after some ten thousand of them; a service runs for weeks. */
const WARM_UP = { count: 60_000 };
/** Small batches go other ways than large ones, and their code is compiled half a minute later. */
const WARM_UP_AT_1000 = { rate: 1_000, count: 30_000, connections: 64 };
/** What an ack still has to do when its device has sent it: the script, the announcement, the outbox. */
const AFTERWARDS_MS = 1_000;

interface Sent {
  readonly sent: SendResult;
  readonly cpu: Cpu;
}

async function posts(bench: ClusterBench, plan: Partial<SendPlan>): Promise<Sent> {
  const whole = { count: 30_000, connections: 128, bytes: 1024, isDelivered: true, ...plan };
  const [sent, cpu] = await bench.cpuMicrosEach(whole.count, async () => {
    const result = await bench.order<SendResult>('send', whole);
    await pause(AFTERWARDS_MS);
    return result;
  });
  const { accepted, delivered } = sent;
  if (accepted !== whole.count || delivered !== whole.count) {
    throw new Error(`${whole.count} sent, ${accepted} accepted, ${delivered} delivered`);
  }
  await bench.cluster.settled();
  return { sent, cpu };
}

/** Named by the rate: `at100`, `at1000`, `atMax`. */
function figuresOf(at: string, { sent, cpu }: Sent, count: number): Figures {
  const named = (figures: Figures): Figures =>
    Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${at} ${name}`, value]));
  return named({
    perSecond: count / sent.seconds,
    ...{ frameMsP50: sent.frameMs.p50, frameMsP99: sent.frameMs.p99 },
    ...{ frameMsP999: sent.frameMs.p999, answerMsP50: sent.answerMs.p50 },
    ...{ answerMsP99: sent.answerMs.p99, cpuMicrosEach: cpu.ours },
    ...{ cpuMicrosIngest: cpu.ingest, cpuMicrosRouter: cpu.router },
    ...{ cpuMicrosGateway: cpu.gateway, cpuMicrosKafka: cpu.kafka },
    ...{ cpuMicrosRedis: cpu.redis, cpuMicrosLoad: cpu.load },
  });
}

const AT_100 = { rate: 100, count: 1_200, connections: 64 };
/** A third of the next: the load of one of three. */
const AT_333 = { rate: 333, count: 4_000, connections: 64 };
const AT_1000 = { rate: 1_000, count: 10_000, connections: 64 };
const AT_MAX = { count: 40_000 };

/** One of each service: all rates, then as fast as it goes. */
export function traffic(): Promise<Figures> {
  return onCluster({}, async (bench) => {
    const perReconnect = await comingBack(bench);
    await posts(bench, WARM_UP);
    const slow = await posts(bench, AT_100);
    const third = await posts(bench, AT_333);
    const both = await steadyAndFast(bench);
    return {
      cpuMicrosPerReconnect: perReconnect,
      ...figuresOf('at 100/s', slow, AT_100.count),
      ...figuresOf('at 333/s', third, AT_333.count),
      ...both,
    };
  });
}

/** One of each, with as many devices as one of three gateways has. */
export function aThirdComingBack(): Promise<Figures> {
  return onCluster({}, async (bench) => ({
    cpuMicrosPerReconnect: await comingBack(bench, DEVICES / 3),
  }));
}

/** With three gateways and three routers: what grows with them, and what does not. */
export function grown(shape: Shape): () => Promise<Figures> {
  return () =>
    onCluster(shape, async (bench) => {
      const perReconnect = await comingBack(bench);
      await posts(bench, WARM_UP);
      const both = await steadyAndFast(bench);
      return { cpuMicrosPerReconnect: perReconnect, ...both };
    });
}

/** The crowd, and what a registered device costs that comes back. */
async function comingBack(bench: ClusterBench, devices = DEVICES): Promise<number> {
  await bench.crowd(devices);
  await bench.order('cut');
  await pause(1_000);
  const [, perDevice] = await bench.cpuMicrosEach(devices, async () => {
    await bench.order('reconnect', { expected: 0 });
    await pause(AFTERWARDS_MS);
  });
  return perDevice.ours;
}

async function steadyAndFast(bench: ClusterBench): Promise<Figures> {
  await posts(bench, WARM_UP_AT_1000);
  const steady = await posts(bench, AT_1000);
  const fast = await posts(bench, AT_MAX);
  return {
    ...figuresOf('at 1,000/s', steady, AT_1000.count),
    ...figuresOf('at most', fast, AT_MAX.count),
  };
}
