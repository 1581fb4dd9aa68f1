/**
 * The cluster of deploy/compose.yaml with its load balancer, which devices and senders go through as they would in
 * production. How many services it has stands in that file.
 */
import { startCompose, type Compose } from '../support/compose.js';
import type { Accounts } from '../support/standalone.js';
import { Container } from './container.js';
import { Engine, type EngineSettings, type Part, type Use } from './engine.js';
import { FAULT_ROLES } from './faults.js';
import { imageOfThisVersion } from './engine-containers.js';
import type { Address } from './messages.js';

const READY_WITHIN_MS = 120_000;
const READY_TRIES = 3;

export class ComposeEngine extends Engine {
  readonly says = 'containers of deploy/compose.yaml, behind haproxy';

  private constructor(
    private readonly compose: Compose,
    readonly parts: readonly Part[],
    private readonly containers: ReadonlyMap<string, Container>,
  ) {
    super();
  }

  static async start(settings: EngineSettings): Promise<ComposeEngine> {
    settings.onStep('docker compose up');
    const { DRAIN_SECONDS = '30', PARTITIONS = '12' } = settings.env;
    const compose = await startCompose({
      ...{ DRAIN_SECONDS, PARTITIONS, LOG_LEVEL: 'warn' },
      STOP_GRACE: `${Number(DRAIN_SECONDS) + 30}s`,
      HELIOGRAPH_IMAGE: settings.image ?? imageOfThisVersion(),
    });
    try {
      const names = await compose.services();
      const parts = names.flatMap((name) => {
        const role = FAULT_ROLES.find((one) => name.split('-')[0] === one);
        return role ? [{ name, role }] : [];
      });
      const known = parts.map(async ({ name }) => {
        const id = (await compose.inspect(name, '{{.Id}}')).trim();
        return [name, await Container.of(id)] as const;
      });
      return new ComposeEngine(compose, parts, new Map(await Promise.all(known)));
    } catch (error) {
      await compose.dispose();
      throw error;
    }
  }

  gateways(): readonly Address[] {
    return [addressOf(this.compose.gatewayUrl)];
  }

  ingests(): readonly Address[] {
    return [addressOf(this.compose.endpointUrl)];
  }

  kill(part: string): Promise<void> {
    return this.compose.kill(part);
  }

  stop(part: string): Promise<number | null> {
    return this.compose.stop(part);
  }

  async start(part: string): Promise<void> {
    await this.compose.start(part);
    // A busy engine fails to answer now and then; that is no verdict on the service.
    for (let tries = 1; ; tries++) {
      try {
        await this.compose.ready(READY_WITHIN_MS);
        return await this.compose.balanced(part, READY_WITHIN_MS);
      } catch (error) {
        if (tries === READY_TRIES) throw error;
      }
    }
  }

  async use(): Promise<ReadonlyMap<string, Use>> {
    const uses = await Promise.all(
      [...this.containers].map(async ([name, container]) => {
        const use = await container.use().catch(() => undefined);
        return use ? [[name, use] as const] : [];
      }),
    );
    return new Map(uses.flat());
  }

  accounts(): Promise<Accounts | undefined> {
    return this.compose.accounts().catch(() => undefined);
  }

  said(): Promise<string> {
    return this.compose.logs();
  }

  dispose(): Promise<void> {
    return this.compose.dispose();
  }
}

function addressOf(url: string): Address {
  const { hostname: host, port } = new URL(url);
  return { host, port: Number(port) };
}
