/** What runs the cluster, when nobody says: containers where an engine answers, else processes. */
import { spawnSync } from 'node:child_process';
import { containerAddresses } from './container.js';
import { ComposeEngine } from './engine-compose.js';
import { ContainerEngine } from './engine-containers.js';
import type { Engine } from './engine.js';
import { lackForProcesses, ProcessEngine } from './engine-processes.js';
import { TargetEngine } from './engine-target.js';
import type { EngineName, Plan } from './options.js';

export interface Chosen {
  readonly name: EngineName;
  readonly says: string;
}

/** Answers with a sentence when this machine has not what is needed. */
export function chooseEngine(wanted: EngineName | undefined): Chosen | string {
  const hasDocker =
    spawnSync('docker', ['info'], { stdio: 'ignore', timeout: 20_000 }).status === 0;
  const lack = lackForProcesses();
  if (wanted === 'processes') {
    if (lack) return `--engine processes: this machine lacks ${lack}.`;
    return { name: wanted, says: 'the cluster runs as processes of this machine' };
  }
  if (wanted) {
    if (hasDocker) return { name: wanted, says: `the cluster runs as ${wanted}` };
    return `--engine ${wanted}: no container engine answers (docker info). Start one, or take --engine processes.`;
  }
  if (hasDocker)
    return {
      name: 'containers',
      says: 'a container engine answers: the cluster runs in containers',
    };
  if (!lack)
    return {
      name: 'processes',
      says: 'no container engine answers: the cluster runs as processes',
    };
  return `There is nothing to run a cluster with: no container engine answers, and for processes this machine lacks ${lack}.`;
}

/** What every service of a load is told. Else it has the defaults of production. */
export function settingsOf(plan: Plan): Readonly<Record<string, string>> {
  return {
    DRAIN_SECONDS: String(plan.drainSeconds),
    PARTITIONS: '12',
    // What a fault leaves for the re-check comes within a minute, so that the end of a load need not wait five.
    RECHECK_INTERVAL_MS: '60000',
    HELLO_TIMEOUT_MS: '20000',
    LOG_LEVEL: 'warn',
  };
}

export async function startEngine(
  plan: Plan,
  name: EngineName | undefined,
  onStep: (step: string) => void,
): Promise<Engine> {
  if (plan.target) return TargetEngine.at(plan, containerAddresses);
  const { gateways, ingests, routers, image } = plan;
  const settings = {
    ...{ gateways, ingests, routers, env: settingsOf(plan), onStep },
    ...(image && { image }),
  };
  if (name === 'processes') return ProcessEngine.start(settings);
  if (name === 'compose') return ComposeEngine.start(settings);
  return ContainerEngine.start(settings);
}
