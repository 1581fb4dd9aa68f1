/**
 * A Kafka of the test's own: one broker in KRaft mode on free ports, from the jars in `TEST_KAFKA_LIB` (`.ci/run`
 * fetches them from Maven Central); or the brokers that `TEST_KAFKA_BROKERS` names.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './standalone.js';

const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk';
const READY_WITHIN_MS = 45_000;

export interface KafkaServer {
  readonly brokers: readonly string[];
  /** For good. */
  stop(): Promise<void>;
  /** Ends the broker by that signal; its data stay. */
  end(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same ports and data. */
  start(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): void;
}

export async function startKafka(): Promise<KafkaServer> {
  const named = process.env.TEST_KAFKA_BROKERS;
  if (named) return foreign(named.split(','));
  const [port, controllerPort] = (await freePorts(2)) as [number, number];
  const folder = mkdtempSync(join(tmpdir(), 'heliograph-kafka-'));
  const properties = join(folder, 'server.properties');
  writeFileSync(properties, propertiesOf(port, controllerPort, join(folder, 'data')));
  const format = ['format', '-t', CLUSTER_ID, '-c', properties];
  spawnSync('java', javaArgs('kafka.tools.StorageTool', format), { stdio: 'ignore' });
  const server = new LocalKafka(port, properties, folder);
  await server.start();
  return server;
}

class LocalKafka implements KafkaServer {
  private child: ChildProcess | undefined;

  constructor(
    private readonly port: number,
    private readonly properties: string,
    private readonly folder: string,
  ) {}

  get brokers(): readonly string[] {
    return [`127.0.0.1:${this.port}`];
  }

  async start(): Promise<void> {
    const heap = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
    const args = [...heap, ...javaArgs('kafka.Kafka', [this.properties])];
    this.child = spawn('java', args, { stdio: 'ignore' });
    const until = Date.now() + READY_WITHIN_MS;
    while (!(await answers(this.port))) {
      if (this.child.exitCode !== null) throw new Error('the Kafka broker ended at start');
      if (Date.now() > until) throw new Error('the Kafka broker was not ready in time');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    this.child = undefined;
    if (!child || child.exitCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  async stop(): Promise<void> {
    await this.end('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }
}

function foreign(brokers: readonly string[]): KafkaServer {
  const refuse = (): never => {
    throw new Error(
      'TEST_KAFKA_BROKERS names a Kafka that this test did not start and must not end',
    );
  };
  return { brokers, stop: () => Promise.resolve(), end: refuse, start: refuse, signal: refuse };
}

function javaArgs(main: string, args: readonly string[]): string[] {
  return ['-cp', join(process.env.TEST_KAFKA_LIB ?? '', '*'), main, ...args];
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
    socket.unref();
  }).then((isOpen) => isOpen as boolean);
}

function propertiesOf(port: number, controllerPort: number, data: string): string {
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'controller.listener.names': 'CONTROLLER',
    'inter.broker.listener.name': 'PLAINTEXT',
    'log.dirs': data,
    'offsets.topic.replication.factor': 1,
    'transaction.state.log.replication.factor': 1,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.replication.factor': 1,
    'share.coordinator.state.topic.min.isr': 1,
    'group.initial.rebalance.delay.ms': 0,
    'broker.session.timeout.ms': 2000,
    'broker.heartbeat.interval.ms': 500,
    'auto.create.topics.enable': false,
    'offsets.topic.num.partitions': 5,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}
