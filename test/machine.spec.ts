/** Each case runs vitest on one small file in another environment, as `npm test` would meet it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { ROOT } from './support/sources.js';
import { storesOfThisMachine } from './support/stores.js';

interface Run {
  readonly code: number | null;
  readonly said: string;
}

/** A file with one test, and one in a block, that need openssl. */
function runWith(env: Record<string, string>): Run {
  const folder = mkdtempSync(join(tmpdir(), 'heliograph-machine-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(
    join(folder, 'needy.spec.ts'),
    `import { requires } from '${ROOT}/test/support/machine.ts';
     import { test } from '${ROOT}/node_modules/vitest/dist/index.js';
     test('needs nothing', () => {});
     requires('openssl')('signs', () => console.log('ran the test'));
     requires('openssl').describe('a block', () => test('signs too', () => console.log('ran the block')));`,
  );
  writeFileSync(
    join(folder, 'vitest.config.mjs'),
    `export default { test: { include: ['*.spec.ts'] } };`,
  );
  const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [vitest, 'run', '--root', folder, '--reporter=verbose'],
    {
      cwd: folder,
      env: { PATH: process.env.PATH ?? '', NO_COLOR: '1', ...env },
      encoding: 'utf8',
    },
  );
  return { code: status, said: stdout + stderr };
}

test('what is there is used', () => {
  const { code, said } = runWith({ TEST_OPENSSL: '/bin/true' });
  expect(said).toContain('ran the test');
  expect(said).toContain('ran the block');
  expect(code).toBe(0);
});

test('what is missing is named, and its tests are skipped', () => {
  const { code, said } = runWith({ TEST_OPENSSL: '/nowhere/openssl' });
  expect(said).toContain('signs (this machine lacks openssl)');
  expect(said).toContain('a block (this machine lacks openssl)');
  expect(said).toContain('1 passed | 2 skipped');
  expect(code).toBe(0);
});

test('with CI=true what is missing fails, and says how to get it', () => {
  const { code, said } = runWith({ TEST_OPENSSL: '/nowhere/openssl', CI: 'true' });
  expect(said).toContain('apt-get install openssl, or TEST_OPENSSL=path');
  expect(said).toContain('2 failed | 1 passed');
  expect(code).toBe(1);
});

describe('the stores of a cluster under test', () => {
  afterEach(() => vi.unstubAllEnvs());

  test.each([
    [{ CI: 'true' }, 'containers'],
    [{ CI: 'true', TEST_STORES: 'processes' }, 'processes'],
    [
      { CI: 'true', TEST_KAFKA_BROKERS: '127.0.0.1:1', TEST_REDIS_URL: 'redis://127.0.0.1:1' },
      'named',
    ],
  ])('with %j are %s', (env, kind) => {
    for (const name of ['TEST_STORES', 'TEST_KAFKA_BROKERS', 'TEST_REDIS_URL'])
      vi.stubEnv(name, undefined);
    for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
    expect(storesOfThisMachine().kind).toBe(kind);
  });
});
