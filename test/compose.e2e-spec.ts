/** `deploy/compose.yaml` as people start it: the image, the load balancer, and containers that die. */
import { setTimeout as pause } from 'node:timers/promises';
import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startCompose, type Compose } from './support/compose.js';
import { Device, payloadOf } from './support/device.js';
import { requires } from './support/machine.js';
import { accepted, post } from './support/sender.js';

const IMAGE_MB_MAX = 300;
const IDLE_MIB_MAX = 130;
const START_SECONDS_MAX = 4;
const STARTS_MAX = 3;
const image = process.env.TEST_IMAGE ?? '';

/** For the figures of the README. */
const say = (line: string): void => void process.stdout.write(`${line}\n`);

/** What a container of the image says and how it ends; nothing of it can be written. */
function runImage(...args: readonly string[]): { readonly said: string; readonly code: number } {
  const flags = ['run', '--rm', '--read-only', '--cap-drop', 'ALL', '--network', 'none'];
  const ran = spawnSync('docker', [...flags, ...args], { encoding: 'utf8', timeout: 60_000 });
  return { said: `${ran.stdout}${ran.stderr}`, code: ran.status ?? -1 };
}

requires('docker').describe('the image', () => {
  test('is small and runs as nobody in particular', () => {
    const format = '{{.Size}} {{.Config.User}}';
    const { stdout } = spawnSync('docker', ['image', 'inspect', '--format', format, image], {
      encoding: 'utf8',
    });
    const [size, user] = stdout.trim().split(' ');
    expect(Number(size) / 1e6).toBeLessThan(IMAGE_MB_MAX);
    expect(user).toBe('1000:1000');
  });

  test('holds one binary of uWebSockets.js, no second Node, no tests and no compiler', () => {
    const look = `
      const { readdirSync } = require('node:fs');
      const all = readdirSync('/app', { recursive: true }).map(String);
      const bad = /(^|\\/)(node-linux-|typescript\\/|vitest\\/)|^dist.*\\.spec\\.js$|\\.ts$/;
      console.log(JSON.stringify([all.filter((one) => one.endsWith('.node')), all.filter((one) => bad.test(one))]));`;
    const { said } = runImage('--entrypoint', 'node', image, '-e', look);
    const [binaries, superfluous] = JSON.parse(said) as [string[], string[]];
    expect(binaries.filter((one) => one.includes('uWebSockets.js'))).toHaveLength(1);
    expect(superfluous).toEqual([]);
  });

  test('without settings names all that it lacks at once', () => {
    const { said, code } = runImage(image, 'gateway');
    expect(code).toBe(1);
    for (const name of ['KAFKA_BROKERS', 'REDIS_URL', 'ENDPOINT_KEYS', 'PUBLIC_GATEWAY_URL']) {
      expect(said).toContain(`${name} is required`);
    }
  });

  test('without a role, or with one that is none, names the roles', () => {
    expect(runImage(image)).toEqual(runImage(image, ''));
    const { said, code } = runImage(image, 'gatway');
    expect(code).toBe(1);
    expect(said).toMatch(/gateway, ingest, router, registration.*“gatway”/);
  });

  test('refuses a secret that is given twice, and a file that it cannot read', () => {
    const { said, code } = runImage(
      ...['-e', 'REDIS_URL=redis://redis', '-e', 'REDIS_URL_FILE=/a'],
      ...['-e', 'ENDPOINT_KEYS_FILE=/none', image, 'router'],
    );
    expect(code).toBe(1);
    expect(said).toMatch(/REDIS_URL and REDIS_URL_FILE are both set/);
    expect(said).toMatch(/ENDPOINT_KEYS_FILE: \/none must be a file/);
  });

  test('ends at once on SIGTERM while it waits for its stores', async () => {
    const settings = {
      KAFKA_BROKERS: '127.0.0.1:1',
      REDIS_URL: 'redis://127.0.0.1:1',
      ENDPOINT_KEYS: Buffer.alloc(32, 1).toString('base64url'),
    };
    const env = Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const started = spawnSync('docker', ['run', '-d', ...env, image, 'router'], {
      encoding: 'utf8',
    });
    const id = started.stdout.trim();
    // Only what has begun can listen to signals: it says that it waits.
    for (let tries = 0; tries < 60; tries++) {
      const { stdout, stderr } = spawnSync('docker', ['logs', id], { encoding: 'utf8' });
      if (stdout + stderr !== '') break;
      await pause(250);
    }
    const began = performance.now();
    spawnSync('docker', ['stop', '-t', '20', id]);
    const took = performance.now() - began;
    const { stdout } = spawnSync('docker', ['inspect', '-f', '{{.State.ExitCode}}', id], {
      encoding: 'utf8',
    });
    spawnSync('docker', ['rm', '-f', id]);
    expect([0, 143]).toContain(Number(stdout));
    expect(took).toBeLessThan(15_000);
  }, 60_000);
});

requires('docker').describe('compose up', () => {
  let cluster: Compose;
  beforeAll(async () => {
    cluster = await startCompose();
  }, 240_000);
  afterAll(() => cluster?.dispose(), 60_000);

  /** A sender that asks again while it is told 503; anything else that is no 201 fails. */
  async function insist(endpoint: string, body: string): Promise<void> {
    for (let tries = 0; tries < 120; tries++) {
      const answer = await post(endpoint, body).catch(() => undefined);
      if (answer?.status === 201) return;
      if (answer !== undefined && answer.status !== 503) {
        throw new Error(`${answer.status} ${answer.body}`);
      }
      if (answer) expect(answer.headers.get('retry-after')).toMatch(/^\d+$/);
      await pause(250);
    }
    throw new Error('was never accepted');
  }

  /** Comes back like a client, until it has all of `wanted`, and acknowledges what comes. */
  async function collect(uaid: string, wanted: ReadonlySet<string>): Promise<Set<string>> {
    const got = new Set<string>();
    const until = performance.now() + 90_000;
    while (got.size < wanted.size && performance.now() < until) {
      try {
        const device = await Device.greeted(cluster.gatewayUrl, uaid);
        expect(device.uaid).toBe(uaid);
        while (got.size < wanted.size) {
          const frame = await device.next('notification', 3_000);
          got.add(payloadOf(frame));
          device.ack(frame);
        }
        await pause(200);
        await device.leave();
      } catch {
        await pause(500);
      }
    }
    return got;
  }

  test('the demo site answers', async () => {
    const page = await fetch(cluster.demoUrl);
    expect(page.status).toBe(200);
    expect(await page.text()).toContain('<html');
  });

  test('a device registers through the load balancer, and a POST becomes a frame', async () => {
    const device = await Device.greeted(cluster.gatewayUrl);
    const { endpoint } = await device.register();
    expect(endpoint.startsWith(`${cluster.endpointUrl}/wpush/`)).toBe(true);
    await accepted(endpoint, 'through the load balancer');
    const frame = await device.next('notification');
    expect(payloadOf(frame)).toBe('through the load balancer');
    device.ack(frame);
    await device.leave();
  });

  test('the REST door registers through the load balancer', async () => {
    const answer = await fetch(`${cluster.registrationUrl}/v1/registrations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ site: 'https://stocks.example' }),
    });
    expect(answer.status).toBe(201);
  });

  test('the demo site reaches endpoints, though they are loopback addresses', async () => {
    const device = await Device.greeted(cluster.gatewayUrl);
    const { endpoint } = await device.register();
    const code = `fetch('${endpoint}', { method: 'POST', headers: { ttl: '60' } }).then((r) => process.stdout.write(String(r.status)))`;
    const status = await cluster.runIn('demo', code);
    expect(status).toBe('201');
    device.ack(await device.next('notification'));
    await device.leave();
  });

  test('idle services are small', async () => {
    const usage = await cluster.memoryMib();
    const idle = ['gateway-0', 'ingest-0', 'router-0', 'registration'].map(
      (service) => [service, usage[service] ?? Infinity] as const,
    );
    say(`memory of idle services, MiB: ${idle.map((one) => one.join(' ')).join(', ')}`);
    for (const [service, mib] of idle) expect(mib, service).toBeLessThan(IDLE_MIB_MAX);
  });

  test('a gateway is ready within seconds of its start', async () => {
    // The machine may be busy with something else at one of them; the image is the same at all.
    const seconds: number[] = [];
    while (seconds.length < STARTS_MAX && !seconds.some((one) => one < START_SECONDS_MAX)) {
      await cluster.stop('gateway-2');
      await cluster.start('gateway-2');
      seconds.push(await cluster.secondsToReady('gateway-2'));
    }
    say(`start to ready of a gateway, s: ${seconds.join(', ')}`);
    expect(Math.min(...seconds)).toBeLessThan(START_SECONDS_MAX);
  }, 90_000);

  test('SIGTERM reaches the service: it drains and ends with 0', async () => {
    const services = ['gateway-1', 'ingest-1', 'router-1'];
    expect(await Promise.all(services.map((service) => cluster.stop(service)))).toEqual([0, 0, 0]);
    await Promise.all(services.map((service) => cluster.start(service)));
    await cluster.ready();
  }, 120_000);

  test.each(['gateway-0', 'ingest-0', 'router-0', 'registration', 'haproxy', 'redis', 'kafka'])(
    'killing %s loses nothing',
    async (victim) => {
      const device = await Device.greeted(cluster.gatewayUrl);
      const { endpoint, status } = await device.register();
      expect(status).toBe(200);
      const sent = new Set<string>();
      const send = async (label: string): Promise<void> => {
        for (let i = 0; i < 10; i++) {
          await insist(endpoint, `${victim} ${label} ${i}`);
          sent.add(`${victim} ${label} ${i}`);
        }
      };
      await send('before');
      await cluster.kill(victim);
      const meanwhile = send('meanwhile').catch((error: unknown) => error);
      await pause(1_000);
      await cluster.start(victim);
      expect(await meanwhile).toBeUndefined();
      await send('after');
      device.socket.terminate();
      expect(await collect(device.uaid, sent)).toEqual(sent);
      await cluster.ready();
      expect(await cluster.settled()).toMatchObject({ pending: 0, unaccounted: 0 });
    },
    180_000,
  );
});
