/** `deploy/setup.mjs` in a small clone with stand-ins for npm's programs: when it installs, builds, and refuses. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

let clone: string;
beforeEach(() => {
  clone = mkdtempSync(join(tmpdir(), 'heliograph-setup-'));
  mkdirSync(join(clone, 'deploy'));
  cpSync('deploy/setup.mjs', join(clone, 'deploy/setup.mjs'));
  put('apps/demo/src/main.ts');
  put('package.json', '{}');
  put('package-lock.json');
  put('node_modules/.package-lock.json');
  program('nest', 'mkdir -p dist && echo nest "$@" >> calls');
  program('esbuild', 'echo esbuild "$@" >> calls');
  for (const path of ['package.json', 'package-lock.json', 'apps/demo/src/main.ts']) age(path, 60);
});
afterEach(() => rmSync(clone, { recursive: true }));

function put(path: string, text = ''): void {
  mkdirSync(dirname(join(clone, path)), { recursive: true });
  writeFileSync(join(clone, path), text);
}
function program(name: string, script: string): void {
  put(`node_modules/.bin/${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(join(clone, 'node_modules/.bin', name), 0o755);
}
function age(path: string, seconds: number): void {
  const at = Date.now() / 1_000 - seconds;
  utimesSync(join(clone, path), at, at);
}
/** By the Node that runs the tests; `calls`: what was run, one per line. */
function setUp(path = process.env.PATH): { code: number | null; said: string; calls: string[] } {
  rmSync(join(clone, 'calls'), { force: true });
  const bin = [dirname(process.execPath), path].join(delimiter);
  const env = { PATH: bin };
  const { status, stdout, stderr } = spawnSync(process.execPath, ['deploy/setup.mjs'], {
    cwd: clone,
    env,
  });
  const calls = existsSync(join(clone, 'calls')) ? readFileSync(join(clone, 'calls'), 'utf8') : '';
  return { code: status, said: `${stdout}${stderr}`, calls: calls.split('\n').filter(Boolean) };
}

describe('the build', () => {
  test('is made once, and then nothing is said or done', () => {
    expect(setUp().calls).toEqual(['nest build']);
    expect(setUp()).toEqual({ code: 0, said: '', calls: [] });
  });

  test('is made again when a source is newer', () => {
    setUp();
    put('apps/demo/src/main.ts', 'changed');
    expect(setUp().calls).toEqual(['nest build']);
  });

  test('is made again when a source is gone', () => {
    put('apps/demo/src/old.ts');
    setUp();
    rmSync(join(clone, 'apps/demo/src/old.ts'));
    expect(setUp().calls).toEqual(['nest build']);
  });

  test('that failed says why, and is tried again', () => {
    program('nest', 'echo "error TS2322: no"; exit 1');
    const failed = setUp();
    expect(failed.code).toBe(1);
    expect(failed.said).toContain('error TS2322: no');
    program('nest', 'mkdir -p dist && echo nest "$@" >> calls');
    expect(setUp()).toMatchObject({ code: 0, calls: ['nest build'] });
  });

  test("bundles the page's scripts and copies what belongs to them", () => {
    put('apps/demo/page/page.ts');
    put('apps/demo/page/service-worker.ts');
    put('apps/demo/page/index.html', '<p>');
    put('apps/demo/page/notes.txt');
    const { calls } = setUp();
    expect(calls).toHaveLength(3);
    expect(calls[1]).toMatch(
      /^esbuild .*page\.ts --bundle --format=esm --minify .*--conditions=source/,
    );
    expect(calls[2]).toMatch(/service-worker\.ts --bundle --format=iife/);
    expect(readFileSync(join(clone, 'dist/apps/demo/page/index.html'), 'utf8')).toBe('<p>');
    expect(existsSync(join(clone, 'dist/apps/demo/page/notes.txt'))).toBe(false);
  });
});

test('what the lockfile names is installed when it is newer than what is there', () => {
  put('bin/npm', '#!/bin/sh\necho npm "$@" >> calls; touch node_modules/.package-lock.json\n');
  chmodSync(join(clone, 'bin/npm'), 0o755);
  age('node_modules/.package-lock.json', 120);
  const path = [join(clone, 'bin'), process.env.PATH].join(delimiter);
  const first = setUp(path);
  expect(first.calls[0]).toMatch(/^npm ci --include=dev --include=optional/);
  expect(first.said).toMatch(/^Installing .*\nBuilding .*\n$/);
  expect(setUp(path).calls).toEqual([]);
  age('package-lock.json', -60); // touched by a checkout, the same
  expect(setUp(path).calls).toEqual([]);
  put('package-lock.json', 'another');
  age('package-lock.json', -60);
  expect(setUp(path).calls[0]).toMatch(/^npm ci/);
});

test('a linked node_modules is not emptied for an installation', () => {
  renameSync(join(clone, 'node_modules'), join(clone, 'others'));
  symlinkSync('others', join(clone, 'node_modules'));
  put('package-lock.json', 'another');
  age('package-lock.json', -60);
  expect(setUp()).toMatchObject({ code: 1, calls: [] });
  expect(setUp().said).toContain('node_modules is a link');
  expect(existsSync(join(clone, 'others/.package-lock.json'))).toBe(true);
});

test('a Node that is too old, or does not run, is refused with what to do', () => {
  program('node', 'echo v20.19.2');
  expect(setUp()).toMatchObject({ code: 1, calls: [] });
  expect(setUp().said).toContain('needs Node 22 or newer; this is v20.19.2');
  program('node', 'exit 127');
  expect(setUp().said).toContain('one that does not run here');
});
