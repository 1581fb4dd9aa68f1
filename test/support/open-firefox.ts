/**
 * `npm run firefox`: a throw-away Firefox whose own Push API uses this server, opened on the demo. Its profile is
 * removed when it closes. Arguments are passed on to Firefox, e.g. `npm run firefox -- --headless`.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freshProfile } from './browser.js';
import { pushPrefs } from './firefox.js';
import { pathOf } from './machine.js';

/** A new profile does not begin with a tour, questions or reports to its vendor. */
const QUIET_PREFS = {
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.tabs.warnOnClose': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'termsofuse.bypassNotification': true,
};
/** One that ends sooner than this, and not well, never opened its window. */
const OPENED_MS = 5_000;

async function main(args: readonly string[]): Promise<number> {
  const firefox = pathOf('firefox');
  if (firefox === undefined) {
    return refuse(
      'There is no Firefox here: install firefox or firefox-esr, or say where it is by TEST_FIREFOX.',
    );
  }
  const { DEMO_PORT: port = '8083', HOST: host = '127.0.0.1' } = process.env;
  const demo = `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}/`;
  const gatewayUrl = await gatewayOf(demo);
  if (gatewayUrl === undefined) {
    return refuse(
      `The demo does not answer at ${demo}: start it with npm start (DEMO_PORT if it is elsewhere).`,
    );
  }
  const profile = await freshProfile();
  try {
    await writeFile(join(profile, 'user.js'), userJs({ ...QUIET_PREFS, ...pushPrefs(gatewayUrl) }));
    console.log(
      `Firefox on ${demo}, its push service is ${gatewayUrl}. Close it when you are done.`,
    );
    return await run(spawn(firefox, ['--no-remote', '--profile', profile, ...args, demo]));
  } finally {
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

/** What the site tells its page; undefined: it does not answer. */
async function gatewayOf(demo: string): Promise<string | undefined> {
  try {
    const facts = (await (await fetch(`${demo}api/site`)).json()) as { gatewayUrl?: string };
    return facts.gatewayUrl;
  } catch {
    return undefined;
  }
}

function userJs(prefs: object): string {
  const lines = Object.entries(prefs).map(
    (pref) => `user_pref(${JSON.stringify(pref).slice(1, -1)});`,
  );
  return `${lines.join('\n')}\n`;
}

/** Fulfilled with the exit code when it has ended, which a signal to us asks it to. */
async function run(browser: ChildProcess): Promise<number> {
  const began = performance.now();
  let said = '';
  let isStopped = false;
  browser.stderr?.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-2_000)));
  browser.stdout?.resume();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      isStopped = true;
      browser.kill('SIGTERM');
    });
  }
  const [code] = (await once(browser, 'close')) as [number | null];
  if (code === 0 || isStopped || performance.now() - began > OPENED_MS) return 0;
  return refuse(`Firefox could not open a window: ${said.trim() || `it ended with ${code}`}`);
}

function refuse(sentence: string): number {
  console.error(sentence);
  return 1;
}

process.exitCode = await main(process.argv.slice(2));
