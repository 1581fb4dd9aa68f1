/**
 * The eight steps of the design on a cluster: a stock Firefox on the page of the stock-quotes site, `web-push` in its
 * server, and between them three gateways, one of which is killed while quotes are on their way.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestBrowser } from './support/browser.js';
import { startCluster, type Cluster } from './support/cluster.js';
import { DemoSite } from './support/demo-site.js';
import { launchFirefox } from './support/firefox.js';
import { GatewayDoor } from './support/gateway-door.js';
import { requires } from './support/machine.js';
import { MeridianPage } from './support/meridian-page.js';
import { storesOfThisMachine } from './support/stores.js';

const GATEWAYS = 3;
const ALL_DONE = Array.from({ length: 8 }, () => 'done');
/** Two a second are what the site takes from one visitor. */
const QUOTES = 12;
const QUOTE = /[A-Z]{4}\d+\.\d\d[+−]?\d+\.\d\d/;

const stores = storesOfThisMachine();

requires(...stores.needs, 'firefox').describe('a visitor with stock firefox on a cluster', () => {
  let cluster: Cluster;
  let door: GatewayDoor;
  let site: DemoSite;
  let browser: TestBrowser;
  let page: MeridianPage;
  let dataDir: string;
  let arrived = 0;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'heliograph-demo-'));
    door = await GatewayDoor.open();
    const env = { PUBLIC_GATEWAY_URL: door.url };
    const counts = { gateways: GATEWAYS, ingests: 2, routers: 2, registrations: 1 };
    cluster = await startCluster({ ...counts, env, ...(await stores.start()) });
    door.leadTo(cluster.gateways.map((_, i) => cluster.gatewayUrl(i)));
    const endpointUrl = cluster.ingestUrl(0);
    site = await DemoSite.start({ gatewayUrl: door.url, endpointUrl, dataDir });
    browser = await launchFirefox({ gatewayUrl: door.url });
    page = await MeridianPage.open(browser, site.url);
  }, 180_000);
  afterAll(async () => {
    await browser?.close();
    if (site) expect(await site.stop()).toBe(0);
    await cluster?.dispose();
    await door?.close();
    await rm(dataDir, { recursive: true, force: true });
  }, 60_000);

  const asked = (id: string): Promise<void> =>
    expect.poll(() => site.ask(id), { timeout: 10_000, interval: 100 }).toBe(202);

  test('subscribes, and a quote sent by web-push becomes text on the page', async () => {
    await page.subscribe();
    await page.ask();
    expect(await page.arrival(++arrived)).toMatch(QUOTE);
    await page.says('[data-step="6"] .summary', 'POST 201');
    await page.says('[data-step="7"] .summary', 'acknowledged');
    expect(await page.states()).toEqual(ALL_DONE);
    expect(await page.text('#client-name')).toBe('Firefox');
  }, 60_000);

  test('gets over another gateway what was missed while its own was killed', async () => {
    const id = await page.subscriberId();
    const before = door.connected();
    const [victim = -1] = before;
    expect(before).toHaveLength(1);
    // A stream of quotes, and in its middle the death of the gateway that carries them.
    for (let i = 0; i < QUOTES; i++) {
      if (i === QUOTES / 2) await cluster.gateways[victim]!.kill();
      await asked(id);
    }
    expect(await page.arrival((arrived += QUOTES))).toMatch(QUOTE);
    const [now = -1] = door.connected();
    expect(now).not.toBe(victim);
    await cluster.gateways[victim]!.start();
    expect(await page.subscriberId()).toBe(id);
  }, 120_000);

  test('gets what was sent while every gateway was away', async () => {
    const id = await page.subscriberId();
    for (const gateway of cluster.gateways) await gateway.kill();
    for (let i = 0; i < 3; i++) await asked(id);
    await cluster.start();
    expect(await page.arrival((arrived += 3))).toMatch(QUOTE);
  }, 120_000);

  test('unsubscribes, the sender is told 410, and nothing is lost or counted twice', async () => {
    const id = await page.subscriberId();
    // The page shows a quote before its ack is executed; unsubscribed in between it would be gone.
    await cluster.settled();
    await page.unsubscribe();
    await asked(id);
    await page.says('#notice', '410 Gone');
    const { outcomes } = await cluster.settled();
    // A browser that was cut off before its ack got through acknowledges the double as one.
    expect(outcomes.delivered! + outcomes.rejected!).toBe(arrived);
  }, 60_000);
});
