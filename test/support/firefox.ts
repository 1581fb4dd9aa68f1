/** Stock Firefox, pointed at a push service by its preferences alone. */
import { TestBrowser, type BrowserOptions } from './browser.js';

type Prefs = Readonly<Record<string, string | number | boolean>>;

/** What makes any Firefox use the push service at `gatewayUrl`, without asking its user anything. */
export function pushPrefs(gatewayUrl: string): Prefs {
  return {
    'dom.push.serverURL': gatewayUrl,
    // Only ws:// needs it.
    'dom.push.testing.allowInsecureServerURL': true,
    // Remote control switches push off unless the profile says otherwise.
    'dom.push.connection.enabled': true,
    'permissions.default.desktop-notification': 1,
    // Each push that shows no notification costs one of 16: a tab full of quotes would lose its subscription.
    'dom.push.maxQuotaPerSubscription': 1_000_000,
  };
}

/** For tests: quick to come back, notifications without a desktop, and nothing leaves this machine. */
const TEST_PREFS: Prefs = {
  'dom.push.retryBaseInterval': 100,
  'dom.push.requestTimeout': 5_000,
  'network.websocket.delay-failed-reconnects': false,
  'alerts.useSystemBackend': false,
  'network.proxy.type': 1,
  'network.proxy.http': '127.0.0.1',
  'network.proxy.http_port': 9,
  'network.proxy.ssl': '127.0.0.1',
  'network.proxy.ssl_port': 9,
  'network.proxy.failover_direct': false,
  'network.dns.disabled': true,
  'network.trr.mode': 5,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

export function launchFirefox({
  gatewayUrl,
  ...options
}: BrowserOptions & { readonly gatewayUrl: string }): Promise<TestBrowser> {
  const extraPrefsFirefox = { ...TEST_PREFS, ...pushPrefs(gatewayUrl) };
  const launching = { browser: 'firefox', headless: true, extraPrefsFirefox } as const;
  return TestBrowser.launch('firefox', launching, options);
}
