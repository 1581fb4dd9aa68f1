/** What is done to the cluster under load. Each leaves it as it was, but for what it takes to come back. */
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';
import type { Cluster } from '../support/cluster.js';
import type { ServiceProcess } from '../support/service-process.js';
import { ROOT } from '../support/sources.js';
import { whileStopped, type Stoppable } from '../support/while-stopped.js';
import type { Senders } from './senders.js';

export interface Stage {
  readonly cluster: Cluster;
  readonly senders: Senders;
  readonly say: (note: string) => void;
}

export interface Fault {
  readonly name: string;
  readonly losesView?: boolean;
  /** Senders' connections to it break; after any other fault each POST has been answered. */
  readonly endsIngest?: boolean;
  readonly act: (stage: Stage) => Promise<void>;
}

const SHIFTED_CLOCK = pathToFileURL(join(ROOT, 'dist/test/faults/shifted-clock.js')).href;
const MINUTE_MS = 60_000;
const ROUTER_KILLS = 3;

export const FAULTS: readonly Fault[] = [
  { name: 'gateway-kill', act: ({ cluster }) => killed(cluster.gateways[1]!) },
  { name: 'router-kill', act: routerKilledMidBurst },
  { name: 'ingest-kill', endsIngest: true, act: ({ cluster }) => killed(cluster.ingests[1]!) },
  { name: 'registration-kill', act: ({ cluster }) => killed(cluster.registrations[0]!) },
  { name: 'rolling-restart', endsIngest: true, act: rollingRestart },
  { name: 'kafka-restart', act: (stage) => kafkaEnded(stage, 'SIGTERM') },
  { name: 'kafka-kill', act: (stage) => kafkaEnded(stage, 'SIGKILL') },
  { name: 'flushall', losesView: true, act: ({ cluster }) => cluster.redis.flush() },
  { name: 'redis-empty', losesView: true, act: redisEmptied },
  { name: 'redis-pause', act: ({ cluster }) => paused(cluster.redis, MINUTE_MS) },
  { name: 'kafka-pause', act: ({ cluster }) => paused(cluster.kafka, MINUTE_MS) },
  { name: 'gateway-pause', act: ({ cluster }) => paused(cluster.gateways[0]!, MINUTE_MS / 2) },
  { name: 'router-pause', act: ({ cluster }) => paused(cluster.routers[0]!, MINUTE_MS / 2) },
  ...clocks('gateway', ({ gateways }) => gateways[2]!),
  ...clocks('router', ({ routers }) => routers[1]!),
  ...clocks('ingest', ({ ingests }) => ingests[0]!),
  { name: 'routers-move', act: routersMove },
];

/** Those whose names contain one of the words; all without words. */
export function faultsNamed(words: readonly string[]): readonly Fault[] {
  const unknown = words.filter((word) => !FAULTS.some(({ name }) => name.includes(word)));
  if (unknown.length > 0) {
    const names = FAULTS.map(({ name }) => name).join(', ');
    throw new Error(`No fault is called ${unknown.join(', ')}. There are: ${names}`);
  }
  return FAULTS.filter(
    ({ name }) => words.length === 0 || words.some((word) => name.includes(word)),
  );
}

/** And started again a second later. */
export async function killed(service: ServiceProcess, restMs = 1_000): Promise<void> {
  await service.kill();
  await pause(restMs);
  await service.start();
}

/**
 * Several times, at other moments of a burst. What it had applied last is delivered again by who takes over, whether it
 * was delivered or not: the mark has `applied` ahead of `routed`. Every moment between two awaits is played by the
 * simulation.
 */
export async function routerKilledMidBurst({ cluster, senders, say }: Stage): Promise<void> {
  let partitions = 0;
  for (let kill = 1; kill <= ROUTER_KILLS; kill++) {
    const router = cluster.routers[kill % cluster.routers.length]!;
    senders.burst(200);
    await pause(10 + 17 * kill);
    await router.kill();
    partitions += await partitionsToDeliverAgain(cluster);
    await router.start();
    await cluster.ready();
  }
  say(`${ROUTER_KILLS} kills left batches of ${partitions} partitions to deliver again`);
}

async function partitionsToDeliverAgain({ redis, env }: Cluster): Promise<number> {
  const client = new Redis(redis.url);
  let count = 0;
  for (let partition = 0; partition < Number(env.PARTITIONS); partition++) {
    const key = `hg:{${partition}}:mark:notifications`;
    const [applied, routed] = await client.hmget(key, 'applied', 'routed');
    if (Number(applied) > Number(routed)) count++;
  }
  client.disconnect();
  return count;
}

async function rollingRestart({ cluster }: Stage): Promise<void> {
  for (const service of cluster.services) {
    const code = await service.stop();
    if (code !== 0) throw new Error(`${service.name} ended with ${code}\n${service.output}`);
    await service.start();
  }
}

export async function kafkaEnded({ cluster }: Stage, signal: NodeJS.Signals): Promise<void> {
  await cluster.kafka.end(signal);
  await pause(1_000);
  await cluster.kafka.start();
}

async function redisEmptied({ cluster }: Stage): Promise<void> {
  await cluster.redis.end();
  await pause(2_000);
  await cluster.redis.start();
}

function paused(what: Stoppable, ms: number): Promise<void> {
  return whileStopped(what, () => pause(ms));
}

function clocks(role: string, of: (cluster: Cluster) => ServiceProcess): readonly Fault[] {
  const shifts = [
    ['ahead', MINUTE_MS],
    ['behind', -MINUTE_MS],
  ] as const;
  return shifts.map(([word, shiftMs]) => ({
    name: `${role}-clock-${word}`,
    endsIngest: role === 'ingest',
    act: ({ cluster }) => shifted(of(cluster), shiftMs),
  }));
}

/** Restarted with a clock that is off, and after a while with a right one. */
async function shifted(service: ServiceProcess, shiftMs: number): Promise<void> {
  await service.stop();
  await service.start({
    NODE_OPTIONS: `--import=${SHIFTED_CLOCK}`,
    CLOCK_SHIFT_MS: String(shiftMs),
  });
  if (!service.output.includes(`The clock is off by ${shiftMs} ms.`)) {
    throw new Error(`the clock of ${service.name} is not off`);
  }
  await pause(15_000);
  await service.stop();
  await service.start();
}

/** A third one comes and goes, one of the two goes and comes, one comes while another is killed. */
async function routersMove({ cluster, say }: Stage): Promise<void> {
  const third = await cluster.enlistRouter();
  try {
    await third.start();
    await pause(3_000);
    await third.stop();
    await pause(3_000);
    await cluster.routers[0]!.stop();
    await Promise.all([third.start(), cluster.routers[0]!.start()]);
    await pause(3_000);
    await Promise.all([cluster.routers[1]!.kill(), third.stop()]);
    await cluster.routers[1]!.start();
  } finally {
    await cluster.dismissRouter(third);
  }
  say('the third router is gone again');
}
