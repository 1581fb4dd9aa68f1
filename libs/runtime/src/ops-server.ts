/**
 * The ops port: how a process is watched. `GET /metrics`, `/health/live`, `/health/ready` (200, or 503 with
 * the reasons). It has no secrets and changes nothing, so it needs no authentication (design §6).
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Aspect, Health } from './health.js';
import type { Metrics } from './metrics.js';
import { listenRefused } from './start-refused.js';

const ASPECTS: Record<string, Aspect> = { '/health/live': 'live', '/health/ready': 'ready' };
const PATHS = ['/metrics', ...Object.keys(ASPECTS)];

export class OpsServer {
  private readonly server: Server;

  constructor(
    private readonly health: Health,
    private readonly metrics: Metrics,
  ) {
    this.server = createServer(
      { requestTimeout: 5_000, connectionsCheckingInterval: 1_000, maxHeaderSize: 8_192 },
      (request, response) => {
        this.answer(request, response).catch((error: unknown) => {
          if (!response.headersSent) send(response, 500, 'text/plain', `${String(error)}\n`);
          else response.destroy();
        });
      },
    );
  }

  /** Resolves with the port it listens on (0 in the argument: any). Rejects with a sentence. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      const refuse = (cause: Error): void =>
        reject(listenRefused('metrics and health (OPS_PORT)', { host, port }, cause));
      this.server.once('error', refuse);
      this.server.listen({ host, port }, () => {
        this.server.off('error', refuse);
        resolve();
      });
    });
    return (this.server.address() as AddressInfo).port;
  }

  /** Open connections do not hold it up. Harmless when it never listened. */
  async close(): Promise<void> {
    if (!this.server.listening) return;
    await new Promise<void>((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const aspect = ASPECTS[path];
    if (!PATHS.includes(path)) return send(response, 404, 'text/plain', 'Not found\n');
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      return send(response, 405, 'text/plain', 'Only GET\n');
    }
    if (aspect) {
      const report = await this.health.report(aspect);
      return send(
        response,
        report.ok ? 200 : 503,
        'application/json',
        `${JSON.stringify(report)}\n`,
      );
    }
    const { text, contentType } = await this.metrics.scrape();
    send(response, 200, contentType, text);
  }
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(body);
}
