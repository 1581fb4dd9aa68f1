/**
 * `deploy/start.mjs` with stand-ins for the two services: what the terminal shows, and how both end. The real
 * services are started by the end-to-end tests.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Watched } from './support/watched.js';

/** Says what a service says, then drains for a moment when it is told to stop. */
const SERVICE = `
  const say = (line) => console.log(JSON.stringify(line));
  process.on('SIGTERM', () => { say({ msg: 'drained' }); process.exitCode = 0; clearInterval(timer); });
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM')); process.channel.unref(); // as exitOnFailure does
  const timer = setInterval(() => {}, 1000);
`;
const STANDALONE = `${SERVICE}
  say({ level: 'info', msg: 'serving', what: 'devices', address: 'ws://127.0.0.1:1/' });
  say({ level: 'info', msg: 'serving', what: 'application servers', address: 'http://127.0.0.1:2/', ready: true });
`;
const DEMO = `${SERVICE}
  say({ level: 'info', msg: 'serving', what: 'demo', address: 'http://127.0.0.1:3/', ready: true });
`;
/** Does something once the demo can serve. */
const afterDemo = (then: string): string => `
  import { readFileSync } from 'node:fs';
  const waiting = setInterval(() => {
    if (!readFileSync('data/logs/demo.log', 'utf8').includes('ready')) return;
    clearInterval(waiting);
    ${then}
  }, 5);
`;

/** Loaded before the starter: it is told to stop while it still launches the first service. */
const TOLD_WHILE_LAUNCHING = `
  import child from 'node:child_process';
  import { syncBuiltinESMExports } from 'node:module';
  const { spawn } = child;
  child.spawn = (...args) => {
    child.spawn = spawn;
    syncBuiltinESMExports();
    const launched = spawn(...args);
    console.log('launched', launched.pid);
    process.kill(process.pid, 'SIGTERM');
    return launched;
  };
  syncBuiltinESMExports();
`;

let root: string;
let started: Watched | undefined;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'heliograph-start-'));
  mkdirSync(join(root, 'deploy'));
  cpSync('deploy/start.mjs', join(root, 'deploy/start.mjs'));
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
});
afterEach(async () => {
  started?.process.kill('SIGKILL');
  await started?.end;
  rmSync(root, { recursive: true });
});

function start(standalone: string, demo: string, flags: readonly string[] = []): Watched {
  for (const [name, main] of Object.entries({ standalone, demo })) {
    mkdirSync(join(root, `dist/apps/${name}/src`), { recursive: true });
    writeFileSync(join(root, `dist/apps/${name}/src/main.js`), main);
  }
  const env = { PATH: process.env.PATH, DATA_DIR: join(root, 'data') };
  const args = [...flags, 'deploy/start.mjs'];
  started = new Watched(spawn(process.execPath, args, { cwd: root, env }));
  return started;
}
function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
const logOf = (name: string): string => readFileSync(join(root, `data/logs/${name}.log`), 'utf8');

test('shows the addresses and what to do next, in at most eight lines, when both can serve', async () => {
  const service = start(STANDALONE, DEMO);
  await service.until(/Ctrl-C\n/);
  service.process.kill('SIGTERM');
  const { code, stdout, stderr } = await service.end;
  expect(stdout).toContain('  devices              ws://127.0.0.1:1/\n');
  expect(stdout).toContain('Next: open http://127.0.0.1:3/ in a browser');
  expect(stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(8);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('keeps the logs in DATA_DIR, for this user only, and waits for the drain', async () => {
  const service = start(STANDALONE, DEMO);
  await service.until(/Ctrl-C\n/);
  service.process.kill('SIGINT');
  expect((await service.end).code).toBe(0);
  expect(logOf('standalone').trimEnd().split('\n').at(-1)).toBe('{"msg":"drained"}');
  expect(logOf('demo')).toContain('drained');
  expect(statSync(join(root, 'data')).mode & 0o777).toBe(0o700);
  expect(statSync(join(root, 'data/logs/demo.log')).mode & 0o777).toBe(0o600);
});

test('a service that refuses to start ends the other, and its sentence is on the terminal', async () => {
  const refusing = afterDemo(`console.error('The port is in use.'); process.exit(1);`);
  const { code, stderr, stdout } = await start(refusing, DEMO).end;
  expect({ code, stderr, stdout }).toEqual({
    code: 1,
    stderr: 'The port is in use.\n',
    stdout: '',
  });
  expect(logOf('demo')).toContain('drained');
});

test('a service that is killed ends the other, and that is said', async () => {
  const dying = `${STANDALONE} ${afterDemo(`process.kill(process.pid, 'SIGKILL');`)}`;
  const { code, stderr } = await start(dying, DEMO).end;
  expect({ code, stderr }).toEqual({ code: 1, stderr: 'standalone was ended by SIGKILL.\n' });
  expect(logOf('demo')).toContain('drained');
});

test('a service that was stopped before it was up is no failure', async () => {
  const early = `process.kill(process.ppid, 'SIGTERM'); setInterval(() => {}, 1000);`;
  const { code, stderr } = await start(early, DEMO).end;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('a signal in the moment of launching ends what was launched', async () => {
  const hook = join(root, 'told-while-launching.mjs');
  writeFileSync(hook, TOLD_WHILE_LAUNCHING);
  const lasting = `process.channel.unref(); setInterval(() => {}, 1000);`;
  const starter = start(lasting, DEMO, ['--import', hook]);
  const ended = once(starter.process, 'exit');
  const pid = Number((await starter.until(/launched (\d+)/))[1]);
  const [code] = (await ended) as [number | null];
  const isThere = isRunning(pid);
  if (isThere) process.kill(pid, 'SIGKILL');
  expect({ code, isThere, said: (await starter.end).stderr }).toEqual({
    code: 0,
    isThere: false,
    said: '',
  });
});

test('an error in a log is on the terminal with its reason and where to read on', async () => {
  const failing = `${STANDALONE} say({ level: 'error', msg: 'append failed', error: { message: 'disk full' } });`;
  const service = start(failing, DEMO);
  await service.until(/Ctrl-C\n/);
  service.process.kill('SIGTERM');
  expect((await service.end).stderr).toMatch(
    /^standalone: append failed: disk full \(see .*standalone\.log\)\n$/,
  );
});

test('services end with a starter that was killed', async () => {
  const orphan = `${DEMO} process.once('exit', () => fs.writeFileSync('gone', '')); import fs from 'node:fs';`;
  const service = start(STANDALONE, orphan);
  await service.until(/Ctrl-C\n/);
  service.process.kill('SIGKILL');
  await expect.poll(() => existsSync(join(root, 'gone'))).toBe(true);
});
