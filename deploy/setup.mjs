/**
 * Makes a clone ready to run, before `npm start`, `npm test` and the other commands: installs what the lockfile
 * names if that has not been done, builds what is older than its sources. Runs on the machine's own Node (20 or
 * newer), before anything is installed, so it uses nothing but Node itself. Says nothing when there is nothing to do.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { statSync, utimesSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const BIN = join(ROOT, 'node_modules', '.bin');
/** What the dependencies were installed from. */
const STAMP = join(ROOT, 'node_modules', '.installed-from');
const BUILT = join(ROOT, 'dist', '.built');
const PAGE = join(ROOT, 'apps', 'demo', 'page');
/** Files and folders that the build depends on. A folder's own time shows what was removed from it. */
const SOURCES = [
  'apps',
  'libs',
  'test',
  'package.json',
  'tsconfig.json',
  'nest-cli.json',
  'deploy/setup.mjs',
  'deploy/create-streams.ts',
];
const NOT_SOURCES = new Set(['results', 'node_modules']);
const NODE_MAJOR_MIN = 22;

install();
refuseOldNode();
build();

function install() {
  const installed = changedAt('node_modules/.package-lock.json');
  if (installed >= changedAt('package-lock.json') && installed > 0) return;
  // A checkout may touch the lockfile without changing it, and `npm ci` begins by removing everything.
  const wanted = createHash('sha256')
    .update(readFileSync(join(ROOT, 'package-lock.json')))
    .digest('hex');
  if (installed > 0 && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === wanted) return;
  // It would be another clone's that `npm ci` empties.
  if (lstatSync(join(ROOT, 'node_modules'), { throwIfNoEntry: false })?.isSymbolicLink()) {
    fail('node_modules is a link, and not what package-lock.json names: remove the link.');
  }
  const startedAt = Date.now();
  process.stdout.write('Installing the dependencies (once; about half a minute) … ');
  // npm runs itself by the Node that runs this; outside of npm the one on the PATH is asked.
  const npm = process.env.npm_execpath;
  const [command, ...first] = npm?.endsWith('npm-cli.js') ? [process.execPath, npm] : ['npm'];
  // The build needs the development dependencies, whatever NODE_ENV says.
  run(command, [...first, 'ci', '--include=dev', '--include=optional', '--loglevel=error']);
  writeFileSync(STAMP, wanted);
  done(startedAt);
}

/** The commands that follow find `node` in node_modules/.bin first, where the lockfile puts one for Linux. */
function refuseOldNode() {
  const asked = spawnSync('node', ['--version'], { env: environment(), encoding: 'utf8' });
  const version = asked.stdout?.trim() || `one that does not run here (${asked.error?.code})`;
  const major = Number(/^v(\d+)\./.exec(version)?.[1] ?? 0);
  if (major >= NODE_MAJOR_MIN) return;
  fail(
    `Heliograph needs Node ${NODE_MAJOR_MIN} or newer; this is ${version}. ` +
      `On Linux (glibc, x64 or arm64) npm installs one by itself; elsewhere install Node ${NODE_MAJOR_MIN}.`,
  );
}

function build() {
  if (existsSync(BUILT) && statSync(BUILT).mtimeMs >= Math.max(...SOURCES.map(newestIn))) return;
  // Without the stamp nothing is known about dist: TypeScript would emit only what has changed since.
  if (!existsSync(BUILT)) rmSync(join(ROOT, 'dist'), { recursive: true, force: true });
  const startedAt = Date.now();
  process.stdout.write('Building … ');
  run(join(BIN, 'nest'), ['build']);
  bundle('page.ts', 'esm');
  bundle('service-worker.ts', 'iife');
  copyPage();
  writeFileSync(BUILT, '');
  // As of the beginning: what was edited meanwhile is newer than the stamp.
  utimesSync(BUILT, new Date(startedAt), new Date(startedAt));
  done(startedAt);
}

/** The demo's page runs in browsers: one file per entry, aliases resolved to the sources. */
function bundle(entry, format) {
  if (!existsSync(join(PAGE, entry))) return;
  const outDir = join('dist', 'apps', 'demo', 'page');
  const options = ['--bundle', `--format=${format}`, '--minify', '--sourcemap', '--target=es2022'];
  const quiet = ['--conditions=source', '--log-level=warning', `--outdir=${outDir}`];
  run(join(BIN, 'esbuild'), [join(PAGE, entry), ...options, ...quiet]);
}

function copyPage() {
  if (!existsSync(PAGE)) return;
  const to = join(ROOT, 'dist', 'apps', 'demo', 'page');
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(PAGE)) {
    if (/\.(html|css|svg|png|ico|webmanifest)$/.test(name))
      cpSync(join(PAGE, name), join(to, name));
  }
}

/** Shows what a command said only when it failed. */
function run(command, args) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: ROOT,
    env: environment(),
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status === 0) return;
  process.stdout.write('failed\n');
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  fail(
    `${[command, ...args].join(' ')} failed${error ? `: ${error.message}` : ` with ${status}`}.`,
  );
}

function environment() {
  return { ...process.env, PATH: `${BIN}${delimiter}${process.env.PATH ?? ''}` };
}

function newestIn(path) {
  const full = join(ROOT, path);
  if (!existsSync(full)) return 0;
  const { mtimeMs } = statSync(full);
  if (!statSync(full).isDirectory()) return mtimeMs;
  const inside = readdirSync(full).filter((name) => !NOT_SOURCES.has(name));
  return Math.max(mtimeMs, ...inside.map((name) => newestIn(join(path, name))));
}

function changedAt(path) {
  const full = join(ROOT, path);
  return existsSync(full) ? statSync(full).mtimeMs : 0;
}

function done(startedAt) {
  process.stdout.write(`${((Date.now() - startedAt) / 1_000).toFixed(0)} s\n`);
}

function fail(sentence) {
  process.stderr.write(`${sentence}\n`);
  process.exit(1);
}
