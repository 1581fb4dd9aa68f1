/**
 * What a real Prometheus sees of a running cluster: every query of the dashboard, of the alerts and of the
 * autoscalers is executed, and has an answer. And what an SDK in each of its processes sees of a traced POST.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startCluster, type Cluster } from './support/cluster.js';
import { Device } from './support/device.js';
import { readIn } from './support/chart.js';
import { pathOf, requires } from './support/machine.js';
import { Prometheus, type Series } from './support/prometheus.js';
import type { RecordedSpan } from './support/recorded-spans.js';
import { accepted, post } from './support/sender.js';
import type { ServiceProcess } from './support/service-process.js';
import { ROOT } from './support/sources.js';
import { whileStopped } from './support/while-stopped.js';
import { readYaml } from './support/yaml.js';

const DEPLOY = join(ROOT, 'deploy');
/** In place of Grafana's, which is four looks of Prometheus; a busy machine may miss some. */
const RATE_INTERVAL = '15s';
const SECONDS = 60;
const SDK = pathToFileURL(join(ROOT, 'dist/test/support/printed-spans.js')).href;
const TRACE = '0af7651916cd43dd8448eb211c80319c';
const PARENT = 'b7ad6b7169203331';
const PAUSE_MS = 50;
const PATIENCE = { timeout: 30_000, interval: 250 };

interface Target {
  readonly expr: string;
  readonly legendFormat?: string;
}
const { panels } = JSON.parse(readIn(DEPLOY, 'grafana/heliograph.json')) as {
  panels: { title: string; targets?: Target[] }[];
};
const targets = panels.flatMap(({ title, targets: all = [] }) =>
  all.map(({ expr, legendFormat = '' }) => ({ title, expr, legendFormat })),
);
const adapter = readYaml<{ rules: { custom: Record<string, string>[] } }>(
  readIn(join(DEPLOY, 'helm'), 'prometheus-adapter.yaml'),
).flatMap(({ rules }) => rules.custom);

requires('kafka', 'redis', 'prometheus', 'promtool').describe(
  'a cluster that Prometheus watches',
  () => {
    let cluster: Cluster;
    let prometheus: Prometheus;
    let traffic: Traffic;
    beforeAll(async () => {
      const each = { gateways: 2, ingests: 1, routers: 1, registrations: 1 };
      const env = { RECHECK_INTERVAL_MS: '1000', NODE_OPTIONS: `--import=${SDK}` };
      cluster = await startCluster({ ...each, env });
      const { gateways, ingests, routers, registrations } = cluster;
      const at = (services: Cluster['services']): string[] =>
        services.map(({ options }) => `127.0.0.1:${options.opsPort}`);
      prometheus = await Prometheus.watching({
        ...{ gateway: at(gateways), ingest: at(ingests) },
        ...{ router: at(routers), registration: at(registrations) },
      });
      traffic = await Traffic.begin(cluster);
    }, 180_000);
    afterAll(async () => {
      await traffic?.end();
      await prometheus?.dispose();
      await cluster?.dispose();
    }, 60_000);

    const asked = (expr: string): Promise<readonly Series[]> =>
      prometheus.range(expr.replaceAll('$__rate_interval', RATE_INTERVAL), SECONDS);
    const last = async (expr: string): Promise<number | undefined> =>
      (await asked(expr))[0]?.values.at(-1);

    test('every service is understood', async () => {
      const addresses = cluster.services.map(({ options }) => `127.0.0.1:${options.opsPort}`);
      const understood = Object.fromEntries(addresses.map((address) => [address, '']));
      await expect.poll(() => prometheus.scrapes(), PATIENCE).toEqual(understood);
    }, 40_000);

    test('names and units are as Prometheus wants them', async () => {
      const scraped = await Promise.all(
        cluster.services.map(async ({ opsUrl }) => (await fetch(`${opsUrl}/metrics`)).text()),
      );
      const args = ['check', 'metrics'];
      const checks = scraped.map((input) =>
        spawnSync(pathOf('promtool') ?? 'promtool', args, { input, encoding: 'utf8' }),
      );
      const found = checks.flatMap(({ stdout, stderr }) => `${stdout}${stderr}`.split('\n'));
      // Three gauges of Node's own end in _total.
      expect(found.filter((line) => line && !/^nodejs_active_\w+_total /.test(line))).toEqual([]);
    });

    test.each(targets)(
      '“$title” has something to show: $expr',
      async ({ expr, legendFormat }) => {
        // Memory by device is shown of gateways that have thousands of them.
        const query = expr.replace(/connections > 1000$/, 'connections > 0');
        await expect.poll(async () => (await asked(query)).length, PATIENCE).toBeGreaterThan(0);
        const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, name = '']) => name);
        for (const { metric } of await asked(query)) {
          expect(Object.keys(metric)).toEqual(expect.arrayContaining(labels));
        }
      },
      40_000,
    );

    test.each(adapter)(
      'the autoscaler’s $name.as has a value for each pod',
      async (rule) => {
        const { metricsQuery = '', seriesQuery = '' } = rule;
        const [series = ''] = seriesQuery.split('{');
        const query = metricsQuery
          .replaceAll('<<.Series>>', series)
          .replaceAll('<<.LabelMatchers>>', 'instance!=""')
          .replaceAll('<<.GroupBy>>', 'instance');
        const isOfGateways = series.includes('gateway');
        await expect
          .poll(async () => (await asked(query)).length, PATIENCE)
          .toBe(isOfGateways ? cluster.gateways.length : cluster.routers.length);
      },
      40_000,
    );

    test('the numbers are those of the cluster', async () => {
      const of = (title: string): string => targets.find((one) => one.title === title)!.expr;
      const shown = async (): Promise<object> => ({
        devices: await last(of('Devices')),
        pending: await last(of('Pending')),
        unaccounted: await last(of('Unaccounted')),
      });
      await expect
        .poll(shown, PATIENCE)
        .toEqual({ devices: 1, pending: traffic.waiting, unaccounted: 0 });
    }, 40_000);

    test('no alert is near', async () => {
      const near = async (): Promise<readonly string[]> =>
        (await prometheus.rules()).map(({ name, health, state }) => `${name} ${health} ${state}`);
      const names = ['AccountsDoNotAddUp', 'RefusesSenders', 'RouterFallsBehind'];
      names.push('ViewStaysRebuilding', 'LeaseIsOld');
      await expect
        .poll(near, PATIENCE)
        .toEqual(names.map((name) => `Heliograph${name} ok inactive`));
    }, 40_000);

    test('a traced POST is one trace from its ingest over a router to the gateway, and back by the ack', async () => {
      const device = await Device.greeted(cluster.gatewayUrl(1));
      const { endpoint } = await device.register();
      await accepted(endpoint, 'traced', { traceparent: `00-${TRACE}-${PARENT}-01` });
      device.ack(await device.next('notification'));
      const spansOf = ({ output }: ServiceProcess): readonly RecordedSpan[] =>
        [...output.matchAll(/^\{"span":(.*)\}$/gm)].map(
          ([, text = '']) => JSON.parse(text) as RecordedSpan,
        );
      const gateway = cluster.gateways[1]!;
      await expect.poll(() => spansOf(gateway).length, PATIENCE).toBe(2);
      const [accept] = spansOf(cluster.ingests[0]!);
      const [route] = spansOf(cluster.routers[0]!);
      const [deliver, ack] = spansOf(gateway);
      const steps = [accept, route, deliver, ack];
      expect(steps.map((step) => [step?.name, step?.how, step?.traceId])).toEqual([
        ['accept', 'accepted', TRACE],
        ['route', 'held', TRACE],
        ['deliver', 'sent', TRACE],
        ['ack', 'delivered', TRACE],
      ]);
      const parents = [PARENT, accept?.spanId, accept?.spanId, deliver?.spanId];
      expect(steps.map((step) => step?.parent)).toEqual(parents);
      await device.leave();
    });

    describe('and whose Redis hangs', () => {
      test('comes near those on refused senders and old leases, and to no other', async () => {
        const near = async (): Promise<readonly string[]> =>
          (await prometheus.rules())
            .filter(({ state }) => state !== 'inactive')
            .map(({ name }) => name);
        const names = ['HeliographRefusesSenders', 'HeliographLeaseIsOld'];
        await whileStopped(cluster.redis, () => expect.poll(near, PATIENCE).toEqual(names));
      }, 40_000);
    });
  },
);

/** One device that is connected, one that is away, a third that comes and goes; and senders of which some are wrong. */
class Traffic {
  waiting = 0;
  private isOver = false;
  private going: Promise<unknown> = Promise.resolve();

  private constructor(private readonly cluster: Cluster) {}

  static async begin(cluster: Cluster): Promise<Traffic> {
    const traffic = new Traffic(cluster);
    const steady = await Device.greeted(cluster.gatewayUrl(0));
    const { endpoint } = await steady.register();
    const away = await Device.greeted(cluster.gatewayUrl(1));
    const missed = await away.register();
    await away.leave();
    for (; traffic.waiting < 3; traffic.waiting++) await accepted(missed.endpoint, 'waits');
    traffic.going = traffic.goOn(steady, endpoint);
    return traffic;
  }

  async end(): Promise<void> {
    this.isOver = true;
    await this.going;
  }

  private async goOn(steady: Device, endpoint: string): Promise<void> {
    for (; !this.isOver; await pause(PAUSE_MS)) {
      const { status } = await post(endpoint, 'live');
      if (status !== 201) continue;
      steady.ack(await steady.next('notification', 2 * PATIENCE.timeout));
      const passing = await Device.greeted(this.cluster.gatewayUrl(1)).catch(() => undefined);
      passing?.socket.close();
      await post(endpoint.slice(0, -2), 'nobody');
    }
    await steady.leave();
  }
}
