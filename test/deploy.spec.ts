/**
 * What stands in `deploy/` fits the code: settings, roles, metrics. The running cluster is
 * `compose.e2e-spec.ts`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { OUTCOMES, REFUSALS } from '#webpush';
import { IDLE_SECONDS_MIN } from '../apps/ingest/src/answer.uws.js';
import {
  CHART,
  GIVEN_OTHERWISE,
  SETTINGS_OF,
  chartFiles,
  namesOf,
  readIn,
} from './support/chart.js';
import { pathOf, requires } from './support/machine.js';
import { describedMetrics, labelsByMetric } from './support/metric-names.js';
import { askedSettings } from './support/readme-tables.js';
import { ROOT, readSources } from './support/sources.js';
import { startStandalone } from './support/standalone.js';
import { readYaml } from './support/yaml.js';

const DEPLOY = join(ROOT, 'deploy');
const SERVICES = ['gateway', 'ingest', 'router', 'registration'] as const;

function ran(program: string, args: readonly string[], cwd = ROOT) {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  return { code: status, said: `${stdout}${stderr}`, stdout };
}

function temporary(name: string, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'heliograph-deploy-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

describe('the image', () => {
  test('has a role for every app that has a main', () => {
    const entry = readIn(DEPLOY, 'entry.mjs');
    const apps = /const APPS = \[(.*)\]/.exec(entry)?.[1]?.match(/\w+/g);
    expect(apps?.toSorted()).toEqual(readdirSync(join(ROOT, 'apps')).sort());
  });

  test('is healthy when its service is ready, and not before', async () => {
    const [, command = ''] =
      /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(readIn(DEPLOY, 'Dockerfile')) ?? [];
    const [, ...args] = JSON.parse(command) as string[];
    const service = await startStandalone();
    onTestFinished(() => service.dispose());
    const env = { OPS_PORT: String(service.ports.ops) };
    const code = (): number | null => spawnSync(process.execPath, args, { env }).status;
    expect(code()).toBe(0);
    await service.kill();
    expect(code()).toBe(1);
  });

  test('refuses what is no role', () => {
    const { code, said } = ran(process.execPath, [join(DEPLOY, 'entry.mjs'), 'gatway']);
    expect(code).toBe(1);
    expect(said).toMatch(/gateway, ingest, router, registration.*not “gatway”/);
  });
});

describe('compose', () => {
  interface Service {
    readonly command?: readonly string[];
    readonly environment?: Readonly<Record<string, unknown>>;
    readonly stop_grace_period?: string;
    readonly read_only?: boolean;
    readonly profiles?: readonly string[];
    readonly volumes?: readonly string[];
  }
  const [file] = readYaml<{ services: Record<string, Service> }>(readIn(DEPLOY, 'compose.yaml'));
  const services = file?.services ?? {};
  const ours = Object.entries(services).filter(([, { command }]) =>
    SERVICES.some((role) => role === command?.[0]),
  );

  test('has two ingests and routers, three gateways, a registration', () => {
    const count = (role: string): number =>
      ours.filter(([, { command }]) => command?.[0] === role).length;
    expect(SERVICES.map(count)).toEqual([3, 2, 2, 1]);
  });

  test.each(ours)('%s is told what it requires, and nothing that nobody reads', (_, service) => {
    const given = Object.keys(service.environment ?? {}).map((name) => name.replace(/_FILE$/, ''));
    const role = service.command?.[0] as (typeof SERVICES)[number];
    const required = SETTINGS_OF[role].filter((setting) => setting.default === undefined);
    expect(given).toEqual(expect.arrayContaining(required.map(({ name }) => name)));
    const known = Object.values(SETTINGS_OF).flatMap((all) => all.map(({ name }) => name));
    expect(given.filter((name) => !known.includes(name))).toEqual([]);
  });

  test.each(ours)('%s writes nothing and may drain', (_, service) => {
    expect(service.read_only).toBe(true);
    const seconds = (text: unknown): number => Number(/(\d+)/.exec(String(text))?.[1]);
    const { NOTICE_SECONDS, DRAIN_SECONDS } = service.environment ?? {};
    const lasts = seconds(NOTICE_SECONDS) + seconds(DRAIN_SECONDS) + 10;
    expect(seconds(service.stop_grace_period)).toBeGreaterThan(lasts);
  });

  test('the load balancer sees that a service stops while that still takes connections', () => {
    const said = readIn(DEPLOY, 'haproxy/haproxy.cfg').match(/^ {2}default-server check .*$/m)?.[0];
    const [inter = 0, fastinter = 0, fall = 0] = ['inter', 'fastinter', 'fall'].map((word) => {
      const [, number, unit] = new RegExp(` ${word} (\\d+)(ms|s)?`).exec(said ?? '') ?? [];
      return Number(number) / (unit === 'ms' ? 1_000 : 1);
    });
    const sees = inter + (fall - 1) * fastinter;
    for (const [name, { environment }] of ours) {
      const notice = /\d+/.exec(String(environment?.NOTICE_SECONDS))?.[0];
      // A second for what the checks take.
      expect(Number(notice), name).toBeGreaterThanOrEqual(sees + 1);
    }
  });

  test('the load balancer and Prometheus know every service by its name', () => {
    const haproxy = readIn(DEPLOY, 'haproxy/haproxy.cfg');
    const servers = [...haproxy.matchAll(/^ {2}server (\S+) \1:\d+$/gm)].map(([, name]) => name);
    const names = ours.map(([name]) => name).sort();
    expect(servers.sort()).toEqual(names.filter((name) => !name.startsWith('router')));
    const targets = readIn(DEPLOY, 'prometheus/prometheus.yml').matchAll(/'([\w-]+):9464'/g);
    expect([...targets].map(([, name]) => name).sort()).toEqual(names);
  });

  const mountsOf = (name: string) =>
    (services[name]?.volumes ?? []).flatMap((volume) => {
      const [, from = '', to = ''] = /^\.\/([^:]+):([^:]+)/.exec(volume) ?? [];
      return from ? [{ from, to }] : [];
    });

  test('every file that a container is given is there', () => {
    const all = Object.keys(services).flatMap(mountsOf);
    expect(all.length).toBeGreaterThan(5);
    expect(all.filter(({ from }) => !existsSync(join(DEPLOY, from)))).toEqual([]);
    const prometheus = readIn(DEPLOY, 'prometheus/prometheus.yml');
    const rules = mountsOf('prometheus').find(({ from }) => from.endsWith('.rules.yml'));
    expect(readYaml<object>(prometheus)[0]).toMatchObject({ rule_files: [rules?.to] });
  });

  test('Grafana, where it is wanted, finds Prometheus and the dashboard', () => {
    const provisioned = (what: string): string => readIn(DEPLOY, `grafana/provisioning/${what}`);
    const [datasources] = readYaml<{ datasources: { type: string; url: string }[] }>(
      provisioned('datasources/prometheus.yml'),
    );
    const [{ type, url } = { type: '', url: '' }] = datasources?.datasources ?? [];
    expect([type, services[new URL(url).hostname]?.profiles]).toEqual([
      'prometheus',
      ['monitoring'],
    ]);
    const [dashboards] = readYaml<{ providers: { options: { path: string } }[] }>(
      provisioned('dashboards/heliograph.yml'),
    );
    const given = mountsOf('grafana').find(({ from }) => from === 'grafana/heliograph.json')?.to;
    expect(given).toBe(join(dashboards?.providers[0]?.options.path ?? '', 'heliograph.json'));
    const home = services.grafana?.environment?.GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH;
    expect([services.grafana?.profiles, home]).toEqual([['monitoring'], given]);
  });

  test('gateways and ingests get PROXY v2, and believe it from the load balancer alone', () => {
    const haproxy = readIn(DEPLOY, 'haproxy/haproxy.cfg');
    for (const backend of ['gateways', 'ingests']) {
      const section = haproxy.split(`\nbackend ${backend}`)[1]?.split('\n\n')[0];
      expect(section).toContain('send-proxy-v2');
    }
    const address = readIn(DEPLOY, 'compose.yaml').match(/PROXY_ADDRESS:-[\d.]+/g);
    expect(new Set(address).size).toBe(1);
    expect(address).toHaveLength(2);
  });
});

describe('the chart', () => {
  test.each(Object.entries(chartFiles()))('has %s as the code has it', (path, text) => {
    // To repair: node dist/test/support/write-chart-files.js
    expect(readIn(CHART, path)).toBe(text);
  });

  test('every setting of the README is reachable through values', () => {
    const schema = JSON.parse(readIn(CHART, 'values.schema.json')) as {
      properties: { settings: { properties: object } };
    };
    const reachable = new Set([
      ...Object.keys(schema.properties.settings.properties),
      ...Object.keys(GIVEN_OTHERWISE),
    ]);
    const names = askedSettings().map(({ name }) => name);
    expect(names.filter((name) => !reachable.has(name))).toEqual([]);
  });
});

interface Selector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}
interface Port {
  readonly port?: unknown;
  readonly targetPort?: unknown;
  readonly protocol?: string;
}
interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly template?: {
      readonly metadata: { readonly labels: Readonly<Record<string, string>> };
      readonly spec: PodSpec;
    };
    readonly replicas?: number;
    readonly metrics?: unknown;
    readonly selector?: Selector & Readonly<Record<string, unknown>>;
    readonly podSelector?: Selector;
    readonly ports?: readonly Port[];
    readonly ingress?: readonly { readonly ports: readonly Port[]; readonly from?: unknown }[];
    readonly egress?: readonly { readonly ports: readonly Port[]; readonly to?: unknown }[];
    readonly endpoints?: readonly { readonly port: string; readonly path: string }[];
  };
  readonly data?: Readonly<Record<string, string>>;
}
interface PodSpec {
  readonly terminationGracePeriodSeconds?: number;
  readonly readinessGates?: unknown;
  readonly topologySpreadConstraints?: readonly {
    readonly topologyKey: string;
    readonly whenUnsatisfiable: string;
    readonly labelSelector: Selector;
  }[];
  readonly containers: readonly {
    readonly image: string;
    readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
    readonly env: readonly { name: string; value?: string; valueFrom?: Record<string, unknown> }[];
    readonly lifecycle?: { preStop: { exec: { command: readonly string[] } } };
    readonly securityContext: Readonly<Record<string, unknown>>;
  }[];
}

/** Names of fields that a secret could come to stand in. */
const SECRET_NAMES = ['ENDPOINT_KEYS', 'REDIS_URL', 'KAFKA_USERNAME', 'KAFKA_PASSWORD'];
const KUBE_VERSION = '1.31.0';
const VALUES = readdirSync(join(CHART, 'ci')).map((name) => join(CHART, 'ci', name));
const LEAST = join(CHART, 'ci', 'least-values.yaml');

function helm(...args: readonly string[]) {
  return ran(pathOf('helm') ?? 'helm', args);
}

function template(valuesFile: string, ...more: readonly string[]) {
  return helm('template', 'hg', CHART, '--kube-version', KUBE_VERSION, '-f', valuesFile, ...more);
}

function manifests(valuesFile: string, ...more: readonly string[]): readonly Manifest[] {
  const { code, said, stdout } = template(valuesFile, ...more);
  expect(code, said).toBe(0);
  return readYaml<Manifest>(stdout);
}

/** By role. */
function pods(all: readonly Manifest[]): Readonly<Record<string, PodSpec>> {
  const found = all.flatMap(({ metadata, spec }) => {
    const role = metadata.labels['app.kubernetes.io/component'] ?? '';
    return spec?.template ? [[role, spec.template.spec] as const] : [];
  });
  return Object.fromEntries(found);
}

function valueOf(pod: PodSpec | undefined, name: string): string | undefined {
  return pod?.containers[0]?.env.find((one) => one.name === name)?.value;
}

function preStopOf(pod: PodSpec | undefined): number {
  return Number(pod?.containers[0]?.lifecycle?.preStop.exec.command[1] ?? 0);
}

requires('helm').describe('the chart, rendered', () => {
  test.each(VALUES)('%s passes the linter', (values) => {
    expect(helm('lint', '--strict', CHART, '-f', values)).toMatchObject({ code: 0 });
  });

  test.each(VALUES)('%s gives each service more time than its end takes', (values) => {
    const { gateway, ingest, registration, router } = pods(manifests(values));
    const notice = Number(valueOf(gateway, 'NOTICE_SECONDS') ?? 5);
    const drain = Number(valueOf(gateway, 'DRAIN_SECONDS') ?? 30);
    // Two farewells of 5 s follow a drain; idle connections of senders are waited for as long as they were promised,
    // and answers that are owed then for 10 s.
    const idle = IDLE_SECONDS_MIN;
    const all = { gateway: notice + drain, ingest: notice + idle, registration: notice, router: 0 };
    const graces = { gateway, ingest, registration, router };
    for (const [role, lasts] of Object.entries(all)) {
      const pod = graces[role as keyof typeof graces];
      const preStop = preStopOf(pod);
      expect(pod?.terminationGracePeriodSeconds, role).toBeGreaterThanOrEqual(preStop + lasts + 10);
    }
  });

  test('of themselves pods go on until their Service has let them go, and say nothing to others', () => {
    const { gateway, ingest, registration, router } = pods(manifests(LEAST));
    expect([gateway, ingest, registration, router].map(preStopOf)).toEqual([5, 5, 5, 0]);
    expect(valueOf(gateway, 'NOTICE_SECONDS')).toBe('0');
  });

  test.each(VALUES)('%s has no secret in a manifest, only references', (values) => {
    const all = manifests(values);
    expect(all.map(({ kind }) => kind)).not.toContain('Secret');
    for (const [role, pod] of Object.entries(pods(all))) {
      for (const { name, value, valueFrom } of pod.containers[0]?.env ?? []) {
        if (!SECRET_NAMES.includes(name)) continue;
        expect(value, `${role} ${name}`).toBeUndefined();
        expect(valueFrom).toHaveProperty('secretKeyRef');
      }
    }
  });

  test.each(VALUES)('%s runs everything as nobody, on a root that cannot be written', (values) => {
    for (const pod of Object.values(pods(manifests(values)))) {
      expect(pod).toMatchObject({
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000 },
      });
      expect(pod.containers[0]?.securityContext).toEqual({
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
      });
    }
  });

  test('every setting reaches the services that read it, as it was written, and no others', () => {
    const schema = JSON.parse(readIn(CHART, 'values.schema.json')) as {
      properties: {
        settings: { properties: Record<string, { maximum?: number; enum?: string[] }> };
      };
    };
    const written = Object.entries(schema.properties.settings.properties).map(([name, one]) => {
      const text = one.enum?.[1] ?? `text of ${name}`;
      return [name, name === 'PARTITIONS' ? 1024 : (one.maximum ?? text)] as const;
    });
    const values = { settings: Object.fromEntries(written), demo: { enabled: true } };
    const rendered = pods(manifests(LEAST, '-f', temporary('all.json', JSON.stringify(values))));
    for (const role of Object.keys(SETTINGS_OF) as (keyof typeof SETTINGS_OF)[]) {
      const reads = namesOf(role);
      for (const [name, value] of written) {
        const expected = reads.includes(name) ? String(value) : undefined;
        expect(valueOf(rendered[role], name), `${role} ${name}`).toBe(expected);
      }
    }
  });

  test('secrets and certificates that are named reach the services that read them', () => {
    const rendered = pods(manifests(join(CHART, 'ci', 'production-values.yaml')));
    for (const role of [...SERVICES, 'streams'] as const) {
      const has = rendered[role]?.containers[0]?.env.map(({ name }) => name) ?? [];
      const wanted = namesOf(role).filter((name) => name in GIVEN_OTHERWISE);
      expect(has, role).toEqual(expect.arrayContaining([...wanted]));
    }
  });

  test('a gateway is named after its pod', () => {
    const all = manifests(LEAST);
    expect(
      all.filter(({ kind }) => kind === 'StatefulSet').map(({ metadata }) => metadata.name),
    ).toEqual(['hg-heliograph-gateway']);
    const id = pods(all).gateway?.containers[0]?.env.find(({ name }) => name === 'GATEWAY_ID');
    expect(id?.valueFrom).toEqual({ fieldRef: { fieldPath: 'metadata.name' } });
  });

  describe.each(SERVICES)('%s', (role) => {
    const of = (all: readonly Manifest[], kind: string): Manifest | undefined =>
      all.find((one) => one.kind === kind && one.metadata.name === `hg-heliograph-${role}`);
    const production = join(CHART, 'ci', 'production-values.yaml');
    const labelsOf = (all: readonly Manifest[]) =>
      all.find(({ spec, metadata }) => spec?.template && metadata.name.endsWith(`-${role}`))?.spec
        .template?.metadata.labels ?? {};

    test('keeps enough pods in a disruption, apart from each other', () => {
      const all = manifests(production);
      const labels = labelsOf(all);
      const budget = of(all, 'PodDisruptionBudget');
      expect(labels).toMatchObject(budget?.spec.selector?.matchLabels ?? { none: 'none' });
      const spread = pods(all)[role]?.topologySpreadConstraints ?? [];
      expect(spread.map(({ topologyKey }) => topologyKey)).toEqual([
        'topology.kubernetes.io/zone',
        'kubernetes.io/hostname',
      ]);
      for (const { labelSelector, whenUnsatisfiable } of spread) {
        expect(labels).toMatchObject(labelSelector.matchLabels ?? { none: 'none' });
        expect(whenUnsatisfiable).toBe('DoNotSchedule');
      }
    });

    test('is let in at its door and watched, and out to Kafka, Redis and DNS alone', () => {
      const all = manifests(production);
      const { podSelector, ingress = [], egress = [] } = of(all, 'NetworkPolicy')?.spec ?? {};
      expect(labelsOf(all)).toMatchObject(podSelector?.matchLabels ?? { none: 'none' });
      const ports = pods(all)[role]?.containers[0]?.ports.map(({ name }) => name);
      expect(ingress.flatMap((one) => one.ports.map(({ port }) => port))).toEqual(ports);
      expect(ingress.at(-1)?.from).toEqual([
        { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
      ]);
      const out = egress.flatMap((one) => one.ports.map(({ port }) => port));
      expect(out).toEqual([53, 53, 9093, 6380]);
    });

    test('is found by its Service, where it has a door, and by the ServiceMonitor', () => {
      const all = manifests(production);
      const labels = labelsOf(all);
      const [door] = pods(all)[role]?.containers[0]?.ports ?? [];
      const service = of(all, 'Service');
      if (role === 'router') expect(service).toBeUndefined();
      else {
        expect(labels).toMatchObject(service?.spec.selector ?? { none: 'none' });
        expect(service?.spec.ports?.[0]?.targetPort).toBe(door?.name);
      }
      const ops = all.find(({ kind, metadata }) => {
        return kind === 'Service' && metadata.name === 'hg-heliograph-ops';
      });
      expect(labels).toMatchObject(ops?.spec.selector ?? { none: 'none' });
      const monitor = all.find(({ kind }) => kind === 'ServiceMonitor');
      expect(ops?.metadata.labels).toMatchObject(monitor?.spec.selector?.matchLabels ?? { n: 'n' });
      expect(monitor?.spec.endpoints).toMatchObject([{ port: 'ops', path: '/metrics' }]);
    });

    test('can stay on another version than the rest, while an upgrade goes on', () => {
      const all = pods(manifests(production, '--set', `${role}.tag=0.0.9`));
      const images = Object.entries(all).map(([name, { containers }]) => [
        name,
        containers[0]?.image,
      ]);
      for (const [name, image] of images) {
        expect(image).toMatch(name === role ? /heliograph:0\.0\.9$/ : /@sha256:/);
      }
    });
  });

  test('a gateway waits for the gates of its load balancer', () => {
    const { gateway } = pods(manifests(join(CHART, 'ci', 'production-values.yaml')));
    expect(gateway?.readinessGates).toEqual([
      { conditionType: 'target-health.elbv2.k8s.aws/devices' },
    ]);
  });

  test('the alerts and the dashboard go along as they are', () => {
    const all = manifests(join(CHART, 'ci', 'production-values.yaml'));
    const rule = all.find(({ kind }) => kind === 'PrometheusRule');
    const map = all.find(({ kind, metadata }) => {
      return kind === 'ConfigMap' && metadata.name === 'hg-heliograph-dashboard';
    });
    const alerts = readIn(DEPLOY, 'prometheus/heliograph.rules.yml');
    expect(rule?.spec).toEqual(readYaml(alerts)[0]);
    const { 'heliograph.json': page = '' } = map?.data ?? {};
    expect(JSON.parse(page)).toEqual(JSON.parse(readIn(DEPLOY, 'grafana/heliograph.json')));
  });

  test('YAML’s own idea of `on` is undone', () => {
    const { gateway } = pods(manifests(join(CHART, 'ci', 'production-values.yaml')));
    expect(valueOf(gateway, 'KAFKA_TLS')).toBe('on');
  });

  test('an autoscaler and a fixed number of replicas exclude each other', () => {
    const all = manifests(join(CHART, 'ci', 'production-values.yaml'));
    const scaled = all.filter(({ kind }) => kind === 'HorizontalPodAutoscaler');
    expect(scaled.map(({ metadata }) => metadata.name).sort()).toEqual(
      ['gateway', 'ingest', 'router'].map((role) => `hg-heliograph-${role}`),
    );
    for (const { metadata } of scaled) {
      const workload = all.find(
        ({ kind, metadata: { name } }) => /Set|Deployment/.test(kind) && name === metadata.name,
      );
      expect(workload?.spec.replicas).toBeUndefined();
    }
  });

  test('gateways are scaled by their connections, ingests by their CPU, routers by their lag', () => {
    const all = manifests(join(CHART, 'ci', 'production-values.yaml'));
    const metrics = all.flatMap(({ kind, spec, metadata }) =>
      kind === 'HorizontalPodAutoscaler' ? [[metadata.name, spec.metrics]] : [],
    );
    const ofPods = (name: string, averageValue: string): object => ({
      type: 'Pods',
      pods: { metric: { name }, target: { type: 'AverageValue', averageValue } },
    });
    const target = { type: 'Utilization', averageUtilization: 60 };
    expect(Object.fromEntries(metrics)).toEqual({
      'hg-heliograph-gateway': [ofPods('heliograph_gateway_connections', '15000')],
      'hg-heliograph-ingest': [{ type: 'Resource', resource: { name: 'cpu', target } }],
      'hg-heliograph-router': [ofPods('heliograph_router_lag', '2000')],
    });
  });

  test.each([
    ['a setting with a typo', ['settings.PUBLIC_ENDPONT_URL=x'], /PUBLIC_ENDPONT_URL/],
    ['a value with a typo', ['gateway.replica=5'], /replica/],
    ['a number that is none', ['settings.DRAIN_SECONDS=soon'], /DRAIN_SECONDS|integer/],
    ['a number beyond its range', ['settings.PAYLOAD_BYTES_MAX=100000'], /65536|maximum/],
    ['a word that is no choice', ['settings.LOG_LEVEL=loud'], /LOG_LEVEL/],
    ['a secret among the settings', ['settings.ENDPOINT_KEYS=abc'], /ENDPOINT_KEYS/],
    ['a required setting set to nothing', ['settings.KAFKA_BROKERS='], /KAFKA_BROKERS/],
    ['no name of the keys’ secret', ['secrets.endpointKeys.name='], /endpointKeys/],
    ['more routers than partitions', ['router.replicas=33'], /33 replicas for 32 partitions/],
  ])('refuses %s', (_, settings, says) => {
    const { code, said } = template(LEAST, ...settings.flatMap((one) => ['--set', one]));
    expect(code).not.toBe(0);
    expect(said).toMatch(says);
  });

  test('refuses to be installed without being told anything', () => {
    const { code, said } = helm('template', 'hg', CHART, '--kube-version', KUBE_VERSION);
    expect(code).not.toBe(0);
    for (const name of ['PUBLIC_ENDPOINT_URL', 'PUBLIC_GATEWAY_URL', 'KAFKA_BROKERS', 'redisUrl']) {
      expect(said).toContain(name);
    }
  });
});

requires('helm', 'kubernetes-validate').describe('the chart, by the schemas of Kubernetes', () => {
  test.each(VALUES)('%s has nothing unknown and lacks nothing', (values) => {
    const file = temporary('all.yaml', template(values).stdout);
    const python = pathOf('kubernetes-validate') ?? 'python3';
    const args = ['-m', 'kubernetes_validate', '-k', '1.31', '--strict', file];
    const { code, said } = ran(python, args);
    expect(code, said).toBe(0);
    expect(said).toMatch(/passed/);
  });
});

interface Panel {
  readonly id: number;
  readonly title: string;
  readonly type: string;
  readonly description?: string;
  readonly gridPos: {
    readonly x: number;
    readonly y: number;
    readonly w: number;
    readonly h: number;
  };
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly {
    readonly refId: string;
    readonly expr: string;
    readonly datasource: { readonly uid: string };
  }[];
}
interface Dashboard {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string }[] };
}
interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly runbook: string };
}
const dashboard = JSON.parse(readIn(DEPLOY, 'grafana/heliograph.json')) as Dashboard;
const panels = dashboard.panels.filter(({ type }) => type !== 'row');
const rules = readYaml<{ groups: { rules: Rule[] }[] }>(
  readIn(DEPLOY, 'prometheus/heliograph.rules.yml'),
).flatMap(({ groups }) => groups.flatMap((group) => group.rules));
const queries = [
  ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => [title, expr] as const)),
  ...rules.map(({ alert, expr }) => [alert, expr] as const),
];

describe('dashboard and alerts', () => {
  test.each(queries)('%s asks for metrics and labels that the code has: %s', async (_, expr) => {
    const known = await labelsByMetric();
    const names = expr.match(/\b(heliograph|process|nodejs)_\w+/g) ?? [];
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name) => !known.has(name))).toEqual([]);
    const labels = new Set(names.flatMap((name) => known.get(name) ?? []));
    const grouped = [...expr.matchAll(/\b(?:by|on) \(([^)]*)\)/g)].flatMap(([, list = '']) =>
      list.split(', '),
    );
    const matchers = [...expr.matchAll(/(\w+)=~?"([^"]*)"/g)];
    const asked = [...grouped, ...matchers.map(([, label = '']) => label)];
    expect(asked.filter((label) => !labels.has(label))).toEqual([]);
    const words: Record<string, readonly string[]> = {
      outcome: OUTCOMES,
      refusal: Object.values(REFUSALS).map(({ label }) => label),
      state: ['ready', 'rebuilding'],
    };
    for (const [, label = '', value] of matchers) expect(words[label]).toContain(value);
  });

  test('no panel lies on another or beside the page, and none takes another’s name', () => {
    const { panels: all } = dashboard;
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    const cells = all.flatMap(({ gridPos: { x, y, w, h } }) => {
      const [columns, rows] = [w, h].map((count) => Array.from({ length: count }, (_, i) => i));
      return columns!.flatMap((i) => rows!.map((j) => [x + i, y + j] as const));
    });
    expect(cells.filter(([x]) => x >= 24)).toEqual([]);
    expect(new Set(cells.map(String)).size).toBe(cells.length);
  });

  test('every query is put to the Prometheus that one chooses, under a letter of its own', () => {
    const chosen = dashboard.templating.list.map(({ name }) => `\${${name}}`);
    for (const { datasource, targets = [] } of panels) {
      const asked = [datasource, ...targets.map((one) => one.datasource)];
      expect(asked.filter((one) => !chosen.includes(one?.uid ?? ''))).toEqual([]);
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    }
  });

  test('the runbook has a paragraph on what each of five alerts means, what to look at and what to do', () => {
    expect(rules).toHaveLength(5);
    const sections = readIn(DEPLOY, 'RUNBOOK.md').split(/^## /m).slice(1);
    expect(sections.map((section) => section.split('\n')[0])).toEqual(
      rules.map((rule) => rule.alert),
    );
    for (const section of sections) {
      expect(section).toMatch(/\*\*Means\.\*\*[\s\S]*\*\*Look at\.\*\*[\s\S]*\*\*Do\.\*\*/);
    }
    for (const { alert, annotations } of rules) {
      expect(annotations.runbook).toBe(`deploy/RUNBOOK.md#${alert.toLowerCase()}`);
    }
  });

  test('the runbook names metrics and settings that there are', async () => {
    const runbook = readIn(DEPLOY, 'RUNBOOK.md');
    const ours = describedMetrics().map(({ name }) => name);
    const metrics = [...(await labelsByMetric()).keys(), ...ours];
    const named = runbook.match(/\bheliograph_\w+/g) ?? [];
    expect(named.filter((name) => !metrics.includes(name))).toEqual([]);
    const settings = new Set(
      Object.values(SETTINGS_OF).flatMap((all) => all.map(({ name }) => name)),
    );
    const words = [...runbook.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, name = '']) => name);
    expect(words.filter((name) => !settings.has(name))).toEqual([]);
  });

  test('what the runbook quotes is on the dashboard, in a log, or a heading of the README', () => {
    const files = ['grafana/heliograph.json', 'prometheus/heliograph.rules.yml', '../README.md'];
    const code = readSources().filter(({ area, isTest }) => area !== 'test' && !isTest);
    const said = [...files.map((path) => readIn(DEPLOY, path)), ...code.map(({ text }) => text)];
    const quoted = readIn(DEPLOY, 'RUNBOOK.md').match(/(?<=“)[^”]+(?=”)/g) ?? [];
    const unknown = quoted
      .map((words) => words.replace(/\s+/g, ' '))
      .filter((words) => !said.some((text) => text.includes(words)));
    expect(quoted.length).toBeGreaterThan(5);
    expect(unknown).toEqual([]);
  });

  test('accept to frame and accept to ack are heat maps', () => {
    const maps = panels.filter(({ type }) => type === 'heatmap').map(({ targets = [] }) => targets);
    expect(maps.flat().map(({ expr }) => /heliograph_(\w+)_bucket/.exec(expr)?.[1])).toEqual([
      'gateway_accept_to_frame_seconds',
      'gateway_accept_to_ack_seconds',
    ]);
  });

  test.each(['router_lag', 'router_outbox_age_seconds', 'gateway_lease_age_seconds'])(
    '%s is shown, and too much of it is an alert',
    (name) => {
      const asking = (all: readonly string[]) => all.filter((expr) => expr.includes(name));
      expect(asking(panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)))).toEqual(
        expect.arrayContaining([expect.stringContaining('max')]),
      );
      expect(asking(rules.map(({ expr }) => expr))).toHaveLength(1);
    },
  );

  test('every panel says what it shows', () => {
    expect(panels.filter(({ description }) => !description).map(({ title }) => title)).toEqual([]);
  });

  test('the autoscalers’ metrics are those that the adapter serves', async () => {
    const adapter = readIn(join(DEPLOY, 'helm'), 'prometheus-adapter.yaml');
    const served = [...adapter.matchAll(/as: (\w+)/g)].map(([, name = '']) => name);
    const templates = ['gateway', 'router'].map((role) => readIn(CHART, `templates/${role}.yaml`));
    const asked = [...templates.join('').matchAll(/metric: \{ name: (\w+) \}/g)].map(([, n]) => n);
    expect(served).toEqual(asked);
    const known = await labelsByMetric();
    expect(served.filter((name) => !known.has(name))).toEqual([]);
  });
});

requires('promtool').describe('promtool', () => {
  const promtool = (...args: readonly string[]) =>
    ran(pathOf('promtool') ?? 'promtool', args, join(DEPLOY, 'prometheus'));

  test('takes the alerts, and they fire when they should and not when they should not', () => {
    expect(promtool('check', 'rules', 'heliograph.rules.yml')).toMatchObject({ code: 0 });
    const { code, said } = promtool('test', 'rules', 'heliograph.rules.test.yml');
    expect(code, said).toBe(0);
  });

  test('takes every query of the dashboard', () => {
    const all = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    const recording = all.map((expr, i) => ({
      record: `panel:${i}`,
      expr: expr.replaceAll('$__rate_interval', '1m'),
    }));
    const file = { groups: [{ name: 'panels', rules: recording }] };
    const { code, said } = promtool(
      'check',
      'rules',
      temporary('panels.yml', JSON.stringify(file)),
    );
    expect(code, said).toBe(0);
    expect(said).toContain(`${all.length} rules found`);
  });
});
