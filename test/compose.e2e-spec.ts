/** `deploy/compose.yaml` as people start it: the load balancer, a browser, and containers that die. */
import { setTimeout as pause } from 'node:timers/promises';
import { spawn } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestBrowser } from './support/browser.js';
import { startCompose, type Compose } from './support/compose.js';
import { askForQuote } from './support/demo-site.js';
import { Device, payloadOf } from './support/device.js';
import { launchFirefox } from './support/firefox.js';
import { requires } from './support/machine.js';
import { MeridianPage } from './support/meridian-page.js';
import { accepted, post } from './support/sender.js';
import { Watched } from './support/watched.js';

const IDLE_MIB_MAX = 130;
const START_SECONDS_MAX = 4;
const STARTS_MAX = 3;
const GATEWAYS = ['gateway-0', 'gateway-1', 'gateway-2'];
const CONNECTIONS = /^heliograph_gateway_connections (\d+)$/m;
/** What a visitor may ask the site for at once. */
const QUOTES = 10;
const QUOTE = /[A-Z]{4}\d+\.\d\d[+−]?\d+\.\d\d/;

/** For the figures of the README. */
const say = (line: string): void => void process.stdout.write(`${line}\n`);

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

  test('while the REST door is away, who comes is told when to come again', async () => {
    await cluster.kill('registration');
    const told = async (): Promise<unknown> => {
      const answer = await fetch(`${cluster.registrationUrl}/openapi.json`);
      return [answer.status, answer.headers.get('retry-after')];
    };
    await expect.poll(told, { timeout: 30_000 }).toEqual([503, '5']);
    await cluster.start('registration');
    await cluster.ready();
  }, 120_000);

  test('the demo site reaches endpoints, though they are loopback addresses', async () => {
    const device = await Device.greeted(cluster.gatewayUrl);
    const { endpoint } = await device.register();
    const code = `fetch('${endpoint}', { method: 'POST', headers: { ttl: '60' } }).then((r) => process.stdout.write(String(r.status)))`;
    const status = await cluster.runIn('demo', code);
    expect(status).toBe('201');
    device.ack(await device.next('notification'));
    await device.leave();
  });

  requires('firefox').describe('for a visitor with stock firefox', () => {
    let browser: TestBrowser;
    let page: MeridianPage;
    afterAll(() => browser?.close(), 30_000);

    /** The gateways that hold a connection: of this visitor, when nobody else is there. */
    async function holders(): Promise<readonly string[]> {
      const held = await Promise.all(
        GATEWAYS.map(async (gateway) => {
          const metrics = await cluster.ask(gateway, '/metrics').catch(() => '');
          return Number(CONNECTIONS.exec(metrics)?.[1]) > 0 ? [gateway] : [];
        }),
      );
      return held.flat();
    }

    test('the page subscribes through the load balancer, and a quote becomes text on it', async () => {
      await expect.poll(holders, { timeout: 15_000 }).toEqual([]);
      browser = await launchFirefox({ gatewayUrl: cluster.gatewayUrl });
      page = await MeridianPage.open(browser, cluster.demoUrl);
      await page.subscribe();
      await page.ask();
      await page.says('[data-step="6"] .summary', 'POST 201');
      await page.says('[data-step="7"] .summary', 'acknowledged');
      await expect.poll(() => page.states()).toEqual(Array.from({ length: 8 }, () => 'done'));
      expect(await page.text('#client-name')).toBe('Firefox');
      expect(await page.text('#arrivals li:first-child')).toMatch(QUOTE);
    }, 60_000);

    test('quotes that are sent while its gateway is killed arrive over another', async () => {
      const id = await page.subscriberId();
      const before = await holders();
      expect(before).toHaveLength(1);
      const [victim = ''] = before;
      const asked = new Set<number>();
      const arrived = new Set<number>();
      for (let i = 0; i < QUOTES; i++) {
        if (i === QUOTES / 2) await cluster.kill(victim);
        const { status, number } = await askForQuote(cluster.demoUrl, id);
        expect(status).toBe(202);
        asked.add(number ?? 0);
      }
      const missing = async (): Promise<readonly number[]> => {
        for (const number of await page.numbers()) arrived.add(number);
        return [...asked].filter((number) => !arrived.has(number));
      };
      await expect.poll(missing, { timeout: 60_000, interval: 100 }).toEqual([]);
      const others = GATEWAYS.filter((gateway) => gateway !== victim);
      await cluster.start(victim);
      await cluster.ready();
      const now = await holders();
      expect(now).toHaveLength(1);
      expect(others).toContain(now[0]);
      // Its quotes would wait for it for the rest of this file.
      await page.unsubscribe();
    }, 120_000);

    test('`npm run firefox` opens the demo in one that connects to the load balancer', async () => {
      await browser.close();
      await expect.poll(holders, { timeout: 15_000 }).toEqual([]);
      const { PATH = '', HOME = '', TEST_FIREFOX = '' } = process.env;
      const env = { PATH, HOME, TEST_FIREFOX, DEMO_PORT: new URL(cluster.demoUrl).port };
      const args = ['dist/test/support/open-firefox.js', '--headless'];
      const opened = new Watched(spawn(process.execPath, args, { env }));
      await opened.until(new RegExp(`its push service is ${cluster.gatewayUrl}`));
      await expect.poll(holders, { timeout: 30_000 }).toHaveLength(1);
      opened.process.kill('SIGTERM');
      expect(await opened.end).toMatchObject({ code: 0, stderr: '' });
    }, 90_000);
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
