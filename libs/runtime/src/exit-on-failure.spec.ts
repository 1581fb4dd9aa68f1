import { spawnSync } from 'node:child_process';
import { buildSync } from 'esbuild';
import { describe, expect, test, vi } from 'vitest';
import { saidOf } from './exit-on-failure.js';
import { hideSqliteWarning, nodeRefusal } from './node-version.js';
import { ConfigError, listenRefused, StartRefused } from './start-refused.js';

describe('what a failure says', () => {
  test('a refusal is its sentence, without a stack', () => {
    expect(saidOf(new StartRefused('The log is locked.'))).toBe('The log is locked.');
    expect(saidOf(new ConfigError(['A is required: x']))).toBe(
      '1 setting is wrong:\n  A is required: x',
    );
  });

  test('a refusal that a framework wrapped is found', () => {
    expect(saidOf(new Error('start failed', { cause: new StartRefused('Locked.') }))).toBe(
      'Locked.',
    );
  });

  test('a port in use is a sentence, wherever it comes from', () => {
    const error = Object.assign(new Error('listen EADDRINUSE'), {
      code: 'EADDRINUSE',
      address: '127.0.0.1',
      port: 8083,
    });
    expect(saidOf(error)).toBe(
      'Cannot open 127.0.0.1:8083 for this service: the port is in use: stop what listens there or choose another.',
    );
  });

  test('a bug is its stack and its causes', () => {
    const said = saidOf(new Error('outer', { cause: new Error('inner') }));
    expect(said).toMatch(/^Error: outer\n +at [\s\S]*caused by Error: inner\n +at /);
    expect(saidOf('a string')).toBe('a string');
  });
});

test.each([
  [undefined, 'the port is in use'],
  [{ code: 'EACCES' }, 'above 1023'],
  [{ code: 'EADDRNOTAVAIL' }, 'no such address'],
  [{ code: 'EMFILE' }, 'listen failed with EMFILE'],
])('a listen that failed with %o says %s', (cause, reason) => {
  expect(listenRefused('x', { host: '::', port: 1 }, cause).message).toContain(reason);
});

test('Node before 22 is refused with what to do', () => {
  expect(nodeRefusal('20.19.0')).toContain('needs Node 22 or newer; this is Node 20.19.0');
  expect(nodeRefusal('22.0.0')).toBeUndefined();
  expect(nodeRefusal('100.1.0')).toBeUndefined();
});

test('only the warning about SQLite is dropped', () => {
  const original = process.emitWarning;
  const heard = vi.fn();
  process.emitWarning = heard;
  try {
    hideSqliteWarning();
    process.emitWarning(
      'SQLite is an experimental feature and might change',
      'ExperimentalWarning',
    );
    process.emitWarning('a leak', 'MaxListenersExceededWarning');
    expect(heard.mock.calls).toEqual([['a leak', 'MaxListenersExceededWarning']]);
  } finally {
    process.emitWarning = original;
  }
});

describe('a process whose main', () => {
  /** Runs a main that does this, in a Node of its own. */
  function run(main: string): { code: number | null; stdout: string; stderr: string } {
    const contents = `
      import { exitOnFailure } from './exit-on-failure.js';
      import { StartRefused } from './start-refused.js';
      exitOnFailure(async () => { ${main} });`;
    const stdin = { contents, resolveDir: import.meta.dirname, loader: 'ts' } as const;
    const bundle = buildSync({
      stdin,
      bundle: true,
      platform: 'node',
      format: 'esm',
      write: false,
    });
    const args = ['--input-type=module', '-e', bundle.outputFiles[0]?.text ?? ''];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    return { code: status, stdout, stderr };
  }

  test('is refused ends with the sentence alone and code 1, whatever is still open', () => {
    const main = `setInterval(() => {}, 1000); throw new StartRefused('The log is locked.');`;
    expect(run(main)).toEqual({ code: 1, stdout: '', stderr: 'The log is locked.\n' });
  });

  test('fails ends with the stack and code 1', () => {
    const { code, stderr } = run(`throw new TypeError('no such thing');`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^TypeError: no such thing\n +at /);
  });

  test('waits for something ends at SIGTERM with code 0, since nothing is open yet', () => {
    const main = `setTimeout(() => process.kill(process.pid, 'SIGTERM'), 20);
      await new Promise((resolve) => setTimeout(resolve, 10_000));`;
    expect(run(main)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('has its own way to stop is not stopped before', () => {
    const main = `
      process.on('SIGTERM', () => setTimeout(() => { console.log('drained'); process.exit(0); }, 20));
      process.kill(process.pid, 'SIGTERM');
      await new Promise((resolve) => setTimeout(resolve, 10_000));`;
    expect(run(main)).toEqual({ code: 0, stdout: 'drained\n', stderr: '' });
  });

  test('returns goes on until nothing is left to do', () => {
    const main = `setTimeout(() => console.log('served'), 20);`;
    expect(run(main)).toEqual({ code: 0, stdout: 'served\n', stderr: '' });
  });
});
