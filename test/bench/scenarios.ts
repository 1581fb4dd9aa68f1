/** What is measured: each scenario starts a service of its own and returns named figures. */
import { Bench } from './bench.js';
import type { SendPlan, SendResult } from './load.js';
import { pause } from './processes.js';

export type Figures = Readonly<Record<string, number>>;
export interface Scenario {
  readonly name: string;
  readonly runs: number;
  readonly measure: () => Promise<Figures>;
}

const DEVICES = 15_000;

async function on(act: (bench: Bench) => Promise<Figures>): Promise<Figures> {
  const bench = await Bench.start();
  try {
    return await act(bench);
  } finally {
    await bench.end();
  }
}

async function idle(bench: Bench): Promise<Figures> {
  const startMs = bench.service.readyAfterMs;
  const idleBytes = await bench.settledBytes();
  await bench.service.stop();
  await bench.service.start();
  return { startMs, warmStartMs: bench.service.readyAfterMs, idleMegabytes: idleBytes / 1e6 };
}

async function devices(bench: Bench): Promise<Figures> {
  const before = await bench.settledBytes();
  const [connectSeconds, cpu] = await bench.cpuMicrosEach(DEVICES, () =>
    bench.order<number>('connect', { count: DEVICES }),
  );
  await bench.order('register', { isKeyed: false });
  const bytes = ((await bench.settledBytes()) - before) / DEVICES;
  await bench.order('cut');
  await pause(500);
  const [backSeconds, backCpu] = await bench.cpuMicrosEach(DEVICES, () =>
    bench.order<number>('reconnect', { expected: 0 }),
  );
  return {
    residentBytesPerDevice: bytes,
    connectsPerSecond: DEVICES / connectSeconds,
    cpuMicrosPerConnect: cpu,
    reconnectsPerSecond: DEVICES / backSeconds,
    cpuMicrosPerReconnect: backCpu,
  };
}

function posts(plan: Partial<SendPlan>): (bench: Bench) => Promise<Figures> {
  return async (bench) => {
    await bench.order('connect', { count: 1000 });
    await bench.order('register', { isKeyed: plan.vapid !== undefined });
    const whole = { count: 60_000, connections: 128, bytes: 1024, isDelivered: true, ...plan };
    await bench.order('send', { ...whole, count: whole.count / 6 });
    const [sent, cpu] = await bench.cpuMicrosEach(whole.count, () =>
      bench.order<SendResult>('send', whole),
    );
    if (sent.accepted !== whole.count || sent.delivered !== whole.count) {
      throw new Error(
        `${whole.count} sent, ${sent.accepted} accepted, ${sent.delivered} delivered`,
      );
    }
    return {
      acceptedPerSecond: whole.count / sent.seconds,
      cpuMicrosEach: cpu,
      answerMsP50: sent.answerMs.p50,
      answerMsP99: sent.answerMs.p99,
      frameMsP50: sent.frameMs.p50,
      frameMsP99: sent.frameMs.p99,
      frameMsP999: sent.frameMs.p999,
    };
  };
}

async function drain(bench: Bench): Promise<Figures> {
  const count = 1000 * 50;
  await bench.order('connect', { count: 1000 });
  await bench.order('register', { isKeyed: false });
  await bench.order('cut');
  const plan: SendPlan = { count, connections: 128, bytes: 1024, isDelivered: false };
  await bench.order('send', plan);
  const [seconds, cpu] = await bench.cpuMicrosEach(count, () =>
    bench.order<number>('reconnect', { expected: count }),
  );
  return { drainedPerSecond: count / seconds, cpuMicrosEach: cpu };
}

async function million(bench: Bench): Promise<Figures> {
  await bench.order('connect', { count: 1000 });
  await bench.order('register', { isKeyed: false });
  const plan: SendPlan = { count: 100_000, connections: 128, bytes: 1024, isDelivered: true };
  await bench.order('send', plan);
  const megabytes = async (): Promise<number> => (await bench.settledBytes()) / 1e6;
  const residentAfter100k = await megabytes();
  const fileAfter100k = bench.fileBytes() / 1e6;
  for (let i = 0; i < 9; i++) await bench.order('send', plan);
  const { pending, unaccounted } = await bench.service.accounts();
  return {
    residentMegabytesAfter100k: residentAfter100k,
    residentMegabytesAfter1M: await megabytes(),
    fileMegabytesAfter100k: fileAfter100k,
    fileMegabytesAfter1M: bench.fileBytes() / 1e6,
    pending,
    unaccounted,
  };
}

export const SCENARIOS: readonly Scenario[] = [
  { name: 'idle process', runs: 3, measure: () => on(idle) },
  { name: '15,000 devices', runs: 3, measure: () => on(devices) },
  { name: 'durable POSTs, delivered and acked', runs: 3, measure: () => on(posts({})) },
  {
    name: 'the same, VAPID, one token reused',
    runs: 3,
    measure: () => on(posts({ vapid: 'one' })),
  },
  {
    name: 'the same, VAPID, a new token each POST',
    runs: 3,
    measure: () => on(posts({ vapid: 'each', count: 30_000 })),
  },
  {
    name: '1,000 POSTs per second',
    runs: 3,
    measure: () => on(posts({ rate: 1000, count: 12_000, connections: 64 })),
  },
  { name: 'drain of 1,000 devices × 50', runs: 3, measure: () => on(drain) },
  { name: 'one million settled', runs: 1, measure: () => on(million) },
];
