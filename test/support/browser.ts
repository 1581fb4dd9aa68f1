/** A browser under test: its profile is thrown away when it ends, unless the test keeps one over restarts. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer, { type Browser, type LaunchOptions, type Page } from 'puppeteer-core';
import { pathOf, type ThingName } from './machine.js';

export interface BrowserOptions {
  /** A directory that stays; by default a fresh one that `close` removes. */
  readonly profile?: string;
}

export class TestBrowser {
  private constructor(
    private readonly browser: Browser,
    private readonly profile: string,
    private readonly isKept: boolean,
  ) {}

  static async launch(
    program: ThingName,
    launching: LaunchOptions,
    { profile }: BrowserOptions,
  ): Promise<TestBrowser> {
    const executablePath = pathOf(program);
    if (executablePath === undefined) throw new Error(`this machine lacks ${program}`);
    const userDataDir = profile ?? (await freshProfile());
    // Without fonts or a sandbox's user namespace headless browsers still work; signals are the test's own.
    const quiet = { handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false };
    const browser = await puppeteer.launch({ executablePath, userDataDir, ...quiet, ...launching });
    return new TestBrowser(browser, userDataDir, profile !== undefined);
  }

  async open(url: string): Promise<Page> {
    const page = await this.browser.newPage();
    await page.goto(url);
    return page;
  }

  /** Ends it as a user would, and removes its profile unless it was given. Harmless when it has ended. */
  async close(): Promise<void> {
    await this.browser.close().catch(() => this.browser.process()?.kill('SIGKILL'));
    if (!this.isKept) await rm(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export function freshProfile(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'heliograph-profile-'));
}
