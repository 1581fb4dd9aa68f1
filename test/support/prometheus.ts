/**
 * A real Prometheus on loopback, set up by `deploy/prometheus/prometheus.yml` and its rules; other than there, the
 * addresses are the given ones, and it looks every two seconds.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathOf } from './machine.js';
import { ROOT } from './sources.js';
import { freePorts } from './standalone.js';
import { readYaml } from './yaml.js';

const FILES = join(ROOT, 'deploy', 'prometheus');
const READY_WITHIN_MS = 30_000;

interface ConfigFile {
  readonly scrape_configs: readonly {
    readonly job_name: string;
    readonly static_configs: readonly { readonly labels: { readonly service: string } }[];
  }[];
}

/** One line of an answer. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly number[];
}

export interface RuleState {
  readonly name: string;
  /** `ok`, or it cannot be evaluated. */
  readonly health: string;
  /** `inactive`, `pending` (true, and not for long enough) or `firing`. */
  readonly state: string;
}

export class Prometheus {
  private constructor(
    private readonly child: ChildProcess,
    private readonly url: string,
    private readonly folder: string,
  ) {}

  /** Resolves when it answers; `targets` are `host:port` by the label `service`. */
  static async watching(targets: Readonly<Record<string, readonly string[]>>): Promise<Prometheus> {
    const folder = mkdtempSync(join(tmpdir(), 'heliograph-prometheus-'));
    writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(configFor(targets)));
    const [port = 0] = await freePorts(1);
    const address = `127.0.0.1:${port}`;
    const child = spawn(
      pathOf('prometheus') ?? 'prometheus',
      [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'data')}`,
        `--web.listen-address=${address}`,
        '--log.level=warn',
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    const prometheus = new Prometheus(child, `http://${address}`, folder);
    try {
      await prometheus.ready();
    } catch (error) {
      await prometheus.dispose();
      throw error;
    }
    return prometheus;
  }

  /** The last seconds, one value for each; what is no number is left out, and so is a line without any. */
  async range(query: string, seconds: number): Promise<readonly Series[]> {
    const end = Date.now() / 1_000;
    const { result } = await this.ask<{ result: readonly Answer[] }>('query_range', {
      query,
      start: String(end - seconds),
      end: String(end),
      step: '1',
    });
    return result
      .map(({ metric, values }) => ({
        metric,
        values: values.map(([, value]) => Number(value)).filter(Number.isFinite),
      }))
      .filter(({ values }) => values.length > 0);
  }

  async rules(): Promise<readonly RuleState[]> {
    const { groups } = await this.ask<{ groups: { rules: RuleState[] }[] }>('rules');
    return groups.flatMap(({ rules }) => rules);
  }

  /** Why a target could not be read, by its address; empty: it was. */
  async scrapes(): Promise<Readonly<Record<string, string>>> {
    const { activeTargets } = await this.ask<{ activeTargets: readonly Target[] }>('targets');
    return Object.fromEntries(
      activeTargets.map(({ labels, health, lastError }) => [
        labels.instance,
        health === 'up' ? '' : lastError || health,
      ]),
    );
  }

  async dispose(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const closed = once(this.child, 'close');
      this.child.kill('SIGKILL');
      await closed;
    }
    rmSync(this.folder, { recursive: true });
  }

  private async ready(): Promise<void> {
    let said = '';
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
    const until = performance.now() + READY_WITHIN_MS;
    for (;;) {
      const answer = await fetch(`${this.url}/-/ready`).catch(() => undefined);
      if (answer?.ok) return;
      if (this.child.exitCode !== null || performance.now() > until) {
        throw new Error(`Prometheus does not start: ${said}`);
      }
      await pause(50);
    }
  }

  private async ask<T>(what: string, query: Record<string, string> = {}): Promise<T> {
    const answer = await fetch(`${this.url}/api/v1/${what}?${new URLSearchParams(query)}`);
    const { data, error } = (await answer.json()) as { data: T; error?: string };
    if (error) throw new Error(`${JSON.stringify(query)}: ${error}`);
    return data;
  }
}

interface Answer {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [number, string])[];
}
interface Target {
  readonly labels: { readonly instance: string };
  readonly health: string;
  readonly lastError: string;
}

function configFor(targets: Readonly<Record<string, readonly string[]>>): object {
  const [file] = readYaml<ConfigFile>(readFileSync(join(FILES, 'prometheus.yml'), 'utf8'));
  if (file === undefined) throw new Error('deploy/prometheus/prometheus.yml is empty');
  return {
    global: { scrape_interval: '2s', evaluation_interval: '1s' },
    rule_files: [join(FILES, 'heliograph.rules.yml')],
    scrape_configs: file.scrape_configs.map((job) => ({
      ...job,
      static_configs: job.static_configs.map((one) => ({
        ...one,
        targets: targets[one.labels.service] ?? [],
      })),
    })),
  };
}
