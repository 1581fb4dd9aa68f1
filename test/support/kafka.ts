/**
 * A Kafka of the test's own: one broker in KRaft mode on free ports, from the jars in `TEST_KAFKA_LIB` (`.ci/run`
 * fetches them from Maven Central); or the brokers that `TEST_KAFKA_BROKERS` names.
 */
import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import kafkajs, { Kafka, logLevel, type AclOperationTypes, type AclResourceTypes } from 'kafkajs';
import { KAFKA_LIB, archiveClasses, archivedClasses } from './kafka-classes.js';
import { freePorts } from './standalone.js';
import type { Certificate } from './tls.js';
import { signalTo } from './while-stopped.js';

const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk';
/** A test's broker lives for seconds: it starts quickly, and never gets as fast as it might. */
const JAVA_FLAGS = ['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'];
const SCRAM_MECHANISMS = ['SCRAM-SHA-512', 'SCRAM-SHA-256'];
/** A busy machine needs a minute for what takes four seconds otherwise. */
const READY_WITHIN_MS = 120_000;

export interface KafkaServer {
  readonly brokers: readonly string[];
  /** For good. */
  stop(): Promise<void>;
  /** Ends the broker by that signal; its data stay. */
  end(signal: NodeJS.Signals): Promise<void>;
  /** Starts it again on the same ports and data. */
  start(): Promise<void>;
  /** SIGSTOP and SIGCONT. */
  signal(signal: NodeJS.Signals): Promise<void>;
}

/** Clients speak TLS, prove who they are by SCRAM, and may do nothing that no ACL allows them. */
export interface KafkaSecurity {
  readonly certificate: Certificate;
  /** Passwords by user. */
  readonly users: Readonly<Record<string, string>>;
}

export interface SecuredKafka extends KafkaServer {
  /** A plain listener of the broker's own, on which whoever comes may do everything. */
  readonly innerBrokers: readonly string[];
}

export async function startKafka(): Promise<KafkaServer> {
  const named = process.env.TEST_KAFKA_BROKERS;
  if (named) return foreign(named.split(','));
  const [port, controllerPort] = (await freePorts(2)) as [number, number];
  return formatted(port, plainListener(port, controllerPort), []);
}

export interface KafkaBrokers extends KafkaServer {
  /** Each by itself. */
  readonly members: readonly KafkaServer[];
}

/** Three brokers: each record has three copies, and two of them must have it. */
export async function startKafkaBrokers(): Promise<KafkaBrokers> {
  const count = 3;
  const ports = await freePorts(2 * count);
  const controllers = ports.slice(count).map((port, i) => `${i + 1}@127.0.0.1:${port}`);
  const started = await Promise.allSettled(
    ports.slice(0, count).map((port, i) =>
      formatted(
        port,
        {
          ...plainListener(port, ports[count + i] ?? 0),
          ...{ 'node.id': i + 1, 'controller.quorum.voters': controllers.join(',') },
          ...{ 'offsets.topic.replication.factor': count, 'min.insync.replicas': 2 },
        },
        [],
      ),
    ),
  );
  const members = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
  const failed = started.find((one) => one.status === 'rejected');
  if (failed) {
    await Promise.all(members.map((member) => member.stop()));
    throw failed.reason;
  }
  const all = async (act: (member: KafkaServer) => Promise<unknown>): Promise<void> =>
    void (await Promise.all(members.map(act)));
  return {
    members,
    brokers: members.flatMap(({ brokers }) => brokers),
    stop: () => all((member) => member.stop()),
    end: (signal) => all((member) => member.end(signal)),
    start: () => all((member) => member.start()),
    signal: (signal) => all((member) => member.signal(signal)),
  };
}

export async function startSecuredKafka(security: KafkaSecurity): Promise<SecuredKafka> {
  const [port, controllerPort, innerPort] = (await freePorts(3)) as [number, number, number];
  const users = Object.entries(security.users).flatMap(([name, password]) =>
    SCRAM_MECHANISMS.flatMap((mechanism) => [
      '--add-scram',
      `${mechanism}=[name=${name},password=${password}]`,
    ]),
  );
  const listeners = securedListener({ port, controllerPort, innerPort }, security.certificate);
  const server = await formatted(port, listeners, users);
  return Object.assign(server, { innerBrokers: [`127.0.0.1:${innerPort}`] });
}

/** So that the next broker starts sooner; ten seconds, once for these jars. */
export async function archiveKafkaClasses(): Promise<void> {
  await archiveClasses(async (flag) => {
    if (spawnSync('java', ['-version']).status !== 0) throw new Error('there is no Java');
    const [port, controllerPort] = (await freePorts(2)) as [number, number];
    const server = formattedOn(port, plainListener(port, controllerPort), []);
    const run = server.start([flag]).then(() => server.end('SIGTERM'));
    await run.finally(() => server.stop());
  });
}

/** The rights that a user of ours needs, given by the broker's own listener. */
export async function allowKafkaUser(
  { innerBrokers }: SecuredKafka,
  { user, prefix }: { readonly user: string; readonly prefix: string },
): Promise<void> {
  const { AclOperationTypes: may, AclResourceTypes: on } = kafkajs;
  const rights: readonly (readonly [AclResourceTypes, readonly AclOperationTypes[]])[] = [
    [on.TOPIC, [may.READ, may.WRITE, may.CREATE, may.DELETE, may.DESCRIBE_CONFIGS]],
    [on.GROUP, [may.READ, may.DELETE]],
  ];
  const acl = rights.flatMap(([resourceType, operations]) =>
    operations.map((operation) => ({
      ...{ resourceType, operation, resourceName: prefix, principal: `User:${user}`, host: '*' },
      resourcePatternType: kafkajs.ResourcePatternTypes.PREFIXED,
      permissionType: kafkajs.AclPermissionTypes.ALLOW,
    })),
  );
  const admin = new Kafka({ brokers: [...innerBrokers], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.createAcls({ acl });
  await admin.disconnect();
}

async function formatted(
  port: number,
  listeners: Properties,
  formatArgs: readonly string[],
): Promise<LocalKafka> {
  const server = formattedOn(port, listeners, formatArgs);
  try {
    await server.start();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

function formattedOn(
  port: number,
  listeners: Properties,
  formatArgs: readonly string[],
): LocalKafka {
  const folder = mkdtempSync(join(tmpdir(), 'heliograph-kafka-'));
  const properties = join(folder, 'server.properties');
  writeFileSync(properties, propertiesOf({ ...listeners, 'log.dirs': join(folder, 'data') }));
  const format = ['format', '-t', CLUSTER_ID, '-c', properties, ...formatArgs];
  const args = [...archivedClasses(), ...javaArgs('kafka.tools.StorageTool', format)];
  spawnSync('java', args, { stdio: 'ignore' });
  return new LocalKafka(port, properties, folder);
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

  async start(flags = archivedClasses()): Promise<void> {
    const args = [...flags, ...javaArgs('kafka.Kafka', [this.properties])];
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

  signal(signal: NodeJS.Signals): Promise<void> {
    return signalTo(this.child, signal);
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
  return [...JAVA_FLAGS, '-cp', join(KAFKA_LIB, '*'), main, ...args];
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

type Properties = Readonly<Record<string, string | number | boolean>>;

function plainListener(port: number, controllerPort: number): Properties {
  return {
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
    'inter.broker.listener.name': 'PLAINTEXT',
  };
}

function securedListener(
  ports: { readonly port: number; readonly controllerPort: number; readonly innerPort: number },
  { certFile, keyFile }: Certificate,
): Properties {
  const { port, controllerPort, innerPort } = ports;
  const outer = `SECURED://127.0.0.1:${port},INNER://127.0.0.1:${innerPort}`;
  // A PEM keystore is one file with the key before its certificates.
  const keystore = join(dirname(certFile), 'kafka.pem');
  writeFileSync(keystore, readFileSync(keyFile, 'utf8') + readFileSync(certFile, 'utf8'));
  return {
    'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
    listeners: `${outer},CONTROLLER://127.0.0.1:${controllerPort}`,
    'advertised.listeners': outer,
    'inter.broker.listener.name': 'INNER',
    'listener.security.protocol.map': 'SECURED:SASL_SSL,INNER:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'sasl.enabled.mechanisms': SCRAM_MECHANISMS.join(','),
    ...Object.fromEntries(
      SCRAM_MECHANISMS.map((mechanism) => [
        `listener.name.secured.${mechanism.toLowerCase()}.sasl.jaas.config`,
        'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      ]),
    ),
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': keystore,
    'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
    'super.users': 'User:ANONYMOUS',
  };
}

function propertiesOf(listeners: Properties): string {
  return Object.entries({
    'process.roles': 'broker,controller',
    'node.id': 1,
    'controller.listener.names': 'CONTROLLER',
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
    ...listeners,
  })
    .map(([key, value]) => `${key}=${value}\n`)
    .join('');
}
