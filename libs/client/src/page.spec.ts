/** The library in a page of real browsers, against the small service. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { build } from 'esbuild';
import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestBrowser } from '../../../test/support/browser.js';
import { launchChromium } from '../../../test/support/chromium.js';
import { launchFirefox } from '../../../test/support/firefox.js';
import { requires } from '../../../test/support/machine.js';
import { Sender } from '../test/sender.js';
import { SmallService } from '../../../test/support/small-service.js';
import type { SubscriptionJson } from './index.js';
import { STORED } from './storage.contract.js';

/** What runs in the page: it keeps what it is shown where the test can read it. */
const SCRIPT = `
  import { HeliographClient, IndexedDbStorage } from '#client';
  window.shown = [];
  window.storage = (name) => new IndexedDbStorage(name);
  window.connect = (url, retryBaseMs = 50) => {
    window.client = new HeliographClient({ url, storage: new IndexedDbStorage(), retryBaseMs });
    window.client.addEventListener('push', (event) => window.shown.push(event.data?.text() ?? null));
    return window.client.connect();
  };
  window.subscribe = async (applicationServerKey) =>
    (await window.client.subscribe({ applicationServerKey })).toJSON();`;

/** The same names, as the test sees them from outside the page. */
interface Inside {
  readonly shown: readonly (string | null)[];
  readonly client: { readonly state: string; close(): void };
  connect(url: string, retryBaseMs?: number): Promise<void>;
  subscribe(applicationServerKey: string): Promise<SubscriptionJson>;
  storage(name: string): { save(stored: unknown): Promise<void>; load(): Promise<unknown> };
}
declare const window: Inside;

let site: Server;
let siteUrl: string;

beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: { contents: SCRIPT, resolveDir: import.meta.dirname },
    bundle: true,
    format: 'esm',
    conditions: ['source'],
    write: false,
  });
  const html = `<!doctype html><title>push client</title><script type="module">${outputFiles[0]?.text}</script>`;
  site = createServer((_, response) => {
    response.setHeader('content-type', 'text/html; charset=utf-8').end(html);
  });
  await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
  siteUrl = `http://127.0.0.1:${(site.address() as AddressInfo).port}/`;
});
afterAll(() => new Promise((resolve) => site.close(resolve)));

const BROWSERS = {
  chromium: () => launchChromium(),
  // Its own push has a service that is not there: the library in the page needs none of it.
  firefox: () => launchFirefox({ gatewayUrl: 'ws://127.0.0.1:9/' }),
} as const;

for (const [name, launch] of Object.entries(BROWSERS) as [
  keyof typeof BROWSERS,
  () => Promise<TestBrowser>,
][]) {
  requires(name).describe(`the push client in a page of ${name}`, () => {
    let browser: TestBrowser;
    let service: SmallService;
    const sender = new Sender();

    beforeAll(async () => {
      service = new SmallService();
      await service.start();
      browser = await launch();
    });
    afterAll(async () => {
      await browser.close();
      await service.stop();
    });

    async function shows(page: Page, texts: readonly (string | null)[]): Promise<void> {
      const isShown = (count: number): boolean => window.shown.length >= count;
      await page.waitForFunction(isShown, { polling: 20, timeout: 10_000 }, texts.length);
      expect(await page.evaluate(() => window.shown)).toEqual(texts);
    }

    test('subscribes, shows, and finds its subscription again after a reload and a restart', async () => {
      const page = await browser.open(siteUrl);
      await page.evaluate((url) => window.connect(url), service.gatewayUrl);
      const subscription = await page.evaluate((key) => window.subscribe(key), sender.publicKey);
      expect(await sender.send(subscription, 'HELI 12.50')).toBe(201);
      expect(await sender.send(subscription)).toBe(201);
      expect(await sender.send(subscription, 'draft', 'aesgcm')).toBe(201);
      await shows(page, ['HELI 12.50', null, 'draft']);

      await page.evaluate(() => window.client.close());
      await sender.send(subscription, 'while away');
      await page.goto(siteUrl);
      await page.evaluate((url) => window.connect(url), service.gatewayUrl);
      await shows(page, ['while away']);
      const again = await page.evaluate((key) => window.subscribe(key), sender.publicKey);
      expect(again).toEqual(subscription);

      await service.stop();
      await service.start();
      await sender.send(subscription, 'after the restart');
      await shows(page, ['while away', 'after the restart']);
      await page.close();
    });

    test('comes back at once when the browser says that it is online', async () => {
      const page = await browser.open(siteUrl);
      const becomes = async (state: string): Promise<void> => {
        const isSo = (wanted: string): boolean => window.client.state === wanted;
        await page.waitForFunction(isSo, { polling: 20, timeout: 10_000 }, state);
      };
      await page.evaluate((url) => window.connect(url, 3_600_000), service.gatewayUrl);
      await service.stop();
      await becomes('waiting');
      await service.start();
      await page.evaluate(() => dispatchEvent(new Event('online')));
      await becomes('open');
      await page.close();
    });

    test('keeps what it stores in IndexedDB', async () => {
      const page = await browser.open(siteUrl);
      const [before, after] = await page.evaluate(async (stored) => {
        const empty = await window.storage('another').load();
        await window.storage('another').save(stored);
        return [empty ?? null, await window.storage('another').load()];
      }, STORED as unknown);
      expect(before).toBeNull();
      expect(after).toEqual(STORED);
      await page.close();
    });
  });
}
