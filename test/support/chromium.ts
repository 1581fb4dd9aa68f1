import { TestBrowser, type BrowserOptions } from './browser.js';

/** Its own push service cannot be pointed elsewhere: in it a page uses the push client library. */
export function launchChromium(options: BrowserOptions = {}): Promise<TestBrowser> {
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync'];
  const args = ['--no-sandbox', '--disable-gpu', '--mute-audio', ...quiet];
  return TestBrowser.launch('chromium', { browser: 'chrome', headless: true, args }, options);
}
