/**
 * Kafka and Redis in containers, by testcontainers: the images are those that `TEST_KAFKA_IMAGE` and `TEST_REDIS_IMAGE`
 * name (deploy/local-images.sh makes them where none can be pulled), or the official ones. Their ports stay the same
 * over restarts, and what the broker has on its disk stays.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Kafka, logLevel } from 'kafkajs';
import { GenericContainer, getContainerRuntimeClient, Wait } from 'testcontainers';
import type { StartedTestContainer } from 'testcontainers';
import { KAFKA_PORT, kafkaEnvironment } from './kafka-environment.js';
import type { KafkaServer } from './kafka.js';
import type { RedisServer } from './redis.js';
import { freePorts } from './standalone.js';

const HOST = '127.0.0.1';
/** A test that asks for more waits for a machine that is not there. */
const READY_WITHIN_MS = 60_000;
const ENDED_WITHIN_MS = 30_000;
const REDIS_PORT = 6379;

export async function startKafkaContainer(): Promise<KafkaServer> {
  const [port = 0] = await freePorts(1);
  const container = await new GenericContainer(process.env.TEST_KAFKA_IMAGE || 'apache/kafka:4.1.0')
    .withExposedPorts({ container: KAFKA_PORT, host: port })
    .withEnvironment(kafkaEnvironment(`${HOST}:${port}`, '-Xmx256m'))
    .withWaitStrategy(Wait.forLogMessage(/Kafka Server started/))
    .withStartupTimeout(READY_WITHIN_MS)
    .start();
  const ends = new Ends(container, () => kafkaAnswers(port));
  return Object.assign(ends, { brokers: [`${HOST}:${port}`] });
}

export async function startRedisContainer(): Promise<RedisServer> {
  const [port = 0] = await freePorts(1);
  const container = await new GenericContainer(process.env.TEST_REDIS_IMAGE || 'redis:7.4')
    .withExposedPorts({ container: REDIS_PORT, host: port })
    .withCommand(['redis-server', '--save', '', '--appendonly', 'no'])
    .withWaitStrategy(Wait.forLogMessage(/Ready to accept connections/))
    .withStartupTimeout(READY_WITHIN_MS)
    .start();
  const ends = new Ends(container, () => redisSays(port, 'PING', '+PONG'));
  return Object.assign(ends, {
    url: `redis://${HOST}:${port}`,
    flush: async () => {
      if (!(await redisSays(port, 'FLUSHALL', '+OK'))) throw new Error('Redis did not flush');
    },
  });
}

/** A container whose first process a test ends and starts again. */
class Ends {
  constructor(
    private readonly container: StartedTestContainer,
    private readonly answers: () => Promise<boolean>,
  ) {}

  async start(): Promise<void> {
    await (await this.handle()).start();
    await until(this.answers, `${this.container.getName()} answers`, READY_WITHIN_MS);
  }

  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const handle = await this.handle();
    await handle.kill({ signal });
    const hasEnded = async (): Promise<boolean> => !(await handle.inspect()).State.Running;
    await until(hasEnded, `${this.container.getName()} ends by ${signal}`, ENDED_WITHIN_MS);
  }

  async signal(signal: NodeJS.Signals): Promise<void> {
    const handle = await this.handle();
    await handle.kill({ signal });
  }

  async stop(): Promise<void> {
    await this.container.stop({ timeout: 0, remove: true, removeVolumes: true });
  }

  private async handle(): Promise<Handle> {
    const { container } = await getContainerRuntimeClient();
    return container.getById(this.container.getId());
  }
}

type Client = Awaited<ReturnType<typeof getContainerRuntimeClient>>;
type Handle = ReturnType<Client['container']['getById']>;

/** The engine's proxy accepts connections long before the broker does: only an answer tells. */
async function kafkaAnswers(port: number): Promise<boolean> {
  const retry = { retries: 0 };
  const client = new Kafka({ brokers: [`${HOST}:${port}`], logLevel: logLevel.NOTHING, retry });
  const admin = client.admin();
  try {
    await admin.connect();
    return (await admin.describeCluster()).brokers.length > 0;
  } catch {
    return false;
  } finally {
    await admin.disconnect();
  }
}

async function redisSays(port: number, command: string, answer: string): Promise<boolean> {
  const socket = connect(port, HOST, () => socket.write(`${command}\r\n`));
  socket.setTimeout(2_000, () => socket.destroy());
  try {
    const closed = once(socket, 'close').then(() => ['closed']);
    const [said] = (await Promise.race([once(socket, 'data'), closed])) as [Buffer | string];
    return said.toString().startsWith(answer);
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function until(isSo: () => Promise<boolean>, what: string, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > deadline) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await pause(100);
  }
}
