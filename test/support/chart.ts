/**
 * What the Helm chart repeats of the code: which service reads which variables (`files/settings.yaml`), what each may
 * hold (in `values.schema.json`), and copies of the dashboard and the alerts, since a chart has no files outside of
 * itself. `test/deploy.spec.ts` compares; `node dist/test/support/write-chart-files.js` writes.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterConfig, streamSettings } from '#cluster';
import { EnvReader, kafkaSettings, LOG_LEVELS, type Setting } from '#runtime';
import { registrarSettings } from '#subscriptions';
import { demoConfig } from '../../apps/demo/src/config.js';
import { gatewayConfig } from '../../apps/gateway/src/config.js';
import { ingestConfig } from '../../apps/ingest/src/config.js';
import { registrationConfig } from '../../apps/registration/src/config.js';
import { routerConfig } from '../../apps/router/src/config.js';
import { ROOT } from './sources.js';

export const CHART = join(ROOT, 'deploy', 'helm', 'heliograph');
export type Role = 'gateway' | 'ingest' | 'router' | 'registration' | 'demo' | 'streams';

/** What a pod gets from elsewhere than `settings`: its name, secrets, mounted certificates. */
export const GIVEN_OTHERWISE: Readonly<Record<string, string>> = {
  GATEWAY_ID: 'the pod’s name',
  ENDPOINT_KEYS: 'secrets.endpointKeys',
  REDIS_URL: 'secrets.redisUrl',
  KAFKA_USERNAME: 'secrets.kafkaUser',
  KAFKA_PASSWORD: 'secrets.kafkaUser',
  KAFKA_CA_FILE: 'secrets.kafkaCa',
  REDIS_CA_FILE: 'secrets.redisCa',
  TLS_CERT_FILE: 'secrets.tls',
  TLS_KEY_FILE: 'secrets.tls',
};
const REQUIRED = ['PUBLIC_ENDPOINT_URL', 'PUBLIC_GATEWAY_URL', 'KAFKA_BROKERS'];

/** What each `main.ts` asks for. */
export const SETTINGS_OF: Readonly<Record<Role, readonly Setting[]>> = {
  gateway: asked((env) => {
    gatewayConfig(env, clusterConfig(env));
    registrarSettings(env);
  }),
  ingest: asked((env) => void ingestConfig(env, clusterConfig(env))),
  router: asked((env) => {
    clusterConfig(env);
    routerConfig(env);
  }),
  registration: asked((env) => {
    clusterConfig(env);
    registrationConfig(env);
    registrarSettings(env);
  }),
  demo: asked((env) => {
    demoConfig(env);
    logLevel(env);
  }),
  streams: asked((env) => {
    kafkaSettings(env);
    streamSettings(env);
    env.integer('TTL_SECONDS_MAX', { default: 2_592_000, min: 60, max: 31_536_000, doc: '' });
    logLevel(env);
  }),
};

export function namesOf(role: Role): readonly string[] {
  return SETTINGS_OF[role].map(({ name }) => name);
}

/** By path in the chart. */
export function chartFiles(): Readonly<Record<string, string>> {
  const schema = JSON.parse(readIn(CHART, 'values.schema.json')) as {
    properties: Record<string, unknown>;
  };
  schema.properties.settings = settingsSchema();
  const deploy = join(ROOT, 'deploy');
  return {
    'values.schema.json': `${JSON.stringify(schema, null, 2)}\n`,
    'files/settings.yaml': settingsOfRoles(),
    'files/heliograph.json': readIn(deploy, 'grafana/heliograph.json'),
    'files/heliograph.rules.yml': readIn(deploy, 'prometheus/heliograph.rules.yml'),
  };
}

function settingsOfRoles(): string {
  const rows = (Object.keys(SETTINGS_OF) as Role[]).map((role) => {
    const names = namesOf(role).map((name) => `  - ${name}\n`);
    return `${role}:\n${names.join('')}`;
  });
  return `# Which service reads which variables; see test/support/chart.ts.\n${rows.join('')}`;
}

export function readIn(folder: string, path: string): string {
  return readFileSync(join(folder, path), 'utf8');
}

/** The members of `settings`, by name. */
function settingsSchema(): Record<string, unknown> {
  const all = new Map<string, Setting>();
  for (const setting of Object.values(SETTINGS_OF).flat()) {
    if (!all.get(setting.name)?.doc) all.set(setting.name, setting);
  }
  const sorted = [...all.values()]
    .filter(({ name }) => !(name in GIVEN_OTHERWISE))
    .sort((a, b) => a.name.localeCompare(b.name));
  return {
    type: 'object',
    additionalProperties: false,
    required: REQUIRED,
    properties: Object.fromEntries(sorted.map((setting) => [setting.name, schemaOf(setting)])),
  };
}

/** `null` means: the service's own default. YAML reads `on` and `off` as booleans. */
function schemaOf({ name, range, default: fallback, doc }: Setting): Record<string, unknown> {
  const description = fallback ? `${doc} (default: ${fallback.replaceAll('`', '')})` : doc;
  if (REQUIRED.includes(name)) return { type: 'string', minLength: 1, description };
  const [, min, max] = /^(-?\d+)–(\d+)$/.exec(range) ?? [];
  if (min !== undefined) {
    const type = ['integer', 'null'];
    return { type, minimum: Number(min), maximum: Number(max), description };
  }
  if (range === 'off, on') return { enum: ['off', 'on', true, false, null], description };
  if (/^[\w-]+(, [\w-]+)+$/.test(range)) {
    return { enum: [...range.split(', '), null], description };
  }
  return { type: ['string', 'null'], description };
}

function logLevel(env: EnvReader): void {
  env.choice('LOG_LEVEL', { default: 'info', of: LOG_LEVELS, doc: 'what is logged' });
}

function asked(ask: (env: EnvReader) => void): readonly Setting[] {
  const env = new EnvReader({});
  ask(env);
  return env.asked();
}
