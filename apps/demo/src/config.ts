import { join } from 'node:path';
import type { EnvReader } from '#runtime';

/** The page lies beside the sources of this app, built as well as not. */
const PAGE_DIR = join(import.meta.dirname, '..', 'page');

/** What the stock-quotes site is told from outside. It is an application server: it has no part in the service. */
export class DemoConfig {
  readonly host: string;
  readonly port: number;
  /** Endpoints of this origin are taken, no others. */
  readonly endpointOrigin: string;
  /** Where the push client library in the page connects to. */
  readonly gatewayUrl: string;
  /** Its VAPID keys and the endpoints that it was given. */
  readonly dataDir: string;
  readonly quoteIntervalMs: number;
  readonly subscribersMax: number;

  constructor(
    env: EnvReader,
    /** Of the built page. */
    readonly pageDir: string,
  ) {
    this.host = env.text('HOST', {
      default: '127.0.0.1',
      doc: 'the address that ports are opened on',
    });
    this.port = env.port('DEMO_PORT', 8083, 'the stock-quotes site');
    this.endpointOrigin = endpointOrigin(env);
    this.gatewayUrl = gatewayUrl(env);
    const dataDir = env.text('DATA_DIR', { default: './data', doc: 'what is kept on disk' });
    this.dataDir = join(dataDir, 'demo');
    this.quoteIntervalMs = env.integer('QUOTE_INTERVAL_MS', {
      default: 3_000,
      min: 200,
      max: 3_600_000,
      doc: 'between two quotes that the demo sends to each of its subscribers, ms',
    });
    this.subscribersMax = env.integer('DEMO_SUBSCRIBERS_MAX', {
      default: 1_000,
      min: 1,
      max: 100_000,
      doc: 'endpoints that the demo keeps; beyond it 503',
    });
  }
}

export function demoConfig(env: EnvReader, pageDir = PAGE_DIR): DemoConfig {
  return new DemoConfig(env, pageDir);
}

function endpointOrigin(env: EnvReader): string {
  const port = env.port('INGEST_PORT', 8081, 'ingest: `/wpush/…`, `/m/…`');
  const url = env.url('PUBLIC_ENDPOINT_URL', {
    default: `http://127.0.0.1:${port}`,
    shown: 'standalone: `http://127.0.0.1:$INGEST_PORT`; required in services',
    protocols: ['http:', 'https:'],
    doc: 'origin of endpoints; the VAPID audience',
  });
  return new URL(url).origin;
}

function gatewayUrl(env: EnvReader): string {
  const port = env.port('GATEWAY_PORT', 8080, 'device WebSocket, on /');
  return env.url('PUBLIC_GATEWAY_URL', {
    default: `ws://127.0.0.1:${port}/`,
    shown: 'standalone: `ws://127.0.0.1:$GATEWAY_PORT/`; required in services',
    protocols: ['ws:', 'wss:'],
    doc: 'the address of the device WebSocket that push clients are told',
  });
}
