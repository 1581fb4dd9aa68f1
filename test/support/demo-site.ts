/** The built stock-quotes site as a process of its own, beside a push service. */
import { spawn } from 'node:child_process';
import { Watched } from './watched.js';

export interface DemoSiteOptions {
  readonly gatewayUrl: string;
  readonly endpointUrl: string;
  readonly dataDir: string;
  /** Beside these. */
  readonly env?: Readonly<Record<string, string>>;
}

/** An hour: a test asks for each quote, and nothing else arrives. */
const NEVER_BY_ITSELF_MS = 3_600_000;

export class DemoSite {
  private constructor(
    readonly url: string,
    private readonly watched: Watched,
  ) {}

  static async start(options: DemoSiteOptions): Promise<DemoSite> {
    const { gatewayUrl, endpointUrl, dataDir } = options;
    const env = {
      PATH: process.env.PATH ?? '',
      DEMO_PORT: '0',
      PUBLIC_GATEWAY_URL: gatewayUrl,
      PUBLIC_ENDPOINT_URL: endpointUrl,
      DATA_DIR: dataDir,
      QUOTE_INTERVAL_MS: String(NEVER_BY_ITSELF_MS),
      ...options.env,
    };
    const watched = new Watched(spawn(process.execPath, ['dist/apps/demo/src/main.js'], { env }));
    const [, address = ''] = await watched.until(/"address":"([^"]+)"/);
    await watched.until(/"ready":true/);
    return new DemoSite(`${address}/`, watched);
  }

  /** The status of the site's answer: 202, or 404 once it has forgotten the subscriber. */
  async ask(subscriberId: string): Promise<number> {
    return (await askForQuote(this.url, subscriberId)).status;
  }

  /** SIGTERM; the exit code. */
  async stop(): Promise<number | null> {
    this.watched.process.kill('SIGTERM');
    return (await this.watched.end).code;
  }
}

/** What the button of the page does. `number`: the quote's, when it is on its way. */
export async function askForQuote(
  siteUrl: string,
  subscriberId: string,
): Promise<{ readonly status: number; readonly number?: number }> {
  const answer = await fetch(new URL(`api/subscriptions/${subscriberId}/quotes`, siteUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  const { number } = (await answer.json()) as { number?: number };
  return { status: answer.status, ...(number !== undefined && { number }) };
}
