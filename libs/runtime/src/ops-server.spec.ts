import { connect } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Health } from './health.js';
import { Metrics } from './metrics.js';
import { OpsServer } from './ops-server.js';
import { StartRefused } from './start-refused.js';

let health: Health;
let metrics: Metrics;
let ops: OpsServer;
let origin: string;

beforeEach(async () => {
  health = new Health();
  metrics = new Metrics();
  ops = new OpsServer(health, metrics);
  origin = `http://127.0.0.1:${await ops.listen('127.0.0.1', 0)}`;
});
afterEach(() => ops.close());

test('metrics are text for Prometheus', async () => {
  metrics.gauge('heliograph_connections', { help: 'Open sockets.', read: () => 7 });
  const response = await fetch(`${origin}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  expect(await response.text()).toContain('heliograph_connections 7\n');
});

test('ready is 503 with the reason, then 200', async () => {
  const before = await fetch(`${origin}/health/ready`);
  expect(before.status).toBe(503);
  expect(await before.json()).toEqual({ ok: false, checks: { service: 'starting' } });
  health.serving();
  expect((await fetch(`${origin}/health/ready?verbose`)).status).toBe(200);
});

test('live is 200 while starting and while draining', async () => {
  expect((await fetch(`${origin}/health/live`)).status).toBe(200);
  await health.draining();
  expect((await fetch(`${origin}/health/live`)).status).toBe(200);
});

test('another path is 404, another method 405', async () => {
  expect((await fetch(`${origin}/`)).status).toBe(404);
  const posted = await fetch(`${origin}/metrics`, { method: 'POST', body: 'x' });
  expect(posted.status).toBe(405);
  expect(posted.headers.get('allow')).toBe('GET, HEAD');
});

test('a reader that throws is a 500 and the next scrape is answered', async () => {
  let isBroken = true;
  const read = (): number => {
    if (isBroken) throw new Error('not open yet');
    return 1;
  };
  metrics.gauge('heliograph_connections', { help: 'x', read });
  expect((await fetch(`${origin}/metrics`)).status).toBe(500);
  isBroken = false;
  expect((await fetch(`${origin}/metrics`)).status).toBe(200);
});

test('a port in use is one sentence that names the setting', async () => {
  const { port } = new URL(origin);
  const second = new OpsServer(health, metrics);
  await expect(second.listen('127.0.0.1', Number(port))).rejects.toThrow(
    new StartRefused(
      `Cannot open 127.0.0.1:${port} for metrics and health (OPS_PORT): the port is in use: stop what listens there or choose another.`,
    ),
  );
  await second.close();
});

test('a connection that says nothing does not hold up the end', async () => {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await ops.close();
  await closed;
});
