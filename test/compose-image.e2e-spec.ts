/** The image that `npm run image` builds: what it holds, what it refuses, how it ends. */
import { setTimeout as pause } from 'node:timers/promises';
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { requires } from './support/machine.js';

const IMAGE_MB_MAX = 300;
const image = process.env.TEST_IMAGE ?? '';

/** What a container of the image says and how it ends; nothing of it can be written. */
function runImage(...args: readonly string[]): { readonly said: string; readonly code: number } {
  const flags = ['run', '--rm', '--read-only', '--cap-drop', 'ALL', '--network', 'none'];
  const ran = spawnSync('docker', [...flags, ...args], { encoding: 'utf8', timeout: 60_000 });
  return { said: `${ran.stdout}${ran.stderr}`, code: ran.status ?? -1 };
}

requires('docker').describe('the image', () => {
  test('is small and runs as nobody in particular', () => {
    const format = '{{.Size}} {{.Config.User}}';
    const { stdout } = spawnSync('docker', ['image', 'inspect', '--format', format, image], {
      encoding: 'utf8',
    });
    const [size, user] = stdout.trim().split(' ');
    expect(Number(size) / 1e6).toBeLessThan(IMAGE_MB_MAX);
    expect(user).toBe('1000:1000');
  });

  test('holds one binary of uWebSockets.js, no second Node, no tests and no compiler', () => {
    const look = `
      const { readdirSync } = require('node:fs');
      const all = readdirSync('/app', { recursive: true }).map(String);
      const bad = /(^|\\/)(node-linux-|typescript\\/|vitest\\/)|^dist.*\\.spec\\.js$|\\.ts$/;
      console.log(JSON.stringify([all.filter((one) => one.endsWith('.node')), all.filter((one) => bad.test(one))]));`;
    const { said } = runImage('--entrypoint', 'node', image, '-e', look);
    const [binaries, superfluous] = JSON.parse(said) as [string[], string[]];
    expect(binaries.filter((one) => one.includes('uWebSockets.js'))).toHaveLength(1);
    expect(superfluous).toEqual([]);
  });

  test('without settings names all that it lacks at once', () => {
    const { said, code } = runImage(image, 'gateway');
    expect(code).toBe(1);
    for (const name of ['KAFKA_BROKERS', 'REDIS_URL', 'ENDPOINT_KEYS', 'PUBLIC_GATEWAY_URL']) {
      expect(said).toContain(`${name} is required`);
    }
  });

  test('without a role, or with one that is none, names the roles', () => {
    expect(runImage(image)).toEqual(runImage(image, ''));
    const { said, code } = runImage(image, 'gatway');
    expect(code).toBe(1);
    expect(said).toMatch(/gateway, ingest, router, registration.*“gatway”/);
  });

  test('refuses a secret that is given twice, and a file that it cannot read', () => {
    const { said, code } = runImage(
      ...['-e', 'REDIS_URL=redis://redis', '-e', 'REDIS_URL_FILE=/a'],
      ...['-e', 'ENDPOINT_KEYS_FILE=/none', image, 'router'],
    );
    expect(code).toBe(1);
    expect(said).toMatch(/REDIS_URL and REDIS_URL_FILE are both set/);
    expect(said).toMatch(/ENDPOINT_KEYS_FILE: \/none must be a file/);
  });

  test('ends at once on SIGTERM while it waits for its stores', async () => {
    const settings = {
      KAFKA_BROKERS: '127.0.0.1:1',
      REDIS_URL: 'redis://127.0.0.1:1',
      ENDPOINT_KEYS: Buffer.alloc(32, 1).toString('base64url'),
    };
    const env = Object.entries(settings).flatMap(([name, value]) => ['-e', `${name}=${value}`]);
    const started = spawnSync('docker', ['run', '-d', ...env, image, 'router'], {
      encoding: 'utf8',
    });
    const id = started.stdout.trim();
    // Only what has begun can listen to signals: it says that it waits.
    for (let tries = 0; tries < 60; tries++) {
      const { stdout, stderr } = spawnSync('docker', ['logs', id], { encoding: 'utf8' });
      if (stdout + stderr !== '') break;
      await pause(250);
    }
    const began = performance.now();
    spawnSync('docker', ['stop', '-t', '20', id]);
    const took = performance.now() - began;
    const { stdout } = spawnSync('docker', ['inspect', '-f', '{{.State.ExitCode}}', id], {
      encoding: 'utf8',
    });
    spawnSync('docker', ['rm', '-f', id]);
    expect([0, 143]).toContain(Number(stdout));
    expect(took).toBeLessThan(15_000);
  }, 60_000);
});
