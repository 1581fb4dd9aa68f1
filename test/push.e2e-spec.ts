/**
 * The eight steps of the design with nothing of ours on either end: a stock browser on the page of the
 * stock-quotes site, and `web-push` in its server. What the device received and what the sender was told.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SmallService } from './support/small-service.js';
import { freshProfile, type TestBrowser } from './support/browser.js';
import { launchChromium } from './support/chromium.js';
import { DemoSite } from './support/demo-site.js';
import { launchFirefox } from './support/firefox.js';
import { requires } from './support/machine.js';
import { MeridianPage } from './support/meridian-page.js';
import { startStandalone, type Standalone } from './support/standalone.js';

/** A restart of service or browser takes a second, or ten where everything else runs beside it. */
const RESTARTS_MS = 60_000;

const ALL_DONE = Array.from({ length: 8 }, () => 'done');
/** `MRRW128.66+0.26…`, as the page writes it. */
const QUOTE = /[A-Z]{4}\d+\.\d\d[+−]?\d+\.\d\d/;

let service: Standalone;
let site: DemoSite;
let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'heliograph-demo-'));
  service = await startStandalone({ env: { DRAIN_SECONDS: '1' } });
  const { gatewayUrl, ingestUrl: endpointUrl } = service;
  site = await DemoSite.start({ gatewayUrl, endpointUrl, dataDir });
});
afterAll(async () => {
  expect(await site.stop()).toBe(0);
  await service.dispose();
  await rm(dataDir, { recursive: true, force: true });
});

interface Visit {
  readonly name: 'firefox' | 'chromium';
  readonly launch: (profile: string) => Promise<TestBrowser>;
  /** As the page calls its push client. */
  readonly client: string;
}

const VISITS: readonly Visit[] = [
  {
    name: 'firefox',
    launch: (profile) => launchFirefox({ gatewayUrl: service.gatewayUrl, profile }),
    client: 'Firefox',
  },
  { name: 'chromium', launch: (profile) => launchChromium({ profile }), client: 'Client library' },
];

for (const { name, launch, client } of VISITS) {
  requires(name).describe(`a visitor with stock ${name}`, () => {
    let profile: string;
    let browser: TestBrowser;
    let page: MeridianPage;
    let arrived = 0;

    beforeAll(async () => {
      profile = await freshProfile();
      browser = await launch(profile);
      page = await MeridianPage.open(browser, site.url);
    });
    afterAll(async () => {
      await browser.close();
      await rm(profile, { recursive: true, force: true });
    });

    test('subscribes, and a quote sent by web-push becomes text on the page', async () => {
      expect(await page.states()).toEqual(['done', ...Array.from({ length: 7 }, () => 'idle')]);
      await page.subscribe();
      await page.ask();
      expect(await page.arrival(++arrived)).toMatch(QUOTE);
      expect(await page.text('#client-name')).toBe(client);
      await page.says('[data-step="6"] .summary', 'POST 201');
      await page.says('[data-step="7"] .summary', 'acknowledged');
      expect(await page.states()).toEqual(ALL_DONE);
    });

    test('gets a push without payload', async () => {
      await page.ask('empty');
      expect(await page.arrival(++arrived)).toContain('no payload');
    });

    test(
      'gets what was sent while the service was stopped, and while it was killed',
      { timeout: RESTARTS_MS },
      async () => {
        expect(await service.stop()).toBe(0);
        await page.ask();
        await page.says('[data-step="6"] .summary', 'connection refused; tried again');
        await service.start();
        expect(await page.arrival(++arrived)).toMatch(QUOTE);

        await service.kill();
        await page.ask();
        await page.ask('empty');
        await service.start();
        await page.arrival((arrived += 2));
        await page.says('[data-step="6"] .summary', 'POST 201');
      },
    );

    test(
      'gets what was accepted while the browser was closed, although the service was killed then',
      { timeout: RESTARTS_MS },
      async () => {
        const id = await page.subscriberId();
        await browser.close();
        for (let sent = 0; sent < 3; sent++) expect(await site.ask(id)).toBe(202);
        await expect.poll(async () => (await service.accounts()).pending).toBe(3);
        await service.kill();
        await service.start();
        browser = await launch(profile);
        page = await MeridianPage.open(browser, site.url);
        expect(await page.arrival((arrived += 3))).toMatch(QUOTE);
        expect(await page.subscriberId()).toBe(id);
      },
    );

    if (name === 'chromium') {
      test('has the quotes in the tab that was opened last, or where it asks for them', async () => {
        const second = await MeridianPage.open(browser, site.url);
        await page.says('#status', 'Live in another tab');
        await second.ask();
        expect(await second.arrival(++arrived)).toMatch(QUOTE);
        await page.useItHere();
        await second.says('#status', 'Live in another tab');
        await second.close();
        await page.ask();
        // The other tab's quote is in the book, and comes into sight when the page is opened again.
        expect(await page.arrival(arrived++)).toMatch(QUOTE);
      });
    }

    test('unsubscribes, and the sender is told 410', async () => {
      const id = await page.subscriberId();
      await page.unsubscribe();
      expect(await site.ask(id)).toBe(202);
      await page.says('#notice', '410 Gone');
      await page.says('[data-step="6"] .summary', '410');
      expect(await site.ask(id)).toBe(404);
    });

    test('and nothing is lost, or counted twice', async () => {
      const settled = { pending: 0, unaccounted: 0 };
      await expect.poll(() => service.accounts()).toMatchObject(settled);
    });
  });
}

requires('firefox').describe('a visitor whose browser has another push service', () => {
  let other: SmallService;
  let browser: TestBrowser;

  beforeAll(async () => {
    other = new SmallService();
    await other.start();
    browser = await launchFirefox({ gatewayUrl: other.gatewayUrl });
  });
  afterAll(async () => {
    await browser.close();
    await other.stop();
  });

  test('is told which, and gets the quotes by the client library, also on later visits', async () => {
    const page = await MeridianPage.open(browser, site.url);
    await page.subscribe();
    await page.says('#notice', `goes through ${new URL(other.endpointUrl).host}`);
    await page.says('#notice', 'npm run firefox');
    expect(await page.text('#client-name')).toBe('Client library');
    await page.ask();
    expect(await page.arrival(1)).toMatch(QUOTE);
    // The subscription with the other service was given back.
    await expect.poll(() => other.heard.at(-1)?.messageType).toBe('unregister');
    await page.close();
    const again = await MeridianPage.open(browser, site.url);
    await again.ask();
    expect(await again.arrival(2)).toMatch(QUOTE);
  });
});
