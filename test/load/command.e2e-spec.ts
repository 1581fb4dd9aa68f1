/** `npm run load` as it is typed, at a service that runs already. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startStandalone, type Standalone } from '../support/standalone.js';
import { Watched, type Finished } from '../support/watched.js';

const DESCRIPTORS = 1_024;

let service: Standalone;
let folder: string;
beforeAll(async () => {
  service = await startStandalone();
  folder = mkdtempSync(join(tmpdir(), 'heliograph-load-'));
});
afterAll(async () => {
  await service.dispose();
  rmSync(folder, { recursive: true });
});

/** With a limit of file descriptors as many a machine has it. */
function load(...args: readonly string[]): Promise<Finished> {
  const limited = `ulimit -n ${DESCRIPTORS}; exec "$0" "$@"`;
  const command = ['-c', limited, process.execPath, 'dist/test/load/main.js', ...args];
  return new Watched(spawn('sh', command)).end;
}

test('drives devices from as many processes as it takes, tells how it goes, and ends with a verdict', async () => {
  const target = ['--target', service.gatewayUrl, service.ingestUrl];
  const { code, stdout, stderr } = await load(
    ...[...target, '--devices', '600', '--rate', '100', '--duration', '6', '--out', folder],
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatch(
    /600 devices are more than one process may connect \(1,024 file descriptors\): 2 processes hold 300 each/,
  );
  expect(stdout).toMatch(/^ +5 s +600 devices +\d+\/s accepted +\d+\/s delivered +p50 /m);
  expect(stdout).toMatch(/The accounts add up: yes/);
  const report = JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as {
    verdict: { addsUp: boolean };
    parts: { name: string }[];
  };
  expect(report.verdict.addsUp).toBe(true);
  expect(report.parts.map(({ name }) => name)).toEqual([
    'load: devices 0',
    'load: devices 1',
    'load: senders 2',
  ]);
  expect(readFileSync(join(folder, 'report.html'), 'utf8')).toMatch(/^<!doctype html>/i);
  expect((await service.accounts()).accepted).toBeGreaterThan(300);
}, 120_000);

test('is not let loose on what is neither loopback nor a container of this machine', async () => {
  const { code, stderr } = await load('--target', 'ws://192.0.2.1:80/', service.ingestUrl);
  expect(code).toBe(2);
  expect(stderr).toMatch(/^ws:\/\/192\.0\.2\.1:80\/ is neither loopback .* say --i-own-this\.\n$/);
});

test('says all that is wrong with what it was told', async () => {
  const { code, stderr } = await load('--devics', '3', '--rate', '0');
  expect({ code, lines: stderr.trimEnd().split('\n').length }).toEqual({ code: 2, lines: 2 });
});
