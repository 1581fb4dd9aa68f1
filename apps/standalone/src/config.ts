import { join } from 'node:path';
import { processSettings, type EnvReader, type ProcessSettings } from '#runtime';
import { KeyRing } from '#webpush';
import { GatewayConfig, gatewayConfig } from '../../gateway/src/gateway.module.js';
import { IngestConfig, ingestConfig } from '../../ingest/src/ingest.module.js';
import {
  RegistrationConfig,
  registrationConfig,
} from '../../registration/src/registration.module.js';
import { RouterConfig, routerConfig } from '../../router/src/router.module.js';
import { KEY_FILE, LOG_FILE, endpointKeysOf, type StoredKeys } from './data-dir.js';

/** One process reads everything, and nothing moves: more partitions would only be more marks. */
const PARTITIONS = 1;

/** What standalone is told from outside: the settings of every service in it, with defaults that need nothing. */
export class StandaloneConfig {
  readonly dataDir: string;
  readonly process: ProcessSettings;
  readonly partitions = PARTITIONS;
  readonly gateway: GatewayConfig;
  readonly ingest: IngestConfig;
  readonly router: RouterConfig;
  readonly registration: RegistrationConfig;
  readonly keyRing: KeyRing;
  /** What `DATA_DIR` has, or is to get; undefined when `ENDPOINT_KEYS` is set. */
  readonly storedKeys?: StoredKeys;

  constructor(env: EnvReader) {
    presetAddresses(env);
    const cluster = { partitions: PARTITIONS };
    this.gateway = gatewayConfig(env, cluster);
    this.ingest = ingestConfig(env, cluster);
    this.registration = registrationConfig(env);
    this.router = routerConfig(env);
    this.dataDir = env.text('DATA_DIR', { default: './data', doc: 'what is kept on disk' });
    this.process = processSettings(env);
    const { keyRing, storedKeys } = endpointKeys(env, this.dataDir);
    this.keyRing = keyRing;
    if (storedKeys) this.storedKeys = storedKeys;
  }

  get logFile(): string {
    return join(this.dataDir, LOG_FILE);
  }
}

/** Asks for everything; `env.finish()` then tells all problems at once. Creates nothing. */
export function standaloneConfig(env: EnvReader): StandaloneConfig {
  return new StandaloneConfig(env);
}

/** What services require, one machine knows: it is reached by its loopback address, and nothing stands before it. */
function presetAddresses(env: EnvReader): void {
  const secure = env.text('TLS_CERT_FILE', { optional: true, doc: '' }) ? 's' : '';
  env.preset({
    HOST: '127.0.0.1',
    NOTICE_SECONDS: '0',
    PUBLIC_ENDPOINT_URL: `http${secure}://127.0.0.1:${env.port('INGEST_PORT', 8_081)}`,
    PUBLIC_GATEWAY_URL: `ws${secure}://127.0.0.1:${env.port('GATEWAY_PORT', 8_080)}/`,
  });
}

function endpointKeys(
  env: EnvReader,
  dataDir: string,
): { readonly keyRing: KeyRing; readonly storedKeys?: StoredKeys } {
  const set = env.parsed('ENDPOINT_KEYS', {
    optional: true,
    shown: 'created in `DATA_DIR`',
    secret: true,
    range: 'comma-separated base64url, 32 bytes each',
    doc: 'seal and open receiver and message ids: the first seals, all open',
    parse: parsedKeys,
  });
  if (set) return { keyRing: set };
  const storedKeys = endpointKeysOf(dataDir);
  try {
    return { keyRing: KeyRing.parse(storedKeys.keys), storedKeys };
  } catch (cause) {
    env.refuse(`${join(dataDir, KEY_FILE)} must hold keys like ENDPOINT_KEYS: ${textOf(cause)}`);
    return { keyRing: set as unknown as KeyRing };
  }
}

function parsedKeys(text: string): KeyRing {
  try {
    return KeyRing.parse(text);
  } catch (cause) {
    throw new Error(`keys, comma-separated: ${textOf(cause)}`, { cause });
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
