/**
 * The cluster of `deploy/compose.yaml`, from the image that `TEST_IMAGE` names and on ports of the test's own.
 *
 * ```ts
 * const cluster = await startCompose();
 * await Device.greeted(cluster.gatewayUrl);          // through the load balancer
 * await cluster.kill('router-0');                    // SIGKILL; cluster.start('router-0') again
 * await cluster.settled();                           // nothing pending, accounts that add up
 * await cluster.dispose();                           // with its volumes
 * ```
 */
import { execFile, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freeNet } from './free-net.js';
import { ROOT } from './sources.js';
import { accountsOf, freePorts, samplesOf, type Accounts } from './standalone.js';

export const COMPOSE_FILE = join(ROOT, 'deploy', 'compose.yaml');
const HOST = '127.0.0.1';
/** What may be official or local: compose's variable, and the test's. */
const IMAGES = ['KAFKA_IMAGE', 'REDIS_IMAGE', 'HAPROXY_IMAGE'];
/** Inside of a container. */
const OPS = 'http://127.0.0.1:9464';
const WITH_OPS_PORT = /^(gateway|ingest|router|registration)/;
const BALANCED = /^(gateway|ingest|registration)/;
/** Of the load balancer, inside of the network: what it holds of each server. */
const BALANCER = 'http://haproxy:8404/;csv';
const POLL_MS = 250;
/** `up` waits for the jobs; what they said is told when they do not end. */
const COMPOSE_WITHIN_MS = 150_000;
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024;
const run = promisify(execFile);

/** `docker compose` where it is installed, else `docker-compose`. */
function composeProgram(): readonly [string, ...string[]] {
  const isPlugin = spawnSync('docker', ['compose', 'version']).status === 0;
  return isPlugin ? ['docker', 'compose'] : ['docker-compose'];
}

export async function startCompose(env: Readonly<Record<string, string>> = {}): Promise<Compose> {
  const [gateway, ingest, registration, demo] = (await freePorts(4)) as [
    number,
    number,
    number,
    number,
  ];
  // A network of its own, so that a cluster that somebody runs beside the tests is not disturbed.
  const net = freeNet();
  const images = IMAGES.map((name) => [name, process.env[`TEST_${name}`] ?? '']);
  const cluster = new Compose({
    ...{ PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '/root' },
    ...(process.env.DOCKER_HOST && { DOCKER_HOST: process.env.DOCKER_HOST }),
    ...(Object.fromEntries(images.filter(([, image]) => image)) as Record<string, string>),
    HELIOGRAPH_IMAGE: process.env.TEST_IMAGE ?? '',
    ...{ GATEWAY_PORT: String(gateway), INGEST_PORT: String(ingest) },
    ...{ REGISTRATION_PORT: String(registration), DEMO_PORT: String(demo) },
    PUBLIC_ENDPOINT_URL: `http://${HOST}:${ingest}`,
    PUBLIC_GATEWAY_URL: `ws://${HOST}:${gateway}/`,
    SUBNET: `${net}.0/24`,
    DYNAMIC_RANGE: `${net}.128/25`,
    PROXY_ADDRESS: `${net}.10`,
    PARTITIONS: '6',
    DRAIN_SECONDS: '2',
    ...env,
  });
  try {
    await cluster.up();
    await cluster.ready();
  } catch (error) {
    const logs = await cluster.logs().catch(() => '');
    await cluster.dispose();
    throw new Error(`the compose cluster did not start\n${logs}`, { cause: error });
  }
  return cluster;
}

export class Compose {
  private readonly project = `heliograph-test-${randomBytes(3).toString('hex')}`;
  private readonly program = composeProgram();

  constructor(private readonly env: Readonly<Record<string, string>>) {}

  get gatewayUrl(): string {
    return `ws://${HOST}:${this.env.GATEWAY_PORT}/`;
  }

  get endpointUrl(): string {
    return `http://${HOST}:${this.env.INGEST_PORT}`;
  }

  get registrationUrl(): string {
    return `http://${HOST}:${this.env.REGISTRATION_PORT}`;
  }

  get demoUrl(): string {
    return `http://${HOST}:${this.env.DEMO_PORT}`;
  }

  /** What a person types. */
  async up(): Promise<void> {
    await this.compose('up', '-d', '--no-build');
  }

  async services(): Promise<readonly string[]> {
    return [...(await this.containers()).keys()].sort();
  }

  /** SIGKILL, as when a machine dies; nothing starts it again. */
  async kill(service: string): Promise<void> {
    await this.docker('kill', await this.id(service));
  }

  async start(service: string): Promise<void> {
    await this.docker('start', await this.id(service));
  }

  /** SIGTERM, and waits; answers with the exit code. */
  async stop(service: string): Promise<number> {
    const graceSeconds = Number.parseInt(this.env.STOP_GRACE ?? '60', 10);
    await this.docker('stop', '--time', String(graceSeconds), await this.id(service));
    return Number((await this.inspect(service, '{{.State.ExitCode}}')).trim());
  }

  async inspect(service: string, format: string): Promise<string> {
    return this.docker('inspect', '--format', format, await this.id(service));
  }

  /** A GET from inside of the service's container: its ops port is open to nobody outside. */
  async ask(service: string, path: string): Promise<string> {
    return this.runIn(
      service,
      `fetch('${OPS}${path}').then(async (r) => process.stdout.write(await r.text()))`,
    );
  }

  /** Runs a line of JavaScript in the service's container. */
  async runIn(service: string, code: string): Promise<string> {
    return this.docker('exec', await this.id(service), 'node', '-e', code);
  }

  /** By service. */
  async memoryMib(): Promise<Readonly<Record<string, number>>> {
    const format = '{{.Name}} {{.MemUsage}}';
    const lines = (await this.docker('stats', '--no-stream', '--format', format)).split('\n');
    const used = lines.flatMap((line) => {
      const [, name = '', mib = ''] =
        new RegExp(`^${this.project}[-_](.+)[-_]\\d+ ([\\d.]+)MiB`).exec(line) ?? [];
      return name ? [[name, Number(mib)] as const] : [];
    });
    return Object.fromEntries(used);
  }

  /** From its latest start until it says that it is ready. */
  async secondsToReady(service: string, withinMs = 60_000): Promise<number> {
    const readyAt = await this.readyAt(service, performance.now() + withinMs);
    const startedAt = (await this.inspect(service, '{{.State.StartedAt}}')).trim();
    return (readyAt - Date.parse(startedAt)) / 1_000;
  }

  /** Resolves when all services say that they are ready, and the load balancer has found one of each kind. */
  async ready(withinMs = 90_000): Promise<void> {
    const until = performance.now() + withinMs;
    const services = (await this.services()).filter((name) => WITH_OPS_PORT.test(name));
    await Promise.all(services.map((service) => this.readyAt(service, until)));
    const doors = [this.gatewayUrl.replace('ws', 'http'), this.endpointUrl];
    await Promise.all(
      [...doors, this.registrationUrl, this.demoUrl].map((url) => answered(url, until)),
    );
  }

  /** Resolves when the load balancer sends traffic there; at once where nothing stands before a service. */
  async balanced(service: string, withinMs = 90_000): Promise<void> {
    if (!BALANCED.test(service)) return;
    const until = performance.now() + withinMs;
    for (;;) {
      const state = await this.runIn('demo', stateCode(service)).catch(String);
      if (state === 'UP') return;
      if (performance.now() > until) throw new Error(`${service} is ${state} at the load balancer`);
      await pause(POLL_MS);
    }
  }

  /** Of all partitions; each is told by the router that owns it. */
  async accounts(): Promise<Accounts> {
    const routers = (await this.services()).filter((name) => name.startsWith('router'));
    const texts = await Promise.all(
      routers.map((name) => this.ask(name, '/metrics').catch(() => '')),
    );
    return accountsOf(samplesOf(texts.join('\n')));
  }

  /** Resolves with the accounts when nothing is pending and they add up. */
  async settled(withinMs = 60_000): Promise<Accounts> {
    const until = performance.now() + withinMs;
    for (;;) {
      const accounts = await this.accounts();
      if (accounts.accepted > 0 && accounts.pending === 0 && accounts.unaccounted === 0) {
        return accounts;
      }
      if (performance.now() > until) {
        throw new Error(`the accounts do not settle: ${JSON.stringify(accounts)}`);
      }
      await pause(500);
    }
  }

  async logs(): Promise<string> {
    return this.compose('logs', '--no-color', '--tail=60');
  }

  async dispose(): Promise<void> {
    await this.compose('kill').catch(() => undefined);
    await this.compose('down', '--volumes', '--timeout', '1').catch(() => undefined);
  }

  /**
   * When it said so, ms since the epoch. One process in the container asks until the answer is yes: to start one for
   * each question costs more.
   */
  private async readyAt(service: string, until: number): Promise<number> {
    for (;;) {
      const ms = Math.max(0, Math.round(until - performance.now()));
      const code = `(async () => {${askUntilReady(ms)}})()`;
      const said = await this.runIn(service, code).catch(String);
      if (/^\d+$/.test(said)) return Number(said);
      if (performance.now() > until) throw new Error(`${service} is not ready: ${said}`);
      await pause(POLL_MS);
    }
  }

  private async id(service: string): Promise<string> {
    const id = (await this.containers()).get(service);
    if (id === undefined) throw new Error(`there is no container of ${service}`);
    return id;
  }

  /** Asked of the engine: compose takes seconds to answer on a busy machine. */
  private async containers(): Promise<ReadonlyMap<string, string>> {
    const filter = `label=com.docker.compose.project=${this.project}`;
    const format = '{{.Label "com.docker.compose.service"}} {{.ID}}';
    const said = await this.docker('ps', '--all', '--filter', filter, '--format', format);
    const lines = said.split('\n').filter(Boolean);
    return new Map(lines.map((line) => line.split(' ') as [string, string]));
  }

  private async compose(...args: readonly string[]): Promise<string> {
    const [program, ...first] = this.program;
    const all = [...first, '-p', this.project, '-f', COMPOSE_FILE, ...args];
    const bounds = { maxBuffer: OUTPUT_BYTES_MAX, timeout: COMPOSE_WITHIN_MS };
    return (await run(program, all, { env: this.env, ...bounds })).stdout;
  }

  private async docker(...args: readonly string[]): Promise<string> {
    const bounds = { maxBuffer: OUTPUT_BYTES_MAX };
    return (await run('docker', [...args], { env: this.env, ...bounds })).stdout;
  }
}

/** For a container: says the time when the service is ready, and what it lacks when that takes too long. */
function askUntilReady(withinMs: number): string {
  return `
    const until = Date.now() + ${withinMs};
    let said = 'nothing answers';
    for (;;) {
      const answer = await fetch('${OPS}/health/ready').catch(() => undefined);
      const text = (await answer?.text()) ?? said;
      said = answer?.ok ? String(Date.now()) : text;
      if (answer?.ok || Date.now() > until) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    process.stdout.write(said);`;
}

/** For a container: says what the load balancer holds of a server, `UP` when it is sent traffic. */
function stateCode(server: string): string {
  return `
    fetch('${BALANCER}').then(async (answer) => {
      const [names, ...rows] = (await answer.text()).replace('# ', '').split('\\n').map((row) => row.split(','));
      const of = (row, name) => row[names.indexOf(name)];
      const row = rows.find((row) => of(row, 'svname') === '${server}');
      process.stdout.write(row ? of(row, 'status') : 'unknown');
    });`;
}

/** Whatever the answer is, but for the load balancer's own that nobody is there. */
async function answered(url: string, until: number): Promise<void> {
  for (;;) {
    const problem = await fetch(url).then(
      ({ status }) => (status === 503 ? 'answered 503' : ''),
      (error: Error) => String(error.cause ?? error),
    );
    if (problem === '') return;
    if (performance.now() > until) throw new Error(`nobody is at ${url}: ${problem}`);
    await pause(POLL_MS);
  }
}
