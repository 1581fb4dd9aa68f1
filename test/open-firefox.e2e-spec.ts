/** `npm run firefox`, without a window. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SmallService } from './support/small-service.js';
import { requires } from './support/machine.js';
import { Watched } from './support/watched.js';

let service: SmallService;
let site: Server;
let sitePort: number;
let asked: string[];
/** Where profiles are made, so that what stays behind can be seen. */
let folder: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'heliograph-firefox-'));
  asked = [];
  service = new SmallService();
  await service.start();
  site = createServer(({ url = '' }, response) => {
    asked.push(url);
    response.end(
      url === '/api/site'
        ? JSON.stringify({ gatewayUrl: service.gatewayUrl })
        : '<!doctype html><title>demo</title>',
    );
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  sitePort = (site.address() as AddressInfo).port;
});
afterEach(async () => {
  await service.stop();
  site.closeAllConnections();
  await new Promise((resolve) => site.close(resolve));
  rmSync(folder, { recursive: true, force: true });
});

function open(env: Readonly<Record<string, string>> = {}): Watched {
  const { PATH = '', HOME = '', TEST_FIREFOX } = process.env;
  const own = { PATH, HOME, ...(TEST_FIREFOX && { TEST_FIREFOX }), TMPDIR: folder };
  const args = ['dist/test/support/open-firefox.js', '--headless'];
  const more = { DEMO_PORT: String(sitePort), ...env };
  return new Watched(spawn(process.execPath, args, { env: { ...own, ...more } }));
}

requires('firefox')(
  'opens the demo in a Firefox that uses its push service, and leaves nothing behind',
  async () => {
    const opened = open();
    await opened.until(new RegExp(`its push service is ${service.gatewayUrl}`));
    await expect.poll(() => asked, { timeout: 15_000 }).toContain('/');
    await expect
      .poll(() => service.heard, { timeout: 15_000 })
      .toMatchObject([{ messageType: 'hello' }]);
    expect(readdirSync(folder)).toHaveLength(1);
    opened.process.kill('SIGTERM');
    expect(await opened.end).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(folder)).toEqual([]);
  },
  45_000,
);

test('says what to do when the demo does not run', async () => {
  site.closeAllConnections();
  await new Promise((resolve) => site.close(resolve));
  const { code, stderr } = await open({ TEST_FIREFOX: process.execPath }).end;
  expect(stderr).toBe(
    `The demo does not answer at http://127.0.0.1:${sitePort}/: start it with npm start (DEMO_PORT if it is elsewhere).\n`,
  );
  expect(code).toBe(1);
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
});

test('says what is missing where there is no Firefox', async () => {
  const { code, stderr } = await open({ TEST_FIREFOX: '/nowhere/firefox' }).end;
  expect(stderr).toContain('There is no Firefox here: install firefox');
  expect(code).toBe(1);
});

test('says what Firefox said when it could not open a window', async () => {
  const { code, stderr } = await open({ TEST_FIREFOX: process.execPath }).end;
  expect(stderr).toContain('Firefox could not open a window: ');
  expect(code).toBe(1);
  expect(readdirSync(folder)).toEqual([]);
});
