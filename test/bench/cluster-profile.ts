/** `npm run bench -- --profile`: a CPU profile of each hot service at 1,000 POSTs per second and at most, as text. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { onCluster, type ClusterBench } from './cluster-bench.js';
import type { SendPlan } from './load.js';
import { pause } from './processes.js';
import { textOf, type Profile } from './profile-text.js';

const PLANS: readonly (readonly [string, Partial<SendPlan>])[] = [
  ['1000-per-second', { count: 12_000, rate: 1_000, connections: 64 }],
  ['at-most', { count: 40_000 }],
];

/** Writes `profile-<service>-<load>.txt` into that folder. */
export async function writeProfiles(folder: string, command: string): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'heliograph-profile-'));
  const hook = resolve('dist/test/bench/profile-hook.js');
  try {
    const env = { NODE_OPTIONS: `--import=${hook}`, BENCH_PROFILES: scratch };
    await onCluster({ env }, async (bench) => {
      await bench.crowd(1_000);
      await bench.order('send', planOf({ count: 10_000 }));
      for (const [load, plan] of PLANS) {
        for (const [service, profile] of await profiles(bench, scratch, planOf(plan))) {
          const file = join(folder, `profile-${service.replace(/ \d+$/, '')}-${load}.txt`);
          writeFileSync(file, `${service}, ${load}; made by ${command}\n${textOf(profile)}`);
          console.log(`Written to ${file}`);
        }
      }
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

function planOf(plan: Partial<SendPlan>): SendPlan {
  return { count: 10_000, connections: 128, bytes: 1024, isDelivered: true, ...plan };
}

/** From the first POST to the last ack. */
async function profiles(
  bench: ClusterBench,
  folder: string,
  plan: SendPlan,
): Promise<readonly (readonly [string, Profile])[]> {
  const { ingests, routers, gateways } = bench.cluster;
  const hot = [...ingests, ...routers, ...gateways];
  for (const service of hot) service.signal('SIGWINCH');
  await bench.order('send', plan);
  for (const service of hot) service.signal('SIGWINCH');
  return Promise.all(
    hot.map(async (service) => [service.name, await written(folder, service.pid)]),
  );
}

async function written(folder: string, pid: number): Promise<Profile> {
  const file = join(folder, String(pid));
  for (let waited = 0; !existsSync(file); waited += 50) {
    if (waited > 20_000) throw new Error(`process ${pid} wrote no profile`);
    await pause(50);
  }
  const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile;
  rmSync(file);
  return profile;
}
