/**
 * The standalone service as a process: killed at random moments, stopped, started on what is wrong, on a full
 * disk. Asserts what devices receive, what senders are told and what the metrics say, never internals.
 */
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { Device, payloadOf, type Frame } from './support/device.js';
import { requires } from './support/machine.js';
import { accepted, post, request } from './support/sender.js';
import { Standalone, freePorts, runStandalone, startStandalone } from './support/standalone.js';
import type { StandaloneOptions } from './support/standalone.js';

const opened: Standalone[] = [];
const folders: string[] = [];
afterEach(async () => {
  for (const service of opened.splice(0)) await service.dispose();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function started(options?: StandaloneOptions): Promise<Standalone> {
  const service = await startStandalone(options);
  opened.push(service);
  return service;
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'heliograph-e2e-'));
  folders.push(path);
  return path;
}

/** Polls until the accounts say so; the last ones otherwise. */
async function settled(service: Standalone, pending = 0) {
  let accounts = await service.accounts();
  for (let i = 0; i < 200 && accounts.pending !== pending; i++) {
    await pause(25);
    accounts = await service.accounts();
  }
  return accounts;
}

describe('a service that runs', () => {
  test('takes a notification from register to ack, and accounts for it', async () => {
    const service = await started();
    const device = await Device.greeted(service.gatewayUrl);
    const { endpoint } = await device.register();
    await accepted(endpoint, 'a quote');
    const frame = await device.next('notification');
    expect(payloadOf(frame)).toBe('a quote');
    expect(await service.accounts()).toMatchObject({ accepted: 1, pending: 1, unaccounted: 0 });
    device.ack(frame);
    expect(await settled(service)).toMatchObject({
      outcomes: { delivered: 1 },
      pending: 0,
      unaccounted: 0,
    });
    await device.leave();
  });

  test('says its addresses on standard output when it can serve, the last of them with `ready`', async () => {
    const service = await started();
    await expect.poll(() => service.stdout).toContain('"ready":true');
    const lines = service.stdout.trim().split('\n');
    const serving = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      .filter(({ msg }) => msg === 'serving');
    expect(serving.map(({ address }) => address)).toEqual([
      service.gatewayUrl,
      service.ingestUrl,
      service.registrationUrl,
      service.opsUrl,
    ]);
    expect(service.stderr).toBe('');
  });

  test('keeps keys and log for its user alone, and its endpoints over a restart', async () => {
    const dataDir = join(folder(), 'data');
    const service = await started({ dataDir });
    const device = await Device.greeted(service.gatewayUrl);
    const { endpoint } = await device.register();
    expect(statSync(dataDir).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(dataDir)) {
      expect([file, statSync(join(dataDir, file)).mode & 0o777]).toEqual([file, 0o600]);
    }
    await service.stop();
    await service.start();
    expect((await post(endpoint, 'after')).status).toBe(201);
  });

  test('loads no client of Kafka or Redis', async () => {
    const coverage = folder();
    const service = await started({ env: { NODE_V8_COVERAGE: coverage } });
    expect(await service.stop()).toBe(0);
    const loaded = readdirSync(coverage)
      .map((file) => readFileSync(join(coverage, file), 'utf8'))
      .join('');
    expect(loaded).toContain('node_modules/@nestjs/core/');
    expect(loaded).not.toMatch(/node_modules\/(kafkajs|ioredis)\//);
  });
});

/** A device, what its sender has been told, and what it has received and acknowledged. */
class Trial {
  readonly accepted: number[] = [];
  private readonly acked = new Set<number>();
  private posted = 0;
  private device: Device | undefined;

  private constructor(
    private readonly service: Standalone,
    private readonly uaid: string,
    private readonly endpoint: string,
  ) {}

  static async begin(service: Standalone): Promise<Trial> {
    const device = await Device.greeted(service.gatewayUrl);
    const { endpoint } = await device.register();
    await device.leave();
    return new Trial(service, device.uaid, endpoint);
  }

  /** One POST after the other, until the service is gone. */
  async send(): Promise<void> {
    for (;;) {
      const number = this.posted++;
      const answer = await post(this.endpoint, String(number)).catch(() => undefined);
      if (answer === undefined) return;
      expect(answer.status).toBe(201);
      this.accepted.push(number);
    }
  }

  /** Connected while they come; acknowledges two of three. Ends when the service is gone. */
  async receiveSome(): Promise<void> {
    const device = await Device.greeted(this.service.gatewayUrl, this.uaid);
    this.device = device;
    for (;;) {
      const frame = await device.next('notification').catch(() => undefined);
      if (frame === undefined) return;
      const number = Number(payloadOf(frame));
      if (number % 3 === 0) continue;
      device.ack(frame);
      this.acked.add(number);
    }
  }

  /** Back after the restart: everything accepted and not acknowledged comes, in order, once. */
  async receiveRest(): Promise<void> {
    const device = await Device.greeted(this.service.gatewayUrl, this.uaid);
    expect(device.uaid).toBe(this.uaid);
    const due = new Set(this.accepted.filter((number) => !this.acked.has(number)));
    const received: number[] = [];
    const take = (frame: Frame): void => {
      const number = Number(payloadOf(frame));
      received.push(number);
      due.delete(number);
      device.ack(frame);
      this.acked.add(number);
    };
    while (due.size > 0) take(await device.next('notification'));
    for (const frame of await device.notificationsUntilAnswer()) take(frame);
    expect(received).toEqual([...new Set(received)].sort((a, b) => a - b));
    expect(received.every((number) => number < this.posted)).toBe(true);
    await device.leave();
  }

  isConnected(): boolean {
    return this.device !== undefined;
  }
}

test('killed at any moment, it loses nothing that it accepted, and its accounts add up', async () => {
  const service = await started();
  const trials = await Promise.all(Array.from({ length: 6 }, () => Trial.begin(service)));
  for (let round = 0; round < 5; round++) {
    const senders = trials.map((trial) => trial.send());
    const receivers = trials.slice(0, 4).map((trial) => trial.receiveSome());
    await pause(100 + Math.random() * 600);
    await service.kill();
    await Promise.all([...senders, ...receivers]);
    await service.start();
    const { unaccounted } = await service.accounts();
    expect(unaccounted).toBe(0);
    await Promise.all(trials.map((trial) => trial.receiveRest()));
    const accounts = await settled(service);
    expect(accounts).toMatchObject({ pending: 0, unaccounted: 0 });
  }
  expect(trials.every((trial) => trial.accepted.length > 5)).toBe(true);
}, 120_000);

describe('what was answered survives a kill at once', () => {
  const registered = async () => {
    const service = await started();
    const device = await Device.greeted(service.gatewayUrl);
    return { service, device, ...(await device.register()) };
  };
  const restart = async (service: Standalone): Promise<void> => {
    await service.kill();
    await service.start();
  };

  test('a registration: its endpoint takes notifications', async () => {
    const { service, endpoint } = await registered();
    await restart(service);
    expect((await post(endpoint, 'after')).status).toBe(201);
  });

  test('an unregistration: its endpoint is gone for good', async () => {
    const { service, device, endpoint, channelID } = await registered();
    expect(await device.unregister(channelID)).toBe(200);
    await restart(service);
    expect(await post(endpoint, 'after')).toMatchObject({ status: 410, errno: 106 });
  });

  test('a DELETE: the message does not come back', async () => {
    const { service, device, endpoint } = await registered();
    await device.leave();
    const deleted = await accepted(endpoint, 'deleted');
    await accepted(endpoint, 'stays');
    expect((await request('DELETE', deleted)).status).toBe(204);
    await restart(service);
    const again = await Device.greeted(service.gatewayUrl, device.uaid);
    expect(payloadOf(await again.next('notification'))).toBe('stays');
    expect(await service.accounts()).toMatchObject({ pending: 1, unaccounted: 0 });
    await again.leave();
  });
});

describe('SIGTERM', () => {
  test('ends an idle service at once, with 0', async () => {
    const service = await started();
    const began = performance.now();
    expect(await service.stop()).toBe(0);
    expect(performance.now() - began).toBeLessThan(3_000);
  });

  test('closes devices with a code that lets them come back, and loses nothing', async () => {
    const service = await started({ env: { DRAIN_SECONDS: '2' } });
    const device = await Device.greeted(service.gatewayUrl);
    const { endpoint } = await device.register();
    await accepted(endpoint, 'unacknowledged');
    await device.next('notification');
    const began = performance.now();
    expect(await service.stop()).toBe(0);
    expect(performance.now() - began).toBeLessThan(8_000);
    expect([1001, 1012]).toContain((await device.closed).code);
    await service.start();
    const again = await Device.greeted(service.gatewayUrl, device.uaid);
    expect(payloadOf(await again.next('notification'))).toBe('unacknowledged');
    await again.leave();
  });

  test('under load every POST is answered 201 or not at all, and what was answered is there', async () => {
    const service = await started({ env: { DRAIN_SECONDS: '1' } });
    const trials = await Promise.all(Array.from({ length: 4 }, () => Trial.begin(service)));
    const senders = trials.map((trial) => trial.send());
    const receivers = trials.map((trial) => trial.receiveSome());
    await pause(300);
    expect(await service.stop()).toBe(0);
    await Promise.all([...senders, ...receivers]);
    await service.start();
    await Promise.all(trials.map((trial) => trial.receiveRest()));
    expect(await settled(service)).toMatchObject({ pending: 0, unaccounted: 0 });
  });
});

describe('a start is refused with one sentence and exit code 1', () => {
  const SETTINGS = ['gateway', 'ingest', 'registration', 'ops'] as const;

  test.each(SETTINGS)('when the port of %s is in use', async (door) => {
    const taken = createServer();
    await once(taken.listen(0, '127.0.0.1'), 'listening');
    const [a = 0, b = 0, c = 0] = await freePorts(3);
    const { port } = taken.address() as { port: number };
    const ports = { gateway: a, ingest: b, registration: c, ops: 0, [door]: port };
    const { code, stderr } = await runStandalone({ ports });
    taken.close();
    expect(code).toBe(1);
    const setting = `${door.toUpperCase()}_PORT`;
    expect(stderr).toMatch(
      new RegExp(`^Cannot open 127\\.0\\.0\\.1:${port} .*\\(${setting}\\).*in use.*\\n$`),
    );
  });

  test('when settings are wrong, all of them named at once', async () => {
    const env = {
      GATEWAY_PORT: '99999',
      MAILBOX_MAX: '0',
      TTL_SECONDS_MAX: 'long',
      OPS_PORT: '-1',
    };
    const { code, stderr } = await runStandalone({ env: { ...env, LOG_LEVEL: 'loud' } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^5 settings are wrong:\n/);
    for (const name of [...Object.keys(env), 'LOG_LEVEL']) expect(stderr).toContain(`  ${name}: `);
  });

  test('when the log is damaged', async () => {
    const dataDir = folder();
    await writeFile(join(dataDir, 'log.sqlite'), 'this is no database, but it is long enough');
    const { code, stderr } = await runStandalone({ dataDir });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^The log .*log\.sqlite is damaged .*backup.*\n$/);
  });

  test('when another service works on the same directory', async () => {
    const first = await started();
    const { code, stderr } = await runStandalone({ dataDir: first.dataDir });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^The log .* is in use by another process.*\n$/);
    expect(await first.isReady()).toBe(true);
  });

  test('when the directory cannot be one', async () => {
    const file = join(folder(), 'file');
    await writeFile(file, '');
    const { code, stderr } = await runStandalone({ dataDir: file });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^DATA_DIR .*\n$/);
  });

  test('when the directory is open to others and holds their files', async () => {
    const shared = folder();
    mkdirSync(join(shared, 'theirs'));
    mkdirSync(join(shared, 'data'), { mode: 0o755 });
    await writeFile(join(shared, 'data', 'letter.txt'), 'private');
    const { code, stderr } = await runStandalone({ dataDir: join(shared, 'data') });
    expect(code).toBe(1);
    expect(stderr).toMatch(/^DATA_DIR .*letter\.txt.*\n$/);
  });

  test('when the keys in the directory are none', async () => {
    const dataDir = folder();
    await writeFile(join(dataDir, 'endpoint-keys'), 'not a key\n');
    const { code, stderr } = await runStandalone({ dataDir });
    expect(code).toBe(1);
    expect(stderr).toMatch(/endpoint-keys must hold keys like ENDPOINT_KEYS/);
    expect(stderr).not.toContain('not a key');
  });
});

requires('unshare')(
  'on a full disk it answers 503, lives, and recovers when there is room',
  async () => {
    const mount = folder();
    const within = [
      'unshare',
      '-rm',
      'sh',
      '-c',
      'mount -t tmpfs -o size=12m none "$0" && exec "$@"',
    ];
    const service = await started({ dataDir: join(mount, 'data'), within: [...within, mount] });
    const device = await Device.greeted(service.gatewayUrl);
    const { endpoint } = await device.register();
    await device.leave();
    // The disk of the service is visible only from inside of it.
    const ballast = join(`/proc/${service.pid}/root`, mount, 'ballast');
    await writeFile(ballast, Buffer.alloc(16 * 1024 * 1024)).catch(() => undefined);
    let count = 0;
    let answer = await post(endpoint, Buffer.alloc(4_096));
    for (; answer.status === 201 && count < 5_000; count++) {
      answer = await post(endpoint, Buffer.alloc(4_096));
    }
    expect(answer).toMatchObject({ status: 503, errno: 201 });
    expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
    expect((await request('GET', `${service.opsUrl}/health/live`)).status).toBe(200);
    expect(await service.isReady()).toBe(false);
    rmSync(ballast);
    await expect.poll(() => post(endpoint, 'room').then(({ status }) => status)).toBe(201);
    await expect.poll(() => service.isReady()).toBe(true);
    expect(await service.accounts()).toMatchObject({ unaccounted: 0 });
    expect(await service.stop()).toBe(0);
  },
);
