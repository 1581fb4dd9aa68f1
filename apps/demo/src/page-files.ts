import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { StartRefused } from '#runtime';

export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.map': 'application/json',
};

/** The built page, in memory: what is not a file of it cannot be asked for. */
export class PageFiles {
  private readonly byName = new Map<string, PageFile>();

  constructor(dir: string) {
    for (const name of readdirSync(dir)) {
      const type = TYPES[extname(name)];
      if (type) this.byName.set(name, { type, bytes: readFileSync(join(dir, name)) });
    }
    if (this.byName.has('index.html') && this.byName.has('page.js')) return;
    throw new StartRefused(
      `${dir} does not hold the demo's built page. Build it: node deploy/setup.mjs`,
    );
  }

  get(name: string): PageFile | undefined {
    return this.byName.get(name);
  }
}
