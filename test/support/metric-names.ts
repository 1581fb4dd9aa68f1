/** Every metric that the services register, asked of the code itself. */
import { watchCluster } from '#cluster';
import { Metrics, type MetricRow } from '#runtime';
import { watchGateway } from '../../apps/gateway/src/gateway-metrics.js';
import { watchIngest } from '../../apps/ingest/src/ingest-metrics.js';
import { watchDoor, watchKeeper } from '../../apps/registration/src/registration-metrics.js';
import { watchRouter } from '../../apps/router/src/router-metrics.js';
import { watchEmbedded } from '../../apps/standalone/src/embedded-metrics.js';

/** Labels that a scraper adds, by deploy/prometheus and the chart's ServiceMonitor. */
const SCRAPERS = ['service', 'instance', 'namespace', 'pod'];

/** Stands in for whatever is counted: registering reads nothing. */
const ANYTHING: never = new Proxy(() => undefined, { get: () => ANYTHING }) as never;

/** Ours, of every service and of standalone, by name. */
export function describedMetrics(): readonly MetricRow[] {
  return everything().described();
}

/** The labels of every metric, by its name; a histogram by the names of its series. */
export async function labelsByMetric(): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = new Map<string, readonly string[]>();
  const nodes = new Metrics({ processToo: true }).registry;
  for (const { name } of await nodes.getMetricsAsJSON()) names.set(name, SCRAPERS);
  for (const { name, type, by } of describedMetrics()) {
    const labels = [...SCRAPERS, ...by.split(', ').filter(Boolean)];
    if (type !== 'histogram') names.set(name, labels);
    else
      for (const part of ['bucket', 'sum', 'count'])
        names.set(`${name}_${part}`, [...labels, 'le']);
  }
  return names;
}

function everything(): Metrics {
  const metrics = new Metrics({ processToo: true });
  watchGateway(metrics, ANYTHING, ANYTHING);
  watchIngest(metrics, ANYTHING);
  watchKeeper(metrics, ANYTHING);
  watchDoor(metrics, ANYTHING);
  watchRouter(metrics, ANYTHING, ANYTHING);
  watchCluster(metrics, ANYTHING);
  watchEmbedded(ANYTHING, ANYTHING, { health: ANYTHING, metrics });
  return metrics;
}
