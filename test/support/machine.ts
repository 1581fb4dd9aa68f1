/**
 * What a machine may lack. A test that needs it is declared by `requires('firefox')('sentence', …)`: it runs where the
 * thing is there; elsewhere it is skipped under a name that says what is missing, and with CI=true it fails. `.ci/run`
 * installs everything and names it in the environment.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { describe, test } from 'vitest';

interface Thing {
  /** The variable that names it, before any search. */
  readonly variable: string;
  /** Programs to look for on the PATH, the best first. */
  readonly programs: readonly string[];
  /** Arguments with which it answers 0; without them it is enough that it is there. */
  readonly proof?: readonly string[];
  /** A variable that must be set as well. */
  readonly needs?: string;
  readonly getIt: string;
}

const MAC_APPS = '/Applications';
const THINGS = {
  firefox: {
    variable: 'TEST_FIREFOX',
    programs: ['firefox-esr', 'firefox', `${MAC_APPS}/Firefox.app/Contents/MacOS/firefox`],
    getIt: 'apt-get install firefox-esr',
  },
  chromium: {
    variable: 'TEST_CHROMIUM',
    programs: [
      'chromium',
      'chromium-browser',
      'google-chrome',
      `${MAC_APPS}/Google Chrome.app/Contents/MacOS/Google Chrome`,
    ],
    getIt: 'apt-get install chromium',
  },
  kafka: {
    variable: 'TEST_JAVA',
    programs: ['java'],
    needs: 'TEST_KAFKA_LIB',
    getIt: 'install Java 17 and set TEST_KAFKA_LIB to a folder with the jars of kafka_2.13',
  },
  redis: {
    variable: 'TEST_REDIS_SERVER',
    programs: ['redis-server'],
    getIt: 'apt-get install redis-server',
  },
  openssl: { variable: 'TEST_OPENSSL', programs: ['openssl'], getIt: 'apt-get install openssl' },
  unshare: {
    variable: 'TEST_UNSHARE',
    programs: ['unshare'],
    proof: ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'],
    getIt: 'apt-get install util-linux, and allow user namespaces',
  },
  pywebpush: {
    variable: 'TEST_PYTHON',
    programs: ['python3'],
    proof: ['-c', 'import pywebpush'],
    getIt: 'pip install -r test/support/requirements.txt',
  },
  engine: {
    variable: 'TEST_DOCKER',
    programs: ['docker'],
    proof: ['info'],
    getIt: 'install Docker and start it, or set TEST_KAFKA_BROKERS and TEST_REDIS_URL',
  },
  docker: {
    variable: 'TEST_DOCKER',
    programs: ['docker'],
    proof: ['info'],
    needs: 'TEST_IMAGE',
    getIt:
      'install Docker and its compose, `npm run image`, and set TEST_IMAGE=heliograph:<version>',
  },
  helm: {
    variable: 'TEST_HELM',
    programs: ['helm'],
    proof: ['version'],
    getIt: 'go install helm.sh/helm/v3/cmd/helm@latest',
  },
  promtool: {
    variable: 'TEST_PROMTOOL',
    programs: ['promtool'],
    proof: ['--version'],
    getIt: 'apt-get install prometheus',
  },
  prometheus: {
    variable: 'TEST_PROMETHEUS',
    programs: ['prometheus'],
    proof: ['--version'],
    getIt: 'apt-get install prometheus',
  },
  'kubernetes-validate': {
    variable: 'TEST_PYTHON',
    programs: ['python3'],
    proof: ['-c', 'import kubernetes_validate'],
    getIt: 'pip install -r test/support/requirements.txt',
  },
} as const satisfies Record<string, Thing>;

export type ThingName = keyof typeof THINGS;
export type TestBody = () => void | Promise<void>;

/** Declares a test, or with `describe` a block of them, that needs something of the machine. */
export interface Requiring {
  (sentence: string, body: TestBody, timeoutMs?: number): void;
  describe(name: string, body: () => void): void;
}

const found = new Map<ThingName, string | undefined>();

/** The program's path: for `pywebpush` that of a Python which has it. Undefined: this machine lacks it. */
export function pathOf(name: ThingName): string | undefined {
  if (!found.has(name)) found.set(name, search(THINGS[name]));
  return found.get(name);
}

export function requires(...names: readonly ThingName[]): Requiring {
  const missing = names.filter((name) => pathOf(name) === undefined);
  if (missing.length === 0) {
    const declare = (sentence: string, body: TestBody, ms?: number): void =>
      test(sentence, body, ms);
    return Object.assign(declare, {
      describe: (name: string, body: () => void) => void describe(name, body),
    });
  }
  const lack = `this machine lacks ${missing.join(' and ')}`;
  const isFailure = process.env.CI === 'true';
  const declare = (sentence: string): void => {
    if (isFailure)
      test(sentence, () => Promise.reject(new Error(`${lack}: ${adviceFor(missing)}`)));
    else test.skip(`${sentence} (${lack})`);
  };
  return Object.assign(declare, { describe: declare });
}

function adviceFor(missing: readonly ThingName[]): string {
  return missing
    .map((name) => `${THINGS[name].getIt}, or ${THINGS[name].variable}=path`)
    .join('; ');
}

function search(thing: Thing): string | undefined {
  if (thing.needs && !process.env[thing.needs]) return undefined;
  const named = process.env[thing.variable];
  return (named ? [named] : thing.programs)
    .map(onPath)
    .find((path) => path && answers(path, thing));
}

function onPath(program: string): string | undefined {
  const folders = isAbsolute(program) ? [''] : (process.env.PATH ?? '').split(delimiter);
  return folders.map((folder) => join(folder, program)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function answers(path: string, { proof }: Thing): boolean {
  return !proof || spawnSync(path, proof, { stdio: 'ignore', timeout: 20_000 }).status === 0;
}
