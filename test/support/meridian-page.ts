/** The page of the stock-quotes site as a visitor uses it: by its buttons, and by what can be read on it. */
import type { Page } from 'puppeteer-core';
import type { TestBrowser } from './browser.js';

const PATIENCE_MS = 30_000;
const LOOK_MS = 50;

export class MeridianPage {
  private constructor(private readonly page: Page) {}

  /** Resolves when the page knows whether it is subscribed. */
  static async open(browser: TestBrowser, url: string): Promise<MeridianPage> {
    const meridian = new MeridianPage(await browser.open(url));
    await meridian.until('#subscribe:not([hidden]):enabled, #ask:not([hidden]):enabled');
    return meridian;
  }

  /** Fulfilled when the site has the endpoint. */
  async subscribe(): Promise<void> {
    await this.page.click('#subscribe');
    await this.until('#ask:not([hidden]):enabled');
  }

  async unsubscribe(): Promise<void> {
    await this.page.click('#unsubscribe');
    await this.until('#subscribe:not([hidden]):enabled');
  }

  /** After another tab took the device over. */
  async useItHere(): Promise<void> {
    await this.page.bringToFront();
    await this.page.click('#take-back');
    await this.says('#status', 'Live · client library');
  }

  /** The site is asked for a quote, or for a push without payload. */
  async ask(what: 'quote' | 'empty' = 'quote'): Promise<void> {
    const button = what === 'quote' ? '#ask' : '#ask-empty';
    await this.until(`${button}:not([hidden]):enabled`);
    await this.page.click(button);
    await this.until(`${button}:enabled`);
  }

  /** The newest line of the arrivals, when so many have been pushed to this device. */
  async arrival(count: number): Promise<string> {
    const isThere = (wanted: string): boolean =>
      document.getElementById('count')?.textContent === wanted;
    await this.page.waitForFunction(isThere, this.patience, String(count));
    return this.text('#arrivals li:first-child');
  }

  /** The numbers of the quotes in the list, which has the latest twelve. */
  numbers(): Promise<readonly number[]> {
    return this.page.$$eval('#arrivals li', (items) =>
      items.map((item) => Number(item.dataset['number'])),
    );
  }

  /** Waits until what `selector` finds says so. */
  async says(selector: string, words: string): Promise<void> {
    const isSaid = (where: string, wanted: string): boolean =>
      document.querySelector(where)?.textContent?.includes(wanted) ?? false;
    await this.page.waitForFunction(isSaid, this.patience, selector, words);
  }

  /** Of the eight steps: their states, in order. */
  states(): Promise<readonly string[]> {
    return this.page.$$eval('#steps > li', (items) =>
      items.map((item) => item.dataset['state'] ?? ''),
    );
  }

  text(selector: string): Promise<string> {
    return this.page.$eval(selector, (found) => found.textContent ?? '');
  }

  /** What the site calls this subscriber: it stands in what was said in step 5. */
  async subscriberId(): Promise<string> {
    const said = await this.page.$$eval('[data-step="5"] pre', (blocks) =>
      blocks.map(({ textContent }) => textContent ?? ''),
    );
    return /"id": "([\w-]+)"/.exec(said.join('\n'))?.[1] ?? '';
  }

  close(): Promise<void> {
    return this.page.close();
  }

  private get patience(): { polling: number; timeout: number } {
    return { polling: LOOK_MS, timeout: PATIENCE_MS };
  }

  private async until(selector: string): Promise<void> {
    const isThere = (wanted: string): boolean => document.querySelector(wanted) !== null;
    await this.page.waitForFunction(isThere, this.patience, selector);
  }
}
